"""Recordings that were put one behind another in one file (`cat a.ogg b.ogg`): where each of them lies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from siren_cli.audio.containers import Container

_READ_BYTES = 2**22
_OVERLAP_BYTES = 64
_NEAR_BYTES = 2**16
_OGG_HEAD_BYTES = 27
_OGG_FIRST, _OGG_LAST = 2, 4

_FLAC = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_MP3_TAG = re.compile(
    rb"\xff[\xe2-\xff][\x00-\xff]{2}[\x00-\xff]{9,32}?(?:Xing|Info)\x00\x00\x00[\x01-\x0f]", re.DOTALL
)
_UNCOMPRESSED = re.compile(
    rb"(?:RIFF|RF64)[\x00-\xff]{4}WAVE|FORM[\x00-\xff]{4}AIF[FC]|caff\x00\x01|\.snd\x00\x00"
    rb"|riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00",
    re.DOTALL,
)


def starts_of(file: BinaryIO, end: int, container: Container | None) -> list[int]:
    """Start positions of the recordings of a file.

    Args:
        file: The file, which is left at an unknown position.
        end: Its length in bytes.
        container: What the header of its first recording says, if it is uncompressed.

    Returns:
        Positions, the first of them 0.
    """
    file.seek(0)
    head = file.read(4)
    if container is not None:
        return [0, *_behind(file, container.end, end)]
    if head == b"fLaC":
        return [0, *_matches(file, _FLAC)]
    if head == b"OggS":
        return [0, *_ogg_links(file, end)]
    if is_mp3(head):
        return [0, *_matches(file, _MP3_TAG)]
    return [0]


def is_mp3(head: bytes) -> bool:
    """Test if the first bytes of a file are those of MPEG audio."""
    return head[:3] == b"ID3" or len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2


def ogg_is_whole(file: BinaryIO, end: int) -> bool:
    """Test if an Ogg file ends with the page that is marked as its last."""
    last = _OGG_LAST
    for _, flags in _ogg_pages(file, end):
        last = flags
    return bool(last & _OGG_LAST)


def _behind(file: BinaryIO, place: int, end: int) -> Iterator[int]:
    """The recording behind the samples of another, with at most a few chunks of text between them."""
    if place < end:
        file.seek(place)
        if (found := _UNCOMPRESSED.search(file.read(_NEAR_BYTES))) is not None:
            yield place + found.start()


def _matches(file: BinaryIO, pattern: re.Pattern[bytes]) -> Iterator[int]:
    """Matches in a file but for one at its beginning: where no recording lies before it, it is the first one's own."""
    place, rest, last = 0, b"", 0
    file.seek(0)
    while data := file.read(_READ_BYTES):
        window = rest + data
        for found in pattern.finditer(window):
            position = place - len(rest) + found.start()
            if position > last + _OVERLAP_BYTES and position > _NEAR_BYTES // 64:
                yield position
                last = position
        place += len(data)
        rest = window[-_OVERLAP_BYTES:]
        file.seek(place)


def _ogg_links(file: BinaryIO, end: int) -> Iterator[int]:
    """First pages that follow pages of sound; several first pages in a row are streams side by side."""
    has_sound = False
    for place, flags in _ogg_pages(file, end):
        is_first = bool(flags & _OGG_FIRST)
        if is_first and has_sound:
            yield place
        has_sound = not is_first


def _ogg_pages(file: BinaryIO, end: int) -> Iterator[tuple[int, int]]:
    """Position and flags of every page; damaged ones are passed over."""
    place = 0
    while place < end:
        file.seek(place)
        head = file.read(_OGG_HEAD_BYTES)
        if len(head) == _OGG_HEAD_BYTES and head[:4] == b"OggS":
            sizes = file.read(head[26])
            here, place = place, place + _OGG_HEAD_BYTES + len(sizes) + sum(sizes)
            if place <= end:
                yield here, head[5]
            continue
        file.seek(place + 1)
        found = file.read(_NEAR_BYTES).find(b"OggS")
        place += 1 + found if found >= 0 else _NEAR_BYTES - 3
