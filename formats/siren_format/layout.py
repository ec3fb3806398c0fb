"""The outline of a ``.srn`` file, version 1 (``SRN1.md``): where every part lies. Standard library only.

``parse_layout`` checks all that can be checked without a model (structure, limits, parity) and decodes
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from siren_format.check import is_parity_even
from siren_format.errors import (
    BadPayload,
    CheckFailed,
    LimitExceeded,
    ReservedBits,
    TrailingBytes,
    TruncatedFile,
)
from siren_format.header import DAMAGED, ByteReader, Header, parse_coder, parse_header, take_sample_count
from siren_format.limits import (
    CHECK_BYTES,
    MAX_GROUP_PAYLOAD_BYTES,
    MAX_GROUP_SAMPLES,
    MAX_GROUPS,
    SAMPLE_RATE_HZ,
    VOICE_BYTES,
    VOICE_ID_BYTES,
    Coder,
    frames_for,
    packed_size_bytes,
)

HEAD_LAST = 0x01
_HEAD_RESERVED = 0xF8


@dataclass(frozen=True)
class GroupRecord:
    """Where one group lies in the file. Offsets are bytes from the start of the file.

    Attributes:
        number: Number of the group, from 0; None if the file is not grouped.
        sample_count: Samples at 16 kHz.
        coder: How the payload is coded.
        start: First byte of the record; the payload's first byte if the file is not grouped.
        payload_start: First byte of the payload.
        payload_end: First byte of the check, which follows the payload.
        check: The check as written in the file.
    """

    number: int | None
    sample_count: int
    coder: Coder
    start: int
    payload_start: int
    payload_end: int
    check: int

    @property
    def frames(self) -> int:
        """Frames of the group."""
        return frames_for(self.sample_count)

    @property
    def end(self) -> int:
        """The byte after the record."""
        return self.payload_end + CHECK_BYTES


@dataclass(frozen=True)
class Layout:
    """The outline of a whole file.

    Attributes:
        header: The header.
        header_length: Bytes before the payload or the first group, voice included.
        records: The groups; exactly one if the file is not grouped.
        file_bytes: Size of the file.
    """

    header: Header
    header_length: int
    records: tuple[GroupRecord, ...]
    file_bytes: int

    @property
    def voice_bytes(self) -> int:
        """Size of the voice or of its name, 0 if there is none or it is part of the payload."""
        if self.header.voice_id is not None:
            return VOICE_ID_BYTES
        return 0 if self.header.voice is None else VOICE_BYTES

    @property
    def payload_bytes(self) -> int:
        """Size of all payloads."""
        return sum(record.payload_end - record.payload_start for record in self.records)

    @property
    def check_bytes(self) -> int:
        """Size of all checks."""
        return CHECK_BYTES * len(self.records)

    @property
    def header_bytes(self) -> int:
        """Size of all that is not voice, payload or check: header, heads and lengths of groups."""
        return self.file_bytes - self.voice_bytes - self.payload_bytes - self.check_bytes

    @property
    def sample_count(self) -> int:
        """Samples at 16 kHz."""
        return sum(record.sample_count for record in self.records)

    @property
    def frames(self) -> int:
        """Frames of all groups."""
        return sum(record.frames for record in self.records)

    @property
    def duration_s(self) -> float:
        """Duration in seconds."""
        return self.sample_count / SAMPLE_RATE_HZ

    @property
    def payload_bps(self) -> float:
        """Bits of payload per second of sound."""
        return 8 * self.payload_bytes / self.duration_s

    @property
    def file_bps(self) -> float:
        """Bits of the file, everything counted, per second of sound."""
        return 8 * self.file_bytes / self.duration_s


def parse_layout(data: bytes) -> Layout:
    """Find every part of a file and check its structure, its limits and the parity of every group.

    Args:
        data: The whole file.

    Returns:
        The outline.

    Raises:
        NotSirenFile: The magic is not there.
        UnsupportedVersion: The version is a later one.
        ReservedBits: A reserved bit or value is in use.
        LimitExceeded: A count is out of range.
        TruncatedFile: The file ends early.
        TrailingBytes: The file goes on after its end.
        BadPayload: A payload cannot be as long as it says.
        CheckFailed: The number of one bits of a group is odd.
    """
    header, header_length = parse_header(data)
    if header.sample_count is None:
        records = _take_groups(ByteReader(data, header_length), header.stages)
    else:
        records = (_whole_file_record(data, header, header_length, header.sample_count),)
    for record in records:
        require_parity(data, header_length, record)
    return Layout(header=header, header_length=header_length, records=records, file_bytes=len(data))


def require_parity(data: bytes, header_length: int, record: GroupRecord) -> None:
    """Check the parity of a group.

    Args:
        data: The file, or its beginning with the whole group.
        header_length: Bytes before the payload or the first group.
        record: The group.

    Raises:
        CheckFailed: The number of one bits is odd.
    """
    if not is_parity_even(data[:header_length], data[record.start : record.end]):
        raise CheckFailed(
            "the number of one bits is odd, expected even; the file is damaged, fetch it again",
            offset=record.payload_end,
            field="check",
        )


def _whole_file_record(data: bytes, header: Header, start: int, sample_count: int) -> GroupRecord:
    payload_end = len(data) - CHECK_BYTES
    limit_bytes = packed_size_bytes(frames_for(sample_count) * header.stages)
    limit_bytes += VOICE_BYTES * header.has_coded_voice
    size_bytes = payload_end - start
    if size_bytes < 0 or (header.coder == Coder.PACKED and size_bytes < limit_bytes):
        least_bytes = CHECK_BYTES + (limit_bytes if header.coder == Coder.PACKED else 0)
        raise TruncatedFile(
            f"payload and check are {len(data) - start} bytes long, expected at least {least_bytes}; "
            "fetch the whole file again",
            offset=start,
            field="payload",
        )
    if size_bytes > limit_bytes:
        raise TrailingBytes(
            f"payload and check are {len(data) - start} bytes long, "
            f"expected at most {limit_bytes + CHECK_BYTES}; "
            "remove what follows the file or fetch it again",
            offset=start + limit_bytes + CHECK_BYTES,
            field="end of file",
        )
    check = int.from_bytes(data[payload_end:], "little")
    return GroupRecord(None, sample_count, header.coder, start, start, payload_end, check)


def _take_groups(reader: ByteReader, stages: int) -> tuple[GroupRecord, ...]:
    records: list[GroupRecord] = []
    is_last = False
    while not is_last:
        if len(records) == MAX_GROUPS:
            raise LimitExceeded(
                f"more than {MAX_GROUPS} groups, expected at most {MAX_GROUPS}; {DAMAGED}",
                offset=reader.position,
                field="group head",
            )
        record, is_last = take_group(reader, stages, len(records))
        records.append(record)
    if reader.position != len(reader.data):
        raise TrailingBytes(
            f"bytes after the last group: {len(reader.data) - reader.position}, expected: 0; "
            "remove what follows the file or fetch it again",
            offset=reader.position,
            field="end of file",
        )
    return tuple(records)


def take_group(reader: ByteReader, stages: int, number: int) -> tuple[GroupRecord, bool]:
    """Take one group of a grouped file, without its parity being looked at.

    Args:
        reader: Reader that stands before it; behind it afterwards.
        stages: Stages of the file.
        number: Number of the group, from 0.

    Returns:
        Where it lies, and whether it says that it is the last one.

    Raises:
        ReservedBits: A reserved bit or value is in use.
        LimitExceeded: A count is out of range.
        TruncatedFile: The file ends early.
        BadPayload: The payload cannot be as long as it says.
    """
    start = reader.position
    head = reader.take_int(1, "group head")
    if head & _HEAD_RESERVED:
        raise ReservedBits(
            f"group head {head:#04x} sets reserved bits, expected bits 3 to 7 to be 0; {DAMAGED}",
            offset=start,
            field="group head",
        )
    coder = parse_coder(head >> 1 & 3, offset=start, field="group head")
    is_last = bool(head & HEAD_LAST)
    sample_count = take_sample_count(reader) if is_last else MAX_GROUP_SAMPLES
    length_offset = reader.position
    size_bytes = reader.take_int(2, "payload length")
    if size_bytes > MAX_GROUP_PAYLOAD_BYTES:
        raise LimitExceeded(
            f"payload length {size_bytes}, expected at most {MAX_GROUP_PAYLOAD_BYTES}; {DAMAGED}",
            offset=length_offset,
            field="payload length",
        )
    limit_bytes = packed_size_bytes(frames_for(sample_count) * stages)
    if size_bytes > limit_bytes or (coder == Coder.PACKED and size_bytes != limit_bytes):
        amount = "exactly" if coder == Coder.PACKED else "at most"
        raise BadPayload(
            f"payload length {size_bytes}, expected {amount} {limit_bytes} for this group; "
            "the file is damaged, fetch it again",
            offset=length_offset,
            field="payload length",
        )
    payload_start = reader.position
    reader.take(size_bytes, "payload")
    check = reader.take_int(CHECK_BYTES, "check")
    payload_end = payload_start + size_bytes
    return GroupRecord(number, sample_count, coder, start, payload_start, payload_end, check), is_last
