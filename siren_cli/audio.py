"""Audio files to samples and back: whatever soundfile reads comes in, WAV, FLAC or Ogg Vorbis goes out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.errors import AudioEmpty, AudioInvalid, AudioUnreadable, OutputUnwritable, UsageError
from siren_cli.files import STREAM, read_bytes, require_file, require_writable, write_bytes

MIN_RATE_HZ = 1_000
MAX_RATE_HZ = 768_000

MAX_DURATION_S = 20_000 * 60
"""What the format can say in one file: 20,000 groups of 60 s."""

DEFAULT_SUFFIX = ".wav"

_FORMAT_OF_SUFFIX = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}
_BLOCK_FRAMES = 2**18
_WAV_MAX_BYTES = 2**32 - 2**16


def read_audio(source: str) -> tuple[NDArray[np.float32], int]:
    """Reads a recording as it is, every channel.

    Args:
        source: Path of a file that soundfile can read, or `-` for standard input.

    Returns:
        The samples [T, C], full scale at 1, and their rate in Hz.

    Raises:
        AudioUnreadable: If the source is missing, a folder, or not audio.
        AudioEmpty: If it holds no bytes or no samples.
        AudioInvalid: If a sample is not finite, or rate or duration are out of range.
        UsageError: If the source is standard input and that is a terminal.
    """
    what = "standard input" if source == STREAM else source
    opened: str | BytesIO = source
    if source == STREAM:
        opened = BytesIO(read_bytes(source, AudioUnreadable))
        is_empty = not opened.getbuffer()
    else:
        require_file(source, AudioUnreadable)
        is_empty = os.path.isfile(source) and os.path.getsize(source) == 0
    if is_empty:
        raise AudioEmpty(f"{what}: is empty (0 bytes), expected audio; check what wrote it")
    try:
        with soundfile.SoundFile(opened) as file:
            rate_hz = int(file.samplerate)
            _require_rate(what, rate_hz)
            wav = np.concatenate(list(_blocks(file, what, rate_hz)))
    except (soundfile.SoundFileError, OSError) as error:
        reason = " ".join(str(error).split())
        raise AudioUnreadable(
            f"{what}: not readable as audio ({reason}); convert it to WAV or FLAC"
        ) from error
    _require_samples(what, wav)
    return wav, rate_hz


def conversion_notes(wav: NDArray[np.float32], rate_hz: int) -> list[str]:
    """Says what has to be done to a recording before it can be coded.

    Args:
        wav: Samples [T, C].
        rate_hz: Their rate, Hz.

    Returns:
        One line for each thing.
    """
    notes = []
    if wav.shape[1] > 1:
        notes.append(f"{wav.shape[1]} channels are mixed down to one")
    if rate_hz != SAMPLE_RATE_HZ:
        notes.append(f"resampled from {rate_hz} Hz to {SAMPLE_RATE_HZ} Hz")
    return notes


def mix_down(wav: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the channels.

    Args:
        wav: Samples [T] or [T, C].

    Returns:
        Samples [T].
    """
    if wav.ndim == 1:
        return wav
    if wav.shape[1] == 1:
        return wav[:, 0]
    mean: NDArray[np.float32] = wav.mean(axis=1, dtype=np.float64).astype(np.float32)
    return mean


def resampled_count(sample_count: int, from_hz: int, to_hz: int) -> int:
    """How many samples the same duration has at another rate.

    Args:
        sample_count: Samples at `from_hz`.
        from_hz: Rate the samples have, Hz.
        to_hz: Rate they are to have, Hz.

    Returns:
        The nearest whole number, at least 1.
    """
    return max(1, (2 * sample_count * to_hz + from_hz) // (2 * from_hz))


class Resampler:
    """Brings a recording that arrives piece by piece to another rate (soxr, high quality), of exactly the same duration.

    How it is cut into pieces makes no difference.

    Args:
        from_hz: Rate it has, Hz.
        to_hz: Rate it is to have, Hz.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._from_hz, self._to_hz = from_hz, to_hz
        self._stream = None if from_hz == to_hz else soxr.ResampleStream(from_hz, to_hz, 1, "float32", "HQ")
        self._taken = self._given = 0

    def push(self, wav: NDArray[np.float32]) -> NDArray[np.float32]:
        """Takes samples [T], gives those [T'] that are certain.

        Raises:
            AudioInvalid: If the samples are so large that the filter overflows.
        """
        self._taken += len(wav)
        if self._stream is None or not len(wav):
            return wav
        found = _require_no_overflow(self._stream.resample_chunk(np.ascontiguousarray(wav, np.float32)))
        self._given += len(found)
        return found

    def finish(self) -> NDArray[np.float32]:
        """Gives the rest [T'], so that `resampled_count` samples come out in all, none if none were taken.

        Raises:
            AudioInvalid: If the samples are so large that the filter overflows.
        """
        if self._stream is None or not self._taken:
            return np.zeros(0, np.float32)
        wanted = resampled_count(self._taken, self._from_hz, self._to_hz) - self._given
        found = _require_no_overflow(self._stream.resample_chunk(np.zeros(0, np.float32), last=True))[:wanted]
        return np.pad(found, (0, wanted - len(found)))


def resample(wav: NDArray[np.float32], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    """Brings samples to another rate, as `Resampler` does.

    Args:
        wav: Samples [T], full scale at 1.
        from_hz: Rate they have, Hz.
        to_hz: Rate they are to have, Hz.

    Returns:
        `resampled_count(T, from_hz, to_hz)` samples.

    Raises:
        AudioInvalid: If the samples are so large that the filter overflows.
    """
    if from_hz == to_hz:
        return wav
    resampler = Resampler(from_hz, to_hz)
    return np.concatenate([resampler.push(wav), resampler.finish()])


def _require_no_overflow(wav: NDArray[np.float32]) -> NDArray[np.float32]:
    if not np.isfinite(wav).all():
        raise AudioInvalid("the samples overflow when resampled, expected about -1..1; scale them down")
    return wav


def write_audio(
    destination: str, wav: NDArray[np.float32], sample_rate_hz: int, *, force: bool = False
) -> None:
    """Writes a mono recording as a whole or not at all; the suffix names the format, WAV on standard output.

    Args:
        destination: Path that ends in `.wav`, `.flac` or `.ogg`, or `-` for standard output.
        wav: Samples [T], clipped to -1..1.
        sample_rate_hz: Their rate, Hz.
        force: Whether an existing file may be replaced.

    Raises:
        UsageError: If the suffix names no format that can be written, or standard output is a terminal.
        OutputExists: If the file exists and `force` is false.
        OutputUnwritable: If the file cannot be written or its format cannot hold the samples.
    """
    require_audio_destination(destination, force=force)
    file_format, subtype = _FORMAT_OF_SUFFIX[_suffix_of(destination)]
    if file_format == "WAV" and 2 * len(wav) > _WAV_MAX_BYTES:
        raise OutputUnwritable(f"{destination}: {len(wav)} samples, more than WAV holds; write .flac")
    buffer = BytesIO()
    try:
        with soundfile.SoundFile(buffer, "w", sample_rate_hz, 1, subtype, format=file_format) as file:
            for start in range(0, len(wav), _BLOCK_FRAMES):
                file.write(wav[start : start + _BLOCK_FRAMES])
    except soundfile.SoundFileError as error:
        raise OutputUnwritable(
            f"{destination}: {file_format} cannot hold {sample_rate_hz} Hz ({error}); write .wav"
        ) from error
    write_bytes(destination, buffer.getvalue(), force=force)


def require_audio_destination(destination: str, *, force: bool, source: str = STREAM) -> None:
    """Refuses, before any work is done, what `write_audio` would refuse after it.

    Args:
        destination: Path, or `-`.
        force: Whether an existing file may be replaced.
        source: The input, which must not be the output.

    Raises:
        UsageError: If the suffix names no format that can be written, the output is the input, or standard
            output is a terminal.
        OutputExists: If the output exists and `force` is false.
        OutputUnwritable: If the output cannot be written.
    """
    if _suffix_of(destination) not in _FORMAT_OF_SUFFIX:
        known = ", ".join(_FORMAT_OF_SUFFIX)
        raise UsageError(f"{destination}: the output's suffix names no known format; give one of {known}")
    require_writable(destination, force=force, source=source)


def _suffix_of(destination: str) -> str:
    if destination == STREAM or os.path.exists(destination) and not os.path.isfile(destination):
        return DEFAULT_SUFFIX
    return os.path.splitext(destination)[1].lower()


def _require_rate(what: str, rate_hz: int) -> None:
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise AudioInvalid(
            f"{what}: sample rate of {rate_hz} Hz, expected {MIN_RATE_HZ}..{MAX_RATE_HZ}; resample it first"
        )


def _blocks(file: soundfile.SoundFile, what: str, rate_hz: int) -> Iterator[NDArray[np.float32]]:
    """Yields the samples block by block, because a damaged header may claim more than memory holds."""
    count = 0
    while True:
        block = file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)
        yield block
        count += len(block)
        if len(block) < _BLOCK_FRAMES:
            return
        if resampled_count(count, rate_hz, SAMPLE_RATE_HZ) > MAX_DURATION_S * SAMPLE_RATE_HZ:
            raise AudioInvalid(f"{what}: longer than the {MAX_DURATION_S} s that a file can hold; split it")


def _require_samples(what: str, wav: NDArray[np.float32]) -> None:
    if len(wav) == 0:
        raise AudioEmpty(f"{what}: holds no samples, expected at least one; check what wrote it")
    finite = np.isfinite(wav).all(axis=1)
    if not finite.all():
        first = int(np.argmin(finite))
        raise AudioInvalid(f"{what}: sample {first} is not a finite number; remove NaN and infinity first")
