"""WAV headers of recordings that come from a pipe or go into one, where nobody can seek back to write the length.

The format is that of RIFF WAVE (Microsoft, "Multiple channel audio data and WAVE files", 2007).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from siren_cli.audio.pcm import FORMATS, RawAudio

HEADER_BYTES = 44

MAX_DATA_BYTES = 2**32 - 2**16
"""Most bytes of a WAV file: its sizes are 32-bit numbers."""

UNKNOWN_BYTES = 2**32 - 1
"""The size that a header gives where nobody knows it, as ffmpeg writes it; players then play to the end."""

_MAX_BEFORE_DATA_BYTES = 2**20
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_FORMAT_OF = {(_PCM, 8): "u8", (_PCM, 16): "s16le", (_PCM, 24): "s24le", (_PCM, 32): "s32le", (_FLOAT, 32): "f32le",
              (_FLOAT, 64): "f64le"}  # fmt: skip


@dataclass(frozen=True)
class WavStream:
    """Facts in the header of a WAV stream.

    Attributes:
        audio: Rate, format of the samples, channels.
        data_bytes: Bytes of all samples; None if the header does not know.
    """

    audio: RawAudio
    data_bytes: int | None


def wav_header(rate_hz: int, data_bytes: int | None) -> bytes:
    """The header of one channel of 16-bit samples.

    Args:
        rate_hz: Sample rate.
        data_bytes: Bytes of all samples; None if unknown, or too many for a WAV file.

    Returns:
        44 bytes, which the samples follow.
    """
    riff_bytes = size_bytes = UNKNOWN_BYTES
    if data_bytes is not None and data_bytes <= MAX_DATA_BYTES:
        riff_bytes, size_bytes = data_bytes + HEADER_BYTES - 8, data_bytes
    form = struct.pack("<HHIIHH", _PCM, 1, rate_hz, 2 * rate_hz, 2, 16)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", riff_bytes, b"WAVE", b"fmt ", len(form))
        + form
        + struct.pack("<4sI", b"data", size_bytes)
    )


def read_wav_header(read: Callable[[int], bytes]) -> WavStream | None:
    """Reads a WAV header off the front of a stream, up to its first sample.

    Args:
        read: Gives that many of the next bytes, fewer only at the end.

    Returns:
        What it says; None if this is no WAV header, or one of samples that `siren_cli.audio.pcm` does not know.
    """
    riff = read(12)
    if riff[:4] != b"RIFF" or riff[8:] != b"WAVE":
        return None
    audio, skipped = None, 0
    while len(head := read(8)) == 8:
        name, size_bytes = struct.unpack("<4sI", head)
        if name == b"data":
            return None if audio is None else WavStream(audio, None if _is_unknown(size_bytes) else size_bytes)
        skipped += size_bytes
        if skipped > _MAX_BEFORE_DATA_BYTES:
            return None
        body = read(size_bytes + size_bytes % 2)
        if name == b"fmt ":
            audio = _parse_format(body)
    return None


def _parse_format(body: bytes) -> RawAudio | None:
    if len(body) < 16:
        return None
    tag, channels, rate_hz, _, block_bytes, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE and len(body) >= 26:
        (tag,) = struct.unpack_from("<H", body, 24)
    name = _FORMAT_OF.get((tag, bits))
    if name is None or not channels or block_bytes != channels * bits // 8:
        return None
    return RawAudio(rate_hz, FORMATS[name], channels)


def _is_unknown(data_bytes: int) -> bool:
    """Test if a size stands for "until the end": programs write 0, about 2 GiB or about 4 GiB."""
    return data_bytes == 0 or abs(data_bytes - 2**31) <= 2**16 or data_bytes >= 2**32 - 2**16
