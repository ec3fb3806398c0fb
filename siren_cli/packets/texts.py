"""Packets as text: hexadecimal or base64, as people copy them out of a chat or a log. No torch, no NumPy."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence

from siren_cli.errors import SrnUnreadable
from siren_format.packet_file import PACKET_FILE_MAGIC

LEAST_PACKET_BYTES = 3

_HEX_BYTES = re.compile(r"(?<![0-9A-Za-z])(?:0x)?[0-9A-Fa-f]{2}(?:[\s:,-]*(?:0x)?[0-9A-Fa-f]{2}){2,}(?![0-9A-Za-z])")
_HEX_WORD = re.compile(r"(?<![0-9A-Za-z+/=_-])(?:0x)?((?:[0-9A-Fa-f]{2}){3,})(?![0-9A-Za-z+/=_-])")
_HEX_LINE = re.compile(r"\s*(?:(?:0x)?[0-9A-Fa-f]{2}[\s:,-]*)+")
_TIME = re.compile(r"^\s*[\[(]?\d{1,2}[:.]\d{2}(?:[:.]\d{2})?[\])]?\s+")
_BASE64_WORD = re.compile(r"(?<![0-9A-Za-z+/=_-])([0-9A-Za-z+/_-]{4,}={0,2})(?![0-9A-Za-z+/=_-])")
_LEAST_BASE64_LETTERS = 12
"""Letters below which a word among others is not taken for base64."""

KINDS = ("hex", "base64")


def is_text(data: bytes) -> bool:
    """Tells text that people read, in UTF-8, from other bytes.

    Args:
        data: The bytes.

    Returns:
        True if every character is printable or white space, and there is one.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
    return bool(text.strip()) and all(letter.isprintable() or letter.isspace() for letter in text)


def text_to_packets(data: bytes, kind: str | None) -> list[bytes] | None:
    """Takes packets out of a text, one a line; names and times before them are left out.

    Args:
        data: The text, in UTF-8.
        kind: `hex` or `base64`; None to try both.

    Returns:
        The packets, or one packet file; None if there is nothing like them.
    """
    if not is_text(data):
        return None
    lines = [_TIME.sub("", line) for line in data.decode("utf-8-sig").splitlines() if line.strip()]
    for own in KINDS if kind is None else (kind,):
        read = _hex_packets if own == "hex" else _base64_packets
        packets = read(lines, kind is not None)
        if packets:
            whole = b"".join(packets)  # a packet file is long, and its text is wrapped
            return [whole] if whole.startswith(PACKET_FILE_MAGIC) else packets
    return None


def require_texts(source: str, data: bytes, kind: str) -> list[bytes]:
    """Takes packets out of a text that the user says holds them.

    Args:
        source: Path, or `-`.
        data: What it holds.
        kind: `hex` or `base64`.

    Returns:
        The packets, or one packet file.

    Raises:
        SrnUnreadable: If there are none.
    """
    packets = text_to_packets(data, kind)
    if packets is None:
        raise SrnUnreadable(f"{source}: no packet in {kind}, expected one a line; copy the lines as they were sent")
    return packets


def _hex_packets(lines: Sequence[str], is_told: bool) -> list[bytes]:
    del is_told
    return _of_lines(lines, _hex_of)


def _hex_of(line: str) -> bytes | None:
    if _HEX_LINE.fullmatch(line):
        return _long_enough(bytes.fromhex(re.sub(r"0x|[^0-9A-Fa-f]", "", line)))
    words = [word for word in _HEX_WORD.findall(line) if any(letter.isdigit() for letter in word)]
    if words:
        return bytes.fromhex(max(words, key=len))
    spaced = [found for found in _HEX_BYTES.findall(line) if len(found) > 3 * LEAST_PACKET_BYTES]
    if not spaced:
        return None
    return _long_enough(bytes.fromhex(re.sub(r"0x|[^0-9A-Fa-f]", "", max(spaced, key=len))))


def _base64_packets(lines: Sequence[str], is_told: bool) -> list[bytes]:
    least = 4 if is_told else _LEAST_BASE64_LETTERS

    def of(line: str) -> bytes | None:
        words = line.split()
        whole = len(words) == 1
        found = [word for word in _BASE64_WORD.findall(line) if whole or len(word) >= least and _is_mixed(word)]
        decoded = [_base64_bytes(word) for word in found]
        return max((data for data in decoded if data is not None), key=len, default=None)

    return _of_lines(lines, of)


def _is_mixed(word: str) -> bool:
    """Tells if a word has letters of both kinds and something else, which words of a language have not."""
    return word.lower() != word and word.upper() != word and not word.isalpha()


def _base64_bytes(word: str) -> bytes | None:
    plain = word.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return _long_enough(base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True))
    except binascii.Error:
        return None


def _long_enough(data: bytes) -> bytes | None:
    return data if len(data) >= LEAST_PACKET_BYTES else None


def _of_lines(lines: Sequence[str], read: Callable[[str], bytes | None]) -> list[bytes]:
    return [data for data in map(read, lines) if data is not None]
