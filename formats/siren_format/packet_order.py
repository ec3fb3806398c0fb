"""Packets as they come, put in the order of sending (``PACKET1.md``, section 2). Standard library only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Protocol, TypeVar

from siren_format.packet_head import NUMBER_MODULUS

_MOST_AHEAD = NUMBER_MODULUS // 2


class Numbered(Protocol):
    """A packet or its head."""

    @property
    def number(self) -> int:
        """Number of the packet in its recording, modulo 32."""

    @property
    def is_last(self) -> bool:
        """True if it is the recording's last."""

    @property
    def recording(self) -> int:
        """Id of the recording; 0 if none is given."""


Some = TypeVar("Some", bound=Numbered)


class Taken(Enum):
    """Outcome for a packet: it is new, one that is there already, or another in the place of one."""

    NEW = "new"
    REPEATED = "repeated"
    CONFLICT = "conflict"


@dataclass(frozen=True)
class Gap:
    """Packets that are missing.

    Attributes:
        first_number: Number of the first of them, counted from 0 without modulus.
        packets: Count of packets; one at the end stands for an unknown number.
    """

    first_number: int
    packets: int


class RecordingOrder(Generic[Some]):
    """The packets of one recording.

    Attributes:
        recording: Id of the recording; 0 if none is given.
        is_complete: Whether its last packet is there.
    """

    def __init__(self, recording: int) -> None:
        self.recording = recording
        self._slots: dict[int, tuple[Some, bool]] = {}
        self._known: set[bytes] = set()
        self._highest = -1
        self._last: int | None = None
        self._was_repeated = False

    @property
    def is_complete(self) -> bool:
        """True if the recording's last packet is there."""
        return self._last is not None

    def take(self, packet: Some, data: bytes, *, is_sound: bool = True) -> Taken:
        """Put a packet in its place.

        Args:
            packet: The packet.
            data: Its bytes, by which a repetition is known.
            is_sound: Whether all of it is undamaged; such a packet replaces one that is not.

        Returns:
            What became of it.
        """
        place = self._place(packet.number)
        if data in self._known and not (
            place == self._highest + 1 and self._last is None and not self._was_repeated and self._slots
        ):
            self._was_repeated = True
            return Taken.REPEATED
        self._was_repeated = False
        while place >= 0 and self._is_taken(place, is_sound=is_sound):
            place -= NUMBER_MODULUS
        if place < 0:
            return Taken.CONFLICT
        self._slots[place] = packet, is_sound
        self._known.add(data)
        self._highest = max(self._highest, place)
        if packet.is_last and place == self._highest:
            self._last = place
        return Taken.NEW

    def _place(self, number: int) -> int:
        """The place nearest to the furthest packet so far; a step back is late."""
        ahead = (number - self._highest) % NUMBER_MODULUS if self._slots else number + 1
        if self._slots and ahead > _MOST_AHEAD and self._highest + ahead >= NUMBER_MODULUS:
            ahead -= NUMBER_MODULUS
        return self._highest + ahead

    def _is_taken(self, place: int, *, is_sound: bool) -> bool:
        if self._last is not None and place > self._last:
            return True
        return place in self._slots and not (is_sound and not self._slots[place][1])

    def in_order(self) -> Iterator[Some | Gap]:
        """Go through the recording from its first packet to its last.

        Yields:
            Packets, and gaps where some are missing; one gap at the end if the last packet is not there.
        """
        expected = 0
        for place in sorted(self._slots):
            if place > expected:
                yield Gap(expected, place - expected)
            yield self._slots[place][0]
            expected = place + 1
        if self._last is None:
            yield Gap(expected, 1)


class PacketOrder(Generic[Some]):
    """The packets of several recordings, interleaved or one after the other.

    Attributes:
        recordings: Recordings in the order of their first arrival.
        repeated: Count of packets that came again.
        conflicts: Count of packets in whose place another one is.
    """

    def __init__(self) -> None:
        self.recordings: list[RecordingOrder[Some]] = []
        self.repeated = 0
        self.conflicts = 0
        self._current: dict[int, RecordingOrder[Some]] = {}

    def take(self, packet: Some, data: bytes, *, is_sound: bool = True) -> Taken:
        """Put a packet in its place.

        A packet whose place is taken begins another recording, if the one before it is complete.

        Args:
            packet: The packet.
            data: Its bytes.
            is_sound: Whether all of it is undamaged.

        Returns:
            What became of it.
        """
        own = self._current.get(packet.recording) or self._begin(packet.recording)
        taken = own.take(packet, data, is_sound=is_sound)
        if taken is Taken.CONFLICT and own.is_complete and is_sound:
            taken = self._begin(packet.recording).take(packet, data)
        self.repeated += taken is Taken.REPEATED
        self.conflicts += taken is Taken.CONFLICT
        return taken

    def _begin(self, recording: int) -> RecordingOrder[Some]:
        own = self._current[recording] = RecordingOrder[Some](recording)
        self.recordings.append(own)
        return own
