"""The first two bytes of a packet (``PACKET1.md``, section 1.1), and the order of packets. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from siren_format.errors import LimitExceeded, TruncatedFile
from siren_format.limits import MAX_STAGES, VOICE_BYTES, packed_size_bytes

HEAD_BYTES = 2
MAX_PACKET_FRAMES = 128
NUMBER_MODULUS = 32

_VOICE = 1 << 7
_SECOND_STAGE = 1 << 8
_CODED = 1 << 9
_LAST = 1 << 10
_NUMBER_SHIFT = 11


@dataclass(frozen=True)
class PacketHead:
    """What the head of a packet says.

    Attributes:
        frames: Frames, 1 to 128.
        stages: Stages, 1 or 2.
        has_voice: Whether the packet carries a voice.
        is_coded: Whether its payload is coded; packed if not.
        is_last: Whether it is the recording's last.
        number: Number of the packet in its recording, modulo 32.
    """

    frames: int
    stages: int
    has_voice: bool
    is_coded: bool
    is_last: bool
    number: int

    @property
    def most_bytes(self) -> int:
        """Bytes of the longest packet with this head: the packed one."""
        return HEAD_BYTES + VOICE_BYTES * self.has_voice + packed_size_bytes(self.frames * self.stages)

    def to_bytes(self) -> bytes:
        """Write the head.

        Returns:
            Its 2 bytes.

        Raises:
            ValueError: There are no frames, more than 128, or not 1 or 2 stages.
        """
        if not (1 <= self.frames <= MAX_PACKET_FRAMES and 1 <= self.stages <= MAX_STAGES):
            raise ValueError(
                f"a packet has 1..{MAX_PACKET_FRAMES} frames of 1 or 2 stages, found {self.frames} of {self.stages}"
            )
        head = (self.frames - 1) | self.has_voice * _VOICE | (self.stages - 1) * _SECOND_STAGE
        head |= self.is_coded * _CODED | self.is_last * _LAST | (self.number % NUMBER_MODULUS) << _NUMBER_SHIFT
        return head.to_bytes(HEAD_BYTES, "little")


def parse_head(data: bytes) -> PacketHead:
    """Read the head of a packet and compare the packet's length with it.

    Args:
        data: The packet.

    Returns:
        What its head says.

    Raises:
        TruncatedFile: The packet is shorter than its head or than its packed payload.
        LimitExceeded: It is longer than the packed form.
    """
    bits = int.from_bytes(data[:HEAD_BYTES], "little")
    head = PacketHead(
        frames=(bits & (MAX_PACKET_FRAMES - 1)) + 1,
        stages=2 if bits & _SECOND_STAGE else 1,
        has_voice=bool(bits & _VOICE),
        is_coded=bool(bits & _CODED),
        is_last=bool(bits & _LAST),
        number=bits >> _NUMBER_SHIFT,
    )
    if len(data) < (HEAD_BYTES if head.is_coded else head.most_bytes):
        raise TruncatedFile(
            f"the packet has {len(data)} bytes, expected more for {head.frames} frames; have it sent again",
            offset=len(data),
            field="packet",
        )
    if len(data) > head.most_bytes:
        raise LimitExceeded(
            f"the packet has {len(data)} bytes, expected at most {head.most_bytes}; have it sent again",
            offset=head.most_bytes,
            field="packet",
        )
    return head


class Numbered(Protocol):
    """A packet or its head."""

    @property
    def number(self) -> int:
        """Number of the packet in its recording, modulo 32."""

    @property
    def is_last(self) -> bool:
        """Whether it is the recording's last."""


Some = TypeVar("Some", bound=Numbered)


@dataclass(frozen=True)
class Gap:
    """Packets that are missing.

    Attributes:
        first_number: Number of the first of them, counted from 0 without modulus.
        packets: How many, at least: 32 in a row cannot be told from none.
    """

    first_number: int
    packets: int


def in_order(packets: Sequence[Some]) -> Iterator[Some | Gap]:
    """Find the gaps in packets that arrived in the order in which they were sent.

    Args:
        packets: The packets; one with the number of the one before it is taken for a repetition and left out.

    Yields:
        Packets, and gaps where numbers are missing, one at the end if the last packet is.
    """
    expected = 0
    ended = False
    for position, packet in enumerate(packets):
        missing = (packet.number - expected) % NUMBER_MODULUS
        if position and missing == NUMBER_MODULUS - 1:
            continue
        if missing:
            yield Gap(expected, missing)
        yield packet
        expected += missing + 1
        ended = packet.is_last
    if not ended:
        yield Gap(expected, 1)
