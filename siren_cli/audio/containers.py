"""Sizes in the headers of audio files, compared with what is there; wrong ones are put right.

Recorders that crash and programs that write into pipes leave sizes of 0, or of "unknown"; cut files promise more than
they hold. libsndfile reads all of them once the size is that of the bytes at hand. Chunks follow RIFF WAVE (Microsoft
2007), EBU Tech 3306 (RF64), AIFF (Apple 1989), the Core Audio Format (Apple 2011) and the `.snd` header of Sun.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import BinaryIO

_W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
_UNKNOWN_32 = 2**32 - 1
_UNKNOWN_64 = 2**64 - 1
_MAX_CHUNKS = 1_000
_LEGACY_UNKNOWN_MARGIN = 2**16


@dataclass(frozen=True)
class Container:
    """A file's samples as its header and its length have them.

    Attributes:
        start: Position of the first byte of the samples.
        promised_bytes: Bytes of samples that the header promises; None if it does not know.
        data_bytes: Bytes of samples that are there.
        patches: Bytes to read in place of the file's own, by position: the sizes put right.
    """

    start: int
    promised_bytes: int | None
    data_bytes: int
    patches: dict[int, bytes] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """Position behind the last byte of the samples."""
        return self.start + self.data_bytes


class PatchedFile:
    """A part of a file, with some of its bytes replaced, as soundfile reads it.

    Args:
        file: The file.
        patches: Bytes by position in the part.
        start: Where the part begins.
        end: Where it ends.
    """

    def __init__(self, file: BinaryIO, patches: dict[int, bytes], start: int, end: int) -> None:
        self._file, self._patches, self._start, self._end = file, patches, start, end
        self._place = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        """Goes to a position of the part."""
        base = {0: 0, 1: self._place, 2: self._end - self._start}[whence]
        self._place = max(0, base + offset)
        return self._place

    def tell(self) -> int:
        """The position in the part."""
        return self._place

    def read(self, count: int = -1) -> bytes:
        """The next bytes of the part."""
        left = max(0, self._end - self._start - self._place)
        self._file.seek(self._start + self._place)
        data = self._file.read(left if count < 0 else min(count, left))
        place, self._place = self._place, self._place + len(data)
        for position, patch in self._patches.items():
            if place < position + len(patch) and position < place + len(data):
                changed = bytearray(data)
                for offset, value in enumerate(patch):
                    if 0 <= position + offset - place < len(changed):
                        changed[position + offset - place] = value
                data = bytes(changed)
        return data


def read_container(file: BinaryIO, start: int, end: int) -> Container | None:
    """Reads the header of an uncompressed container.

    Args:
        file: The file, which is left at an unknown position.
        start: Where the container begins.
        end: Where the file ends.

    Returns:
        What it says, positions counted from `start`; None if it is of another kind, or has no place for samples.
    """
    file.seek(start)
    head = file.read(12)
    size = end - start
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        return _read_chunks(file, start, size, "<", 12)
    if head[:4] == b"RF64" and head[8:] == b"WAVE":
        return _read_chunks(file, start, size, "<", 12)
    if head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
        return _read_chunks(file, start, size, ">", 12)
    if head == _W64_RIFF[:12]:
        return _read_w64(file, start, size)
    if head[:4] == b"caff":
        return _read_caf(file, start, size)
    if head[:4] in (b".snd", b"dns.") and len(head) == 12:
        order = ">" if head[:4] == b".snd" else "<"
        data_start, promised = struct.unpack(f"{order}4xII", head)
        return _container(data_start, promised, size, {8: (f"{order}I", 0)}, promised in (0, _UNKNOWN_32))
    return None


def _read_chunks(file: BinaryIO, start: int, size: int, order: str, place: int) -> Container | None:
    """RIFF, RF64 and AIFF: chunks with 32-bit sizes; those of RF64 that do not suffice stand in its chunk `ds64`."""
    wide_place, wide_bytes = None, 0
    for _ in range(_MAX_CHUNKS):
        if place > size:
            return None
        file.seek(start + place)
        if len(head := file.read(8)) < 8:
            return None
        name, bytes_ = struct.unpack(f"{order}4sI", head)
        if name == b"ds64" and len(body := file.read(16)) == 16:
            wide_place, wide_bytes = place + 8, struct.unpack("<QQ", body)[1]
        if name == b"data":
            if wide_place is not None:
                fields = {wide_place: ("<Q", place), wide_place + 8: ("<Q", 0), place + 4: ("<I", -1)}
                promised = wide_bytes if bytes_ in (0, _UNKNOWN_32) else bytes_
            else:
                fields, promised = {place + 4: ("<I", 0), 4: ("<I", place)}, bytes_
            unknown = promised == 0 or promised == _UNKNOWN_64 or wide_place is None and _stands_for_unknown(promised)
            is_empty = promised == 0 and _is_chunk_chain(file, start + place + 8, start + size)
            return _container(place + 8, promised, size, fields, unknown and not is_empty)
        if name == b"SSND" and bytes_ in (0, _UNKNOWN_32):
            return None  # libsndfile takes the number of frames that COMM gives, or all that is there
        if name == b"SSND":
            return _container(place + 8, bytes_, size, {place + 4: (">I", 0), 4: (">I", place)}, False)
        place += 8 + bytes_ + bytes_ % 2
    return None


def _read_caf(file: BinaryIO, start: int, size: int) -> Container | None:
    place = 8
    for _ in range(_MAX_CHUNKS):
        if place > size:
            return None
        file.seek(start + place)
        if len(head := file.read(12)) < 12:
            return None
        name, bytes_ = struct.unpack(">4sQ", head)
        if name == b"data":
            return _container(place + 12, bytes_, size, {place + 4: (">Q", 0)}, bytes_ in (0, _UNKNOWN_64))
        place += 12 + bytes_
    return None


def _read_w64(file: BinaryIO, start: int, size: int) -> Container | None:
    """Sony's Wave64: chunks of 8 bytes' alignment, named by 16 bytes, whose sizes count name and size as well."""
    place = 40
    for _ in range(_MAX_CHUNKS):
        if place > size:
            return None
        file.seek(start + place)
        if len(head := file.read(24)) < 24:
            return None
        (bytes_,) = struct.unpack("<Q", head[16:])
        if head[:16] == _W64_DATA:
            is_unknown = bytes_ in (0, 24, _UNKNOWN_64)
            return _container(
                place + 24, bytes_ - 24, size, {place + 16: ("<Q", 24), 16: ("<Q", place + 24)}, is_unknown
            )
        if bytes_ < 24:
            return None
        place += -(-bytes_ // 8) * 8
    return None


def _container(
    data_start: int, promised: int, size: int, fields: dict[int, tuple[str, int]], is_unknown: bool
) -> Container | None:
    there = size - data_start
    if there < 0:
        return None
    data_bytes = there if is_unknown else min(promised, there)
    patches = {}
    if data_bytes != promised:
        for place, (form, more) in fields.items():
            value = data_bytes + max(0, more)
            largest = 2 ** (8 * struct.calcsize(form)) - 1
            patches[place] = struct.pack(form, largest if more < 0 else min(value, largest))
    return Container(data_start, None if is_unknown else promised, data_bytes, patches)


def _stands_for_unknown(bytes_: int) -> bool:
    """Test if a 32-bit size stands for "until the end": programs write 0, about 2 GiB or about 4 GiB."""
    return bytes_ == 0 or abs(bytes_ - 2**31) <= _LEGACY_UNKNOWN_MARGIN or bytes_ >= 2**32 - _LEGACY_UNKNOWN_MARGIN


def _is_chunk_chain(file: BinaryIO, place: int, end: int) -> bool:
    """Test if nothing or whole chunks lie between two positions; samples of size 0 are then really none."""
    while place < end:
        file.seek(place)
        head = file.read(8)
        if len(head) < 8 or not head[:4].isalnum() and not head[:4].strip().isalnum():
            return False
        bytes_ = struct.unpack("<I", head[4:])[0]
        place += 8 + bytes_ + bytes_ % 2
    return place in (end, end + 1)
