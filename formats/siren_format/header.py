"""The header of a ``.srn`` file, version 1 (``SRN1.md``), to bytes and back. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

from siren_format.errors import (
    LimitExceeded,
    NotSirenFile,
    ReservedBits,
    TruncatedFile,
    UnsupportedVersion,
)
from siren_format.limits import (
    MAGIC_BYTE,
    MAX_GROUP_SAMPLES,
    MAX_SOURCE_RATE_HZ,
    MAX_STAGES,
    MODEL_ID_BYTES,
    SAMPLE_RATE_HZ,
    SOURCE_RATES_HZ,
    VERSION,
    VOICE_BYTES,
    VOICE_ID_BYTES,
    Coder,
)

_VOICE_INLINE = 1
_VOICE_CODED = 2
_VOICE_NAMED = 3
_FLAG_SOURCE_RATE = 0x20
_FLAG_GROUPED = 0x40
_FLAG_LATER_VERSION = 0x80
_EXPLICIT_RATE = 0
MODEL_ID_OFFSET = 2
DAMAGED = "the file is damaged or from a newer version; fetch it again or upgrade"


@dataclass(frozen=True)
class Header:
    """The facts at the start of a file.

    Attributes:
        model_id: Leading 2 bytes of the sha256 of the model's weights file.
        stages: Residual stages present, 1 or 2.
        coder: How the payload is coded; ``Coder.PACKED`` if grouped, where every group says its own.
        sample_count: Samples at 16 kHz, 1..960000; None if grouped.
        voice: Voice field of 8 bytes; None means the default voice, or one that is coded.
        source_rate_hz: Sample rate of the recording before it was brought to 16 kHz.
        grouped: Whether the file is a sequence of groups.
        has_coded_voice: Whether the voice is at the start of the payload.
        voice_id: Name of a voice that the receiver has, 2 bytes (``voice_file.voice_id``); None if none is named.
    """

    model_id: bytes
    stages: int
    coder: Coder
    sample_count: int | None
    voice: bytes | None = None
    source_rate_hz: int = SAMPLE_RATE_HZ
    grouped: bool = False
    has_coded_voice: bool = False
    voice_id: bytes | None = None

    def to_bytes(self) -> bytes:
        """Write the header, voice included.

        Returns:
            The bytes that come before the payload or the first group.

        Raises:
            ValueError: A field is outside what version 1 can say.
        """
        self._require_sayable()
        has_rate = self.source_rate_hz != SAMPLE_RATE_HZ
        flags = (self.stages - 1) | self.coder << 1 | (self.voice is not None) * _VOICE_INLINE << 3
        flags |= self.has_coded_voice * _VOICE_CODED << 3 | (self.voice_id is not None) * _VOICE_NAMED << 3
        flags |= has_rate * _FLAG_SOURCE_RATE | self.grouped * _FLAG_GROUPED
        parts = [bytes((MAGIC_BYTE, flags)), self.model_id]
        if self.sample_count is not None:
            parts.append(self.sample_count.to_bytes(3, "little"))
        if has_rate:
            parts.append(_rate_to_bytes(self.source_rate_hz))
        if self.voice is not None:
            parts.append(self.voice)
        if self.voice_id is not None:
            parts.append(self.voice_id)
        return b"".join(parts)

    def _require_sayable(self) -> None:
        faults = (
            (len(self.model_id) != MODEL_ID_BYTES, f"model id of {len(self.model_id)} bytes, expected 2"),
            (not 1 <= self.stages <= MAX_STAGES, f"{self.stages} stages, expected 1 or 2"),
            (self.coder not in (Coder.PACKED, Coder.NEURAL), f"coder {self.coder}, expected 0 or 2"),
            (
                self.grouped and self.coder != Coder.PACKED,
                "a coder in a grouped header, expected one per group",
            ),
            (self.grouped != (self.sample_count is None), "grouped and sample count exclude each other"),
            (
                self.sample_count is not None and not 1 <= self.sample_count <= MAX_GROUP_SAMPLES,
                f"{self.sample_count} samples, expected 1..{MAX_GROUP_SAMPLES}",
            ),
            (
                not 1 <= self.source_rate_hz <= MAX_SOURCE_RATE_HZ,
                f"source rate {self.source_rate_hz} Hz, expected 1..{MAX_SOURCE_RATE_HZ}",
            ),
            (self.voice is not None and len(self.voice) != VOICE_BYTES, "voice is not 8 bytes long"),
            (
                self.has_coded_voice and (self.voice is not None or self.coder != Coder.NEURAL),
                "a coded voice beside another one or without coder 2",
            ),
            (self.voice_id is not None and len(self.voice_id) != VOICE_ID_BYTES, "a voice's name is not 2 bytes long"),
            (
                self.voice_id is not None and (self.voice is not None or self.has_coded_voice),
                "a named voice beside another one",
            ),
        )
        for is_fault, message in faults:
            if is_fault:
                raise ValueError(f"a .srn header cannot say this: {message}; correct the value")


class ByteReader:
    """Takes fields off the front of a file, and says which one is cut short.

    Args:
        data: The file.
        position: Byte to start at.
    """

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position

    def take(self, count: int, field: str) -> bytes:
        """Take the next bytes.

        Args:
            count: How many.
            field: Name of the field they are.

        Returns:
            The bytes.

        Raises:
            TruncatedFile: The file ends before.
        """
        left = len(self.data) - self.position
        if left < count:
            raise TruncatedFile(
                f"the file ends within its {field}, {left} bytes found, expected {count}; fetch it again",
                offset=self.position,
                field=field,
            )
        self.position += count
        return self.data[self.position - count : self.position]

    def take_int(self, count: int, field: str) -> int:
        """Take the next bytes as a little-endian integer.

        Args:
            count: How many bytes.
            field: Name of the field they are.

        Returns:
            The integer.

        Raises:
            TruncatedFile: The file ends before.
        """
        return int.from_bytes(self.take(count, field), "little")


def parse_header(data: bytes) -> tuple[Header, int]:
    """Read the header of a file.

    Args:
        data: The file, or at least its beginning.

    Returns:
        The header and its length in bytes, voice included.

    Raises:
        NotSirenFile: The magic is not there.
        UnsupportedVersion: The version is a later one.
        ReservedBits: A reserved bit or value is in use.
        LimitExceeded: The sample count or the source rate is out of range.
        TruncatedFile: The header is cut short.
    """
    if data[:1] != bytes((MAGIC_BYTE,)):
        raise NotSirenFile(
            f"this is not a .srn file: it starts with '{data[:1].hex()}', expected '{MAGIC_BYTE:x}'; "
            "give a file that siren encode wrote",
            offset=0,
            field="magic",
        )
    reader = ByteReader(data, 1)
    flags = reader.take_int(1, "flags")
    if flags & _FLAG_LATER_VERSION:
        raise UnsupportedVersion(
            f"the file is of a later version, this program reads version {VERSION}; upgrade siren or fetch it again",
            offset=1,
            field="flags",
        )
    coder = parse_coder(flags >> 1 & 3, offset=1, field="flags")
    voice_kind = flags >> 3 & 3
    if voice_kind == _VOICE_CODED and coder != Coder.NEURAL:
        raise ReservedBits(
            f"the voice is said to be in a payload of coder {int(coder)}, expected coder 2; {DAMAGED}",
            offset=1,
            field="flags",
        )
    grouped = bool(flags & _FLAG_GROUPED)
    if grouped and coder != Coder.PACKED:
        raise ReservedBits(
            f"a grouped file names coder {int(coder)} in its flags, expected 0; {DAMAGED}",
            offset=1,
            field="flags",
        )
    header = Header(
        model_id=reader.take(MODEL_ID_BYTES, "model id"),
        stages=(flags & 1) + 1,
        coder=coder,
        sample_count=None if grouped else take_sample_count(reader),
        source_rate_hz=_take_rate(reader) if flags & _FLAG_SOURCE_RATE else SAMPLE_RATE_HZ,
        voice=reader.take(VOICE_BYTES, "voice") if voice_kind == _VOICE_INLINE else None,
        grouped=grouped,
        has_coded_voice=voice_kind == _VOICE_CODED,
        voice_id=reader.take(VOICE_ID_BYTES, "voice name") if voice_kind == _VOICE_NAMED else None,
    )
    return header, reader.position


def parse_coder(code: int, *, offset: int, field: str) -> Coder:
    """Read the two bits that name a coder.

    Args:
        code: The bits, 0..3.
        offset: Byte they are in.
        field: Name of the field they are in.

    Returns:
        The coder.

    Raises:
        ReservedBits: The value is reserved.
    """
    if code not in (Coder.PACKED, Coder.NEURAL):
        raise ReservedBits(f"coder {code} is reserved, expected 0 or 2; {DAMAGED}", offset=offset, field=field)
    return Coder(code)


def take_sample_count(reader: ByteReader) -> int:
    """Take a sample count.

    Args:
        reader: Reader that stands before it.

    Returns:
        Samples at 16 kHz, 1..960000.

    Raises:
        LimitExceeded: It is 0 or above 960000.
        TruncatedFile: The file ends before.
    """
    start = reader.position
    count = reader.take_int(3, "sample count")
    if not 1 <= count <= MAX_GROUP_SAMPLES:
        raise LimitExceeded(
            f"sample count {count}, expected 1..{MAX_GROUP_SAMPLES}; {DAMAGED}",
            offset=start,
            field="sample count",
        )
    return count


def _rate_to_bytes(rate_hz: int) -> bytes:
    if rate_hz in SOURCE_RATES_HZ:
        return bytes((SOURCE_RATES_HZ.index(rate_hz) + 1,))
    return bytes((_EXPLICIT_RATE,)) + rate_hz.to_bytes(3, "little")


def _take_rate(reader: ByteReader) -> int:
    start = reader.position
    code = reader.take_int(1, "source rate")
    if code > len(SOURCE_RATES_HZ):
        raise ReservedBits(
            f"source rate code {code} is reserved, expected 0..{len(SOURCE_RATES_HZ)}; {DAMAGED}",
            offset=start,
            field="source rate",
        )
    if code != _EXPLICIT_RATE:
        return SOURCE_RATES_HZ[code - 1]
    rate_hz = reader.take_int(3, "source rate")
    if not 1 <= rate_hz <= MAX_SOURCE_RATE_HZ:
        raise LimitExceeded(
            f"source rate {rate_hz} Hz, expected 1..{MAX_SOURCE_RATE_HZ}; {DAMAGED}",
            offset=start,
            field="source rate",
        )
    if rate_hz == SAMPLE_RATE_HZ or rate_hz in SOURCE_RATES_HZ:
        raise ReservedBits(
            f"source rate {rate_hz} Hz is written out, expected its shorter form; {DAMAGED}",
            offset=start,
            field="source rate",
        )
    return rate_hz
