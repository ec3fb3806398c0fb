"""The fields of a packet before its payload (``PACKET1.md``, sections 1.1 to 1.4). Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

from siren_format.errors import CheckFailed, LimitExceeded, ReservedBits, TruncatedFile
from siren_format.limits import MAX_STAGES, VOICE_BYTES, packed_size_bytes
from siren_format.packet_check import packet_check

HEAD_BYTES = 2
MAX_PACKET_FRAMES = 128
MAX_PACKET_BYTES = 500
NUMBER_MODULUS = 32
MAX_RECORDING_ID = 31
MAX_CHECK_BYTES = 2

_VOICE = 1 << 7
_SECOND_STAGE = 1 << 8
_OPTIONS = 1 << 9
_LAST = 1 << 10
_NUMBER_SHIFT = 11

_CHECK_MASK = 3
_COPY = 1 << 2
_RECORDING_SHIFT = 3
_WHOLE_COPY = 1 << 7
_PAYLOAD_LENGTH_BYTES = 2


@dataclass(frozen=True)
class PacketHead:
    """Fields of a packet before its payload.

    Attributes:
        frames: Frames, 1 to 128.
        stages: Stages, 1 or 2.
        has_voice: Whether the packet carries a voice.
        is_last: Whether it is the recording's last.
        number: Number of the packet in its recording, modulo 32.
        recording: Id of the recording, 1 to 31; 0 if none is given.
        check_bytes: Bytes of the check, 0 to 2.
        copied_frames: Frames of the copy, the last of the packet before; 0 if there is no copy.
        is_copy_whole: Whether those are all frames of the packet before.

    Raises:
        ValueError: A value is out of range.
    """

    frames: int
    stages: int
    has_voice: bool
    is_last: bool
    number: int
    recording: int = 0
    check_bytes: int = 0
    copied_frames: int = 0
    is_copy_whole: bool = False

    def __post_init__(self) -> None:
        if not (1 <= self.frames <= MAX_PACKET_FRAMES and 1 <= self.stages <= MAX_STAGES):
            raise ValueError(
                f"a packet has 1..{MAX_PACKET_FRAMES} frames of 1 or 2 stages, found {self.frames} of {self.stages}"
            )
        if not (
            0 <= self.recording <= MAX_RECORDING_ID
            and 0 <= self.check_bytes <= MAX_CHECK_BYTES
            and 0 <= self.copied_frames <= MAX_PACKET_FRAMES
        ):
            raise ValueError(
                f"recording {self.recording}, check of {self.check_bytes} bytes, copy of {self.copied_frames} frames; "
                f"expected 0..{MAX_RECORDING_ID}, 0..{MAX_CHECK_BYTES}, 0..{MAX_PACKET_FRAMES}"
            )

    @property
    def packed_bytes(self) -> int:
        """Bytes of voice and payload in the packed form, the longest."""
        return VOICE_BYTES * self.has_voice + packed_size_bytes(self.frames * self.stages)

    @property
    def field_bytes(self) -> int:
        """Bytes before voice and payload."""
        options = self._options()
        return HEAD_BYTES + bool(options) + self.check_bytes + (1 + _PAYLOAD_LENGTH_BYTES) * bool(self.copied_frames)

    def to_bytes(self, body: bytes, copy: bytes = b"") -> bytes:
        """Write the packet.

        Args:
            body: Voice and payload.
            copy: Payload of the copy.

        Returns:
            All bytes of the packet.
        """
        options = self._options()
        head = (self.frames - 1) | self.has_voice * _VOICE | (self.stages - 1) * _SECOND_STAGE
        head |= bool(options) * _OPTIONS | self.is_last * _LAST | (self.number % NUMBER_MODULUS) << _NUMBER_SHIFT
        before = head.to_bytes(HEAD_BYTES, "little") + bytes((options,)) * bool(options)
        after = body + copy
        if self.copied_frames:
            frames = self.copied_frames - 1 | self.is_copy_whole * _WHOLE_COPY
            after = bytes((frames,)) + len(body).to_bytes(_PAYLOAD_LENGTH_BYTES, "little") + after
        return before + packet_check(before + after, self.check_bytes) + after

    def _options(self) -> int:
        return self.check_bytes | bool(self.copied_frames) * _COPY | self.recording << _RECORDING_SHIFT


@dataclass(frozen=True)
class PacketParts:
    """A packet, taken apart.

    Attributes:
        head: Its fields.
        body: Voice and payload.
        copy: Payload of the copy.
        body_offset: Byte at which the body starts.
        missing_bytes: Bytes by which the body is known to be cut.
    """

    head: PacketHead
    body: bytes
    copy: bytes
    body_offset: int
    missing_bytes: int = 0

    @property
    def is_coded(self) -> bool:
        """True if the body is coded: shorter than the packed form, which has one length."""
        return len(self.body) < self.head.packed_bytes


def parse_parts(data: bytes, *, is_lenient: bool = False) -> PacketParts:
    """Take a packet apart.

    Args:
        data: The packet, no more and no less.
        is_lenient: Whether to let a wrong check and a missing end pass.

    Returns:
        Its fields and what follows them.

    Raises:
        TruncatedFile: The packet ends within its fields, or within a body of known length.
        LimitExceeded: Its body is longer than the packed form.
        ReservedBits: A bit or a value that this version reserves is in use.
        CheckFailed: The check does not match.
    """
    bits = int.from_bytes(data[:HEAD_BYTES], "little")
    position = HEAD_BYTES + bool(bits & _OPTIONS)
    options = data[HEAD_BYTES] if bits & _OPTIONS and len(data) > HEAD_BYTES else 0
    check_bytes = options & _CHECK_MASK
    if check_bytes > MAX_CHECK_BYTES or (bits & _OPTIONS and len(data) >= position and options == 0):
        raise ReservedBits(
            f"options {options:#04x} of a packet, expected a recording, a check of 1 or 2 bytes or a copy; "
            "have it sent again",
            offset=HEAD_BYTES,
            field="options",
        )
    check = data[position : position + check_bytes]
    if not is_lenient and check != packet_check(data[:position] + data[position + check_bytes :], check_bytes):
        raise CheckFailed(
            "the check of the packet does not match; it is damaged, have it sent again", offset=position, field="check"
        )
    position += check_bytes
    start = position + (1 + _PAYLOAD_LENGTH_BYTES) * bool(options & _COPY)
    if len(data) < start:
        raise TruncatedFile(
            f"the packet has {len(data)} bytes, expected {start} before its payload; have it sent again",
            offset=len(data),
            field="packet",
        )
    copy_field = data[position] if options & _COPY else 0
    head = PacketHead(
        frames=(bits & (MAX_PACKET_FRAMES - 1)) + 1,
        stages=2 if bits & _SECOND_STAGE else 1,
        has_voice=bool(bits & _VOICE),
        is_last=bool(bits & _LAST),
        number=bits >> _NUMBER_SHIFT,
        recording=options >> _RECORDING_SHIFT,
        check_bytes=check_bytes,
        copied_frames=(copy_field & ~_WHOLE_COPY) + 1 if options & _COPY else 0,
        is_copy_whole=bool(copy_field & _WHOLE_COPY),
    )
    end = start + int.from_bytes(data[position + 1 : start], "little") if options & _COPY else len(data)
    if end - start > head.packed_bytes:
        raise LimitExceeded(
            f"the packet has {end - start} bytes of voice and payload, expected at most {head.packed_bytes}; "
            "have it sent again",
            offset=start,
            field="packet",
        )
    if end > len(data) and not is_lenient:
        raise TruncatedFile(
            f"the packet has {len(data)} bytes, expected {end} and a copy; have it sent again",
            offset=len(data),
            field="packet",
        )
    return PacketParts(head, data[start:end], data[end:], start, max(0, end - len(data)))


def parse_head(data: bytes) -> PacketHead:
    """Read the fields of a packet.

    Args:
        data: The packet.

    Returns:
        What they say.

    Raises:
        FormatError: They are not those of a whole packet, see `parse_parts`.
    """
    return parse_parts(data).head
