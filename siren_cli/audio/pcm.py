"""Samples without a header: what `--raw` names and what a WAV file holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siren_cli.errors import UsageError

MAX_CHANNELS = 64


@dataclass(frozen=True)
class PcmFormat:
    """Encoding of one sample.

    Attributes:
        name: What `--raw` calls it.
        size_bytes: Bytes of a sample.
        dtype: NumPy's name of them; 24-bit samples are read into the upper bytes of 32.
        is_float: Whether full scale is 1; otherwise it is the largest integer.
    """

    name: str
    size_bytes: int
    dtype: str
    is_float: bool = False


FORMATS = {
    one.name: one
    for one in (
        PcmFormat("u8", 1, "u1"),
        PcmFormat("s16le", 2, "<i2"),
        PcmFormat("s16be", 2, ">i2"),
        PcmFormat("s24le", 3, "<i4"),
        PcmFormat("s32le", 4, "<i4"),
        PcmFormat("f32le", 4, "<f4", is_float=True),
        PcmFormat("f64le", 8, "<f8", is_float=True),
    )
}

S16LE = FORMATS["s16le"]


@dataclass(frozen=True)
class RawAudio:
    """Samples without a header, and what a header would say.

    Attributes:
        rate_hz: Sample rate.
        pcm: How a sample is written.
        channels: Channels, sample by sample in turn.
    """

    rate_hz: int
    pcm: PcmFormat = S16LE
    channels: int = 1


def parse_raw(text: str) -> RawAudio:
    """Reads what `siren encode --raw` was given.

    Args:
        text: `RATE[:FORMAT[:CHANNELS]]`, such as `16000`, `48000:s24le` or `44100:f32le:2`.

    Returns:
        The description.

    Raises:
        UsageError: If it is none.
    """
    rate, _, rest = text.partition(":")
    name, _, channels = rest.partition(":")
    is_number = all(part.isascii() and part.isdecimal() and len(part) < 9 for part in (rate, channels or "1"))
    if not is_number or not 1 <= int(channels or "1") <= MAX_CHANNELS:
        raise UsageError(
            f"--raw is {text!r}, expected RATE[:FORMAT[:CHANNELS]], the rate in Hz, up to {MAX_CHANNELS} channels; "
            "give something like 16000:s16le:1"
        )
    return RawAudio(int(rate), parse_pcm(name) if name else S16LE, int(channels or "1"))


def parse_pcm(name: str) -> PcmFormat:
    """Reads the name of a format.

    Args:
        name: One of `FORMATS`.

    Returns:
        The format.

    Raises:
        UsageError: If there is none of that name.
    """
    if name not in FORMATS:
        raise UsageError(f"--raw names the format {name!r}, expected {', '.join(FORMATS)}; give one of them")
    return FORMATS[name]


def bytes_to_samples(data: bytes, pcm: PcmFormat) -> NDArray[np.float32]:
    """Reads samples.

    Args:
        data: Whole samples.
        pcm: How they are written.

    Returns:
        The samples [T], full scale at 1.
    """
    if pcm.size_bytes == 3:
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        data = wide.tobytes()
    found = np.frombuffer(data, np.dtype(pcm.dtype))
    if pcm.is_float:
        return found.astype(np.float32)
    if pcm.dtype == "u1":
        return ((found.astype(np.float32) - 128) / 128).astype(np.float32)
    return (found / -float(np.iinfo(found.dtype).min)).astype(np.float32)


def samples_to_bytes(wav: NDArray[np.float32], pcm: PcmFormat) -> bytes:
    """Writes samples, rounded as libsndfile rounds them.

    Args:
        wav: Samples [T], full scale at 1; integers are clipped to it.
        pcm: How to write them.

    Returns:
        The bytes.
    """
    if pcm.is_float:
        return wav.astype(pcm.dtype).tobytes()
    whole = np.clip(np.rint(wav.astype(np.float64) * 2.0**31), -(2.0**31), 2.0**31 - 1).astype(np.int64)
    whole >>= 32 - 8 * pcm.size_bytes
    if pcm.dtype == "u1":
        return (whole + 128).astype(np.uint8).tobytes()
    if pcm.size_bytes == 3:
        return whole.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    return whole.astype(pcm.dtype).tobytes()
