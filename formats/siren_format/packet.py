"""The packet profile, version 1 (``PACKET1.md``): self-contained pieces of a recording, for links that check."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_format.entropy import decode_payload, encode_indices
from siren_format.errors import BadPayload, NeedsPrior, TruncatedFile
from siren_format.limits import VOICE_BYTES
from siren_format.packet_head import HEAD_BYTES, MAX_PACKET_FRAMES, PacketHead, parse_head
from siren_format.packing import pack_indices, unpack_indices
from siren_format.prior import NeuralPrior
from siren_format.prior_rows import prior_digit_bits
from siren_format.prior_voice import voice_bits

MIN_MAX_BYTES = 16
MAX_MAX_BYTES = 255


@dataclass(frozen=True, eq=False)
class Packet:
    """What one packet says.

    Attributes:
        number: Number of the packet in its recording, modulo 32.
        is_last: Whether it is the recording's last.
        indices: Indices [F, Q] of 1 to 128 frames.
        voice: Voice field of 8 bytes; None if the packet carries none.
    """

    number: int
    is_last: bool
    indices: NDArray[np.int16]
    voice: bytes | None

    def to_bytes(self, prior: NeuralPrior | None) -> bytes:
        """Write the packet.

        Args:
            prior: The model's neural prior; None if it has none.

        Returns:
            Its bytes.

        Raises:
            ValueError: There are no frames, more than 128, or not 1 or 2 stages.
        """
        frames, stages = self.indices.shape
        has_voice = self.voice is not None
        packed = PacketHead(frames, stages, has_voice, False, self.is_last, self.number)
        data = packed.to_bytes() + (self.voice or b"") + pack_indices(self.indices)
        if prior is not None:
            coded = replace(packed, is_coded=True).to_bytes() + encode_indices(self.indices, prior, self.voice)
            data = min(coded, data, key=len)
        return data


def parse_packet(data: bytes, prior: NeuralPrior | None) -> Packet:
    """Read a packet and refuse what no encoder writes.

    Args:
        data: Its bytes, no more and no less: the link says where it ends.
        prior: The model's neural prior; None if it has none.

    Returns:
        What it says.

    Raises:
        TruncatedFile: It ends within its head, its voice or a packed payload.
        LimitExceeded: Its payload is longer than the packed form.
        NeedsPrior: Its payload is coded and there is nothing to decode it with.
        BadPayload: No encoder writes this payload.
    """
    head = parse_head(data)
    if head.is_coded and prior is None:
        raise NeedsPrior(
            "the packet is coded, the model has no prior; give the model it was made with",
            offset=0,
            field="packet",
        )
    is_voice_coded = head.has_voice and head.is_coded
    start = HEAD_BYTES + VOICE_BYTES * (head.has_voice and not is_voice_coded)
    if len(data) < start:
        raise TruncatedFile(
            f"the packet has {len(data)} bytes, expected its voice up to byte {start}; have it sent again",
            offset=len(data),
            field="packet",
        )
    voice = data[HEAD_BYTES:start] if head.has_voice else None
    if prior is not None and head.is_coded:
        indices, coded_voice = decode_payload(
            data[start:], head.frames, head.stages, prior, offset=start, has_voice=is_voice_coded
        )
        voice = coded_voice if is_voice_coded else voice
    else:
        indices = unpack_indices(data[start:], head.frames, head.stages, offset=start)
    packet = Packet(head.number, head.is_last, indices, voice)
    if packet.to_bytes(prior) != data:
        raise BadPayload(
            "the packet is packed although coding is shorter, or the reverse; it is damaged or for another model, "
            "have it sent again",
            offset=0,
            field="packet",
        )
    return packet


def split_into_packets(
    indices: NDArray[np.integer[Any]],
    voice: bytes | None,
    prior: NeuralPrior | None,
    max_bytes: int,
    *,
    voice_in_each: bool,
) -> list[bytes]:
    """Cut a recording into packets, each with as many frames as fit.

    Args:
        indices: Indices [F, Q] of the recording, at least one frame.
        voice: Voice field of 8 bytes; None for no voice.
        prior: The model's neural prior; None if it has none.
        max_bytes: Largest packet, 16..255 bytes.
        voice_in_each: Whether every packet carries the voice, or the first alone.

    Returns:
        The packets in order.

    Raises:
        ValueError: The limit is out of range, or there are no frames.
    """
    if not MIN_MAX_BYTES <= max_bytes <= MAX_MAX_BYTES:
        raise ValueError(f"packets of {max_bytes} bytes, expected {MIN_MAX_BYTES}..{MAX_MAX_BYTES}")
    if len(indices) == 0:
        raise ValueError("a recording without frames, expected at least one; give a recording")
    packets: list[bytes] = []
    start = 0
    while start < len(indices):
        own_voice = voice if voice_in_each or not packets else None
        ahead = indices[start : start + MAX_PACKET_FRAMES].astype(np.int16)
        room_bits = 8 * (max_bytes - HEAD_BYTES) - _voice_bits(own_voice, prior)
        frames = min(len(ahead), 1 + int(np.searchsorted(_least_bits(ahead, prior), room_bits)))
        while True:
            is_last = start + frames == len(indices)
            data = Packet(len(packets), is_last, ahead[:frames], own_voice).to_bytes(prior)
            if len(data) <= max_bytes:
                break
            frames -= 1
        packets.append(data)
        start += frames
    return packets


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
