"""Kinds of recordings that soundfile does not read, named by their first bytes, and what makes WAV of them."""

from __future__ import annotations

import os

HEAD_BYTES = 16

_BY_START = {
    b"#!AMR": "AMR",
    b"\x1a\x45\xdf\xa3": "WebM or Matroska",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "Windows Media",
    b"FLV\x01": "Flash video",
    b"NIST_1A": "NIST SPHERE with compressed samples",
    b"MThd": "MIDI",
    b"PK\x03\x04": "ZIP",
    b"%PDF": "PDF",
}
_ADTS = (b"\xff\xf1", b"\xff\xf9")


def kind_of(head: bytes) -> str | None:
    """The name of a kind of file that soundfile does not read.

    Args:
        head: The first `HEAD_BYTES` bytes of the file.

    Returns:
        The name; None for another kind.
    """
    if head[4:8] == b"ftyp":
        return "MP4 (m4a, mp4, 3gp)"
    if head[:2] in _ADTS:
        return "AAC"
    return next((name for start, name in _BY_START.items() if head.startswith(start)), None)


def conversion_advice(what: str, head: bytes) -> str:
    """Advice for a recording that cannot be read.

    Args:
        what: Its name in messages.
        head: Its first bytes.

    Returns:
        The advice, the last part of a message.
    """
    if head[:4] == b"fLaC":
        return "it is damaged or cut short: copy it again"
    if kind_of(head) is None:
        return "convert it to WAV or FLAC"
    stem = os.path.splitext(os.path.basename(what))[0]
    return f"convert it: ffmpeg -i '{what}' '{stem}.wav'"
