"""Sound frames of a packet that is cut or damaged (``PACKET1.md``, section 2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_format.entropy import decode_prefix
from siren_format.errors import CheckFailed, FormatError, TruncatedFile
from siren_format.packet import Packet, body_to_indices, parse_packet
from siren_format.packet_head import PacketHead, PacketParts, parse_parts
from siren_format.prior import NeuralPrior
from siren_format.prior_rows import prior_digit_bits
from siren_format.prior_voice import voice_bits

CUT_BITS = 20
"""Bits by which a body is shorter than what it says, if it is cut; by chance one whole packet in a million is."""
_CUT_SHARE = 0.85
"""Of a packet whose check does not match: share of its bits below which a cut explains it better than damage."""


@dataclass(frozen=True, eq=False)
class Salvaged:
    """A packet that arrived.

    Attributes:
        head: Its fields.
        packet: What it says, indices [F, Q] of the sound frames only; there may be none.
        lost_frames: Frames after those, which are lost.
        reason: The defect, one line; None if the packet is whole.
        is_doubtful: Whether the indices may be wrong, because damage was to be ignored.
    """

    head: PacketHead
    packet: Packet
    lost_frames: int = 0
    reason: str | None = None
    is_doubtful: bool = False

    @property
    def number(self) -> int:
        """Number of the packet in its recording, modulo 32."""
        return self.head.number

    @property
    def is_last(self) -> bool:
        """True if it is the recording's last."""
        return self.head.is_last

    @property
    def recording(self) -> int:
        """Id of the recording; 0 if none is given."""
        return self.head.recording


def salvage_packet(
    data: bytes, prior: NeuralPrior | None, *, check_bytes: int = 0, ignore_damage: bool = False
) -> Salvaged:
    """Read a packet, or what is sound of one that is cut.

    A body decodes to frames that have an information. If that is more than the body has bits, its end is missing, and
    the frames that do not depend on the end are sound.

    Args:
        data: What arrived.
        prior: The model's neural prior; None if it has none.
        check_bytes: Bytes of the check that it must have at least.
        ignore_damage: Whether to take damaged packets for what they seem to say.

    Returns:
        What is left.

    Raises:
        FormatError: Nothing of it is known to be sound.
    """
    try:
        packet = parse_packet(data, prior)
    except FormatError as error:
        return _left_of(data, prior, error, check_bytes, ignore_damage=ignore_damage)
    head = packet.head()
    if head.check_bytes < check_bytes:
        lacking = CheckFailed(
            f"the packet has a check of {head.check_bytes} bytes, expected {check_bytes}; have it sent again",
            offset=0,
            field="check",
        )
        return _left_of(data, prior, lacking, check_bytes, ignore_damage=ignore_damage)
    if head.check_bytes == 0 and prior is not None:
        parts = parse_parts(data)
        if parts.is_coded and _bits(packet.indices, packet.voice, prior) - 8 * len(parts.body) > CUT_BITS:
            return _prefix(parts, prior, "the packet is cut")
    return Salvaged(head, packet)


def _left_of(
    data: bytes, prior: NeuralPrior | None, error: FormatError, check_bytes: int, *, ignore_damage: bool
) -> Salvaged:
    """Read the sound frames of a packet that was refused."""
    if prior is None or isinstance(error, TruncatedFile) and len(data) < 3:
        raise error
    try:
        parts = parse_parts(data, is_lenient=True)
    except FormatError:
        raise error from None
    if ignore_damage:
        return _as_it_seems(parts, prior, str(error))
    if not parts.is_coded:
        raise error
    if parts.head.check_bytes < check_bytes:
        raise error
    if parts.missing_bytes:
        return _prefix(parts, prior, "the packet is cut")
    if not isinstance(error, CheckFailed):
        raise error
    indices, voice = _decoded(parts, prior, 0)
    if len(indices) and 8 * len(parts.body) < _CUT_SHARE * _bits(indices, voice, prior):
        return _prefix(parts, prior, "the packet is cut")
    raise error


def _prefix(parts: PacketParts, prior: NeuralPrior, reason: str) -> Salvaged:
    """The frames that are the same whatever is missing."""
    least, voice = _decoded(parts, prior, 0)
    most, other_voice = _decoded(parts, prior, 255)
    shared = min(len(least), len(most))
    differs = np.flatnonzero((least[:shared] != most[:shared]).any(axis=1))
    sound = int(differs[0]) if len(differs) else shared
    if voice != other_voice or (parts.head.has_voice and voice is None):
        sound, voice = 0, None
    return _salvaged(parts, least[:sound], voice, f"{reason}, {sound} of {parts.head.frames} frames are left")


def _as_it_seems(parts: PacketParts, prior: NeuralPrior, reason: str) -> Salvaged:
    indices, voice = _decoded(parts, prior, 0) if parts.is_coded else body_to_indices(parts, prior)
    return _salvaged(parts, indices, voice, reason, is_doubtful=True)


def _salvaged(
    parts: PacketParts, indices: NDArray[np.int16], voice: bytes | None, reason: str, *, is_doubtful: bool = False
) -> Salvaged:
    head = parts.head
    packet = Packet(head.number, head.is_last, indices, voice, head.recording, head.check_bytes)
    return Salvaged(head, packet, head.frames - len(indices), reason, is_doubtful)


def _decoded(parts: PacketParts, prior: NeuralPrior, fill: int) -> tuple[NDArray[np.int16], bytes | None]:
    """Indices [K, Q] and voice of a body of which the end may be missing, with `fill` in its place."""
    head = parts.head
    return decode_prefix(parts.body, head.frames, head.stages, prior, has_voice=head.has_voice, fill=fill)


def _bits(indices: NDArray[np.integer[Any]], voice: bytes | None, prior: NeuralPrior) -> float:
    """Information of voice and indices."""
    own = 0.0 if voice is None else voice_bits(voice, prior)
    return float(prior_digit_bits(indices, prior).sum()) + own
