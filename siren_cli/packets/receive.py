"""Packets as they come to the timeline of each recording: what is sound, what is lost (formats/PACKET1.md, 2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from siren_format.errors import CheckFailed, FormatError
from siren_format.packet_order import Gap, PacketOrder
from siren_format.packet_salvage import Salvaged, salvage_packet
from siren_format.prior import NeuralPrior

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_GAP_FRAMES = 375
"""Longest gap that is filled, a minute."""


@dataclass(frozen=True, eq=False)
class Piece:
    """A piece of a recording's timeline.

    Attributes:
        frames: Length in frames.
        indices: Indices [F, Q]; None if the piece is lost.
        voice: Voice field of 8 bytes; None if it brings none.
        number: Number of its packet, or of the first one that is missing, counted from 0 without modulus.
        packets: Count of missing packets; 0 for a piece of one that arrived.
        reason: The defect; None if the piece is sound.
    """

    frames: int
    indices: NDArray[np.int16] | None
    voice: bytes | None
    number: int
    packets: int = 0
    reason: str | None = None


@dataclass(frozen=True, eq=False)
class ReceivedRecording:
    """One recording, as far as it arrived.

    Attributes:
        recording: Id of the recording; 0 if none is given.
        packets: Count of its packets that arrived.
        pieces: Its timeline.
    """

    recording: int
    packets: int
    pieces: list[Piece]


@dataclass(eq=False)
class Reception:
    """Recordings that arrived, and packets that were left out.

    Attributes:
        recordings: Recordings in the order of their first arrival.
        refused: Packets that were left out, each with the reason.
        repeated: Count of packets that came again.
    """

    recordings: list[ReceivedRecording]
    refused: list[str] = field(default_factory=list)
    repeated: int = 0


def receive(
    packets: Sequence[bytes],
    prior: NeuralPrior | None,
    *,
    check_bytes: int = 0,
    ignore_damage: bool = False,
    is_alone: bool = False,
) -> Reception:
    """Puts packets in order, whatever order they arrived in, and finds what is lost.

    If most packets carry a check, those that carry a shorter one are damaged.

    Args:
        packets: Packets in the order of arrival.
        prior: The model's neural prior; None if it has none.
        check_bytes: Bytes of the check that every packet must have at least.
        ignore_damage: Whether to take damaged packets for what they seem to say.
        is_alone: Whether a packet is shown out of its recording, so that the others are not missed.

    Returns:
        The recordings.

    Raises:
        FormatError: If not a single packet can be read; the error is that of the first.
    """
    found = _read(packets, prior, check_bytes, ignore_damage=ignore_damage)
    checks = Counter(item.head.check_bytes for item in found.values() if isinstance(item, Salvaged) and not item.reason)
    usual = max(checks, key=lambda size: (checks[size], size), default=0)
    if usual > check_bytes and not ignore_damage:
        found = _read(packets, prior, usual, ignore_damage=False)
    whole = [item.head.frames for item in found.values() if isinstance(item, Salvaged) and item.reason is None]
    order: PacketOrder[Salvaged] = PacketOrder()
    reception = Reception([])
    failed = [item for item in found.values() if isinstance(item, FormatError)]
    for number, data in enumerate(packets):
        item = found[data]
        if isinstance(item, Salvaged) and _is_implausible(item, max(whole, default=0)):
            item = CheckFailed(f"{item.reason}, and its check does not match", offset=0, field="check")
            failed.append(item)
        if isinstance(item, FormatError):
            reception.refused.append(f"packet {number} of {len(packets)}: {item}")
            continue
        conflicts = order.conflicts
        order.take(item, data, is_sound=item.reason is None)
        if order.conflicts > conflicts:
            reception.refused.append(
                f"packet {number} of {len(packets)}: another one has its number {item.number}; "
                "recordings that arrive together need ids"
            )
    if not order.recordings:
        raise failed[0]
    for recording in order.recordings:
        items = [item for item in recording.in_order() if not is_alone or isinstance(item, Salvaged)]
        arrived = sum(isinstance(item, Salvaged) for item in items)
        reception.recordings.append(ReceivedRecording(recording.recording, arrived, list(_timeline(items))))
    reception.repeated = order.repeated
    return reception


def _is_implausible(item: Salvaged, most_frames: int) -> bool:
    """Tells if a packet that seems cut and whose check is wrong says more frames than any whole one."""
    return bool(item.reason and item.head.check_bytes and not item.is_doubtful and item.head.frames > most_frames)


def _read(
    packets: Sequence[bytes], prior: NeuralPrior | None, check_bytes: int, *, ignore_damage: bool
) -> dict[bytes, Salvaged | FormatError]:
    found: dict[bytes, Salvaged | FormatError] = {}
    for data in packets:
        if data not in found:
            try:
                found[data] = salvage_packet(data, prior, check_bytes=check_bytes, ignore_damage=ignore_damage)
            except FormatError as error:
                found[data] = error
    return found


def _timeline(items: Sequence[Salvaged | Gap]) -> Iterator[Piece]:
    """Pieces of one recording; a missing packet counts as long as the mean of the others."""
    arrived = [item for item in items if isinstance(item, Salvaged)]
    whole = [item.head.frames for item in arrived if item.reason is None] or [arrived[0].head.frames]
    usual = [item.head.frames for item in arrived if item.reason is None and not item.is_last] or whole
    frames_each = round(sum(usual) / len(usual))
    number = 0
    for item, after in zip(items, [*items[1:], None], strict=True):
        copy = after.packet.copy if isinstance(after, Salvaged) else None
        if isinstance(item, Gap):
            frames = item.packets * frames_each
            if copy is None:
                yield Piece(min(frames, MAX_GAP_FRAMES), None, None, number, item.packets, "missing")
            else:
                is_whole = isinstance(after, Salvaged) and after.packet.is_copy_whole
                lost = frames - (frames_each if is_whole else min(frames_each - 1, len(copy)))  # some of it is
                if lost:
                    yield Piece(min(lost, MAX_GAP_FRAMES), None, None, number, item.packets - is_whole, "missing")
                last = number + item.packets - 1
                yield Piece(len(copy), copy, None, last, 0, "missing, restored from the copy in the next packet")
            number += item.packets
            continue
        packet = item.packet
        if len(packet.indices):
            reason = item.reason if item.is_doubtful else None
            yield Piece(len(packet.indices), packet.indices, packet.voice, number, 0, reason)
        lost = max(0, min(item.head.frames, max(whole)) - len(packet.indices))
        if item.lost_frames and lost:
            tail = None if copy is None or len(copy) < lost else copy[len(copy) - lost :]
            restored = "" if tail is None else ", restored from the copy in the next packet"
            yield Piece(lost, tail, None, number, 0, f"{item.reason}{restored}")
        number += 1
