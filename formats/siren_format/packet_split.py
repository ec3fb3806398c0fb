"""Cut a recording into packets (``PACKET1.md``, section 2)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_format.limits import VOICE_BYTES
from siren_format.packet import Packet
from siren_format.packet_head import MAX_PACKET_BYTES, MAX_PACKET_FRAMES
from siren_format.prior import NeuralPrior
from siren_format.prior_rows import prior_digit_bits
from siren_format.prior_voice import voice_bits

MIN_MAX_BYTES = 16
MAX_MAX_BYTES = MAX_PACKET_BYTES


def split_into_packets(
    indices: NDArray[np.integer[Any]],
    voice: bytes | None,
    prior: NeuralPrior | None,
    max_bytes: int,
    *,
    voice_in_each: bool,
    recording: int = 0,
    check_bytes: int = 0,
    has_copies: bool = False,
) -> list[bytes]:
    """Cut a recording into packets, each with as many frames as fit.

    With copies, each packet leaves as much room as the first stage of the one before it is expected to need.

    Args:
        indices: Indices [F, Q] of the recording, at least one frame.
        voice: Voice field of 8 bytes; None for no voice.
        prior: The model's neural prior; None if it has none.
        max_bytes: Largest packet, 16..500 bytes.
        voice_in_each: Whether every packet carries the voice, or the first alone.
        recording: Id of the recording, 1 to 31; 0 for none.
        check_bytes: Bytes of the check, 0 to 2.
        has_copies: Whether each packet carries the first stage of the one before it.

    Returns:
        The packets in order.

    Raises:
        ValueError: The limit or an option is out of range, or there are no frames.
    """
    if not MIN_MAX_BYTES <= max_bytes <= MAX_MAX_BYTES:
        raise ValueError(f"packets of {max_bytes} bytes, expected {MIN_MAX_BYTES}..{MAX_MAX_BYTES}")
    if len(indices) == 0:
        raise ValueError("a recording without frames, expected at least one; give a recording")
    packets: list[bytes] = []
    before: NDArray[np.int16] | None = None
    start = 0
    while start < len(indices):
        own_voice = voice if voice_in_each or not packets else None
        ahead = indices[start : start + MAX_PACKET_FRAMES].astype(np.int16)
        plain = Packet(len(packets), False, ahead[:1], own_voice, recording, check_bytes)
        copied = plain if before is None else replace(plain, copy=before[:1])
        room_bits = 8.0 * (max_bytes - copied.head().field_bytes) - _voice_bits(own_voice, prior)
        if has_copies:
            room_bits *= indices.shape[1] / (indices.shape[1] + 1)
        frames = min(len(ahead), 1 + int(np.searchsorted(_least_bits(ahead, prior), room_bits)))
        while True:
            packet = replace(plain, indices=ahead[:frames], is_last=start + frames == len(indices))
            data = packet.to_bytes(prior)
            if len(data) <= max_bytes or frames == 1:
                break
            frames -= 1
        if before is not None:
            data = _with_copy(packet, before, prior, max_bytes) or data
        packets.append(data)
        before = ahead[:frames, :1] if has_copies else None
        start += frames
    return packets


def _with_copy(packet: Packet, before: NDArray[np.int16], prior: NeuralPrior | None, max_bytes: int) -> bytes | None:
    """The packet with as many of the last frames before it as fit; None if none does."""
    for copied in range(len(before), 0, -1):
        copy = before[len(before) - copied :]
        data = replace(packet, copy=copy, is_copy_whole=copied == len(before)).to_bytes(prior)
        if len(data) <= max_bytes:
            return data
    return None


def _voice_bits(voice: bytes | None, prior: NeuralPrior | None) -> float:
    if voice is None:
        return 0.0
    return 8.0 * VOICE_BYTES if prior is None else voice_bits(voice, prior)


def _least_bits(indices: NDArray[np.int16], prior: NeuralPrior | None) -> NDArray[np.float64]:
    """About the bits that 1, 2, .. frames need [F]: what is coded depends on nothing that follows."""
    packed = np.arange(1, len(indices) + 1) * indices.shape[1] * np.log2(1_000.0)
    if prior is None:
        return packed
    coded = prior_digit_bits(indices, prior).sum(axis=(1, 2)).cumsum()
    least: NDArray[np.float64] = np.minimum(coded, packed)
    return least
