"""Audio files to samples and back: whatever soundfile reads comes in, WAV, FLAC or Ogg Vorbis goes out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from siren_cli.audio_input import Backend, open_backend, unreadable
from siren_cli.audio_output import AudioWriter, PcmWriter, SoundFileWriter, WavWriter
from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.errors import AudioEmpty, AudioInvalid, UsageError
from siren_cli.files import STREAM, Output, require_writable
from siren_cli.pcm import PcmFormat, RawAudio

MIN_RATE_HZ = 1_000
MAX_RATE_HZ = 768_000

MAX_DURATION_S = 20_000 * 60
"""What the format can say in one file: 20,000 groups of 60 s."""

DEFAULT_SUFFIX = ".wav"

_FORMAT_OF_SUFFIX = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}


class Recording:
    """A recording that is open to be read; see `open_audio`.

    Attributes:
        rate_hz: Sample rate.
        channels: Channels.
        can_rewind: Whether it can be read more than once: it is a file.
    """

    def __init__(self, backend: Backend, what: str) -> None:
        self.rate_hz, self.channels, self.can_rewind = backend.rate_hz, backend.channels, backend.can_rewind
        self._backend = backend
        self._what = what
        self._is_fresh = True
        if not MIN_RATE_HZ <= self.rate_hz <= MAX_RATE_HZ:
            raise AudioInvalid(
                f"{what}: sample rate of {self.rate_hz} Hz, expected {MIN_RATE_HZ}..{MAX_RATE_HZ}; resample it first"
            )

    @property
    def notes(self) -> list[str]:
        """What has to be done to it before it can be coded, one line for each thing."""
        return _notes(self.channels, self.rate_hz)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Reads the recording from its beginning, block by block: a header may claim more than memory holds.

        Yields:
            Samples [T, C], full scale at 1; from a pipe as soon as they are there.

        Raises:
            AudioUnreadable: If it is not audio as far as its end.
            AudioEmpty: If it holds no samples.
            AudioInvalid: If a sample is not finite, or it is longer than a file can hold.
        """
        if not self._is_fresh:
            self._backend.rewind()
        self._is_fresh = False
        count = 0
        while len(block := self._read()):
            finite = np.isfinite(block).all(axis=1)
            if not finite.all():
                first = count + int(np.argmin(finite))
                raise AudioInvalid(
                    f"{self._what}: sample {first} is not a finite number; remove NaN and infinity first"
                )
            count += len(block)
            if resampled_count(count, self.rate_hz, SAMPLE_RATE_HZ) > MAX_DURATION_S * SAMPLE_RATE_HZ:
                raise AudioInvalid(f"{self._what}: longer than the {MAX_DURATION_S} s that a file can hold; split it")
            yield block
        if count == 0:
            raise AudioEmpty(f"{self._what}: holds no samples, expected at least one; check what wrote it")

    def whole(self) -> NDArray[np.float32]:
        """All samples [T, C]; raises what `blocks` raises."""
        return np.concatenate(list(self.blocks()))

    def _read(self) -> NDArray[np.float32]:
        try:
            return self._backend.read()
        except (soundfile.SoundFileError, OSError) as error:
            raise unreadable(self._what, error) from error


@contextmanager
def open_audio(source: str, raw: RawAudio | None = None) -> Iterator[Recording]:
    """Opens a recording to be read block by block.

    Args:
        source: Path of a file that soundfile can read, or `-` for standard input.
        raw: What the samples are, if they come without a header.

    Yields:
        The recording.

    Raises:
        AudioUnreadable: If the source is missing, a folder, or not audio.
        AudioEmpty: If it holds no bytes.
        AudioInvalid: If its rate is out of range.
        UsageError: If the source is standard input and that is a terminal.
    """
    what = "standard input" if source == STREAM else source
    with open_backend(source, what, raw) as backend:
        yield Recording(backend, what)


def read_audio(source: str, raw: RawAudio | None = None) -> tuple[NDArray[np.float32], int]:
    """Reads a recording as it is, every channel.

    Args:
        source: Path of a file that soundfile can read, or `-` for standard input.
        raw: What the samples are, if they come without a header.

    Returns:
        The samples [T, C], full scale at 1, and their rate in Hz.

    Raises:
        AudioUnreadable: If the source is missing, a folder, or not audio.
        AudioEmpty: If it holds no bytes or no samples.
        AudioInvalid: If a sample is not finite, or rate or duration are out of range.
        UsageError: If the source is standard input and that is a terminal.
    """
    with open_audio(source, raw) as recording:
        return recording.whole(), recording.rate_hz


def conversion_notes(wav: NDArray[np.float32], rate_hz: int) -> list[str]:
    """Says what has to be done to a recording before it can be coded.

    Args:
        wav: Samples [T, C]; of their number C counts.
        rate_hz: Their rate, Hz.

    Returns:
        One line for each thing.
    """
    return _notes(wav.shape[1], rate_hz)


def _notes(channels: int, rate_hz: int) -> list[str]:
    notes = []
    if channels > 1:
        notes.append(f"{channels} channels are mixed down to one")
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
    """Brings a recording that arrives piece by piece to another rate (soxr, high quality), of the same duration.

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


def write_audio(destination: str, wav: NDArray[np.float32], sample_rate_hz: int, *, force: bool = False) -> None:
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
    with open_audio_output(destination, sample_rate_hz, len(wav), force=force) as output:
        output.write(wav)


@contextmanager
def open_audio_output(
    destination: str,
    sample_rate_hz: int,
    sample_count: int | None,
    *,
    raw: PcmFormat | None = None,
    force: bool = False,
) -> Iterator[AudioWriter]:
    """Opens a mono recording to be written block by block; see `siren_cli.files.Output` for when it appears.

    Args:
        destination: Path that ends in `.wav`, `.flac` or `.ogg`, or `-` for standard output.
        sample_rate_hz: Sample rate.
        sample_count: Samples that will come; None if that is not known yet.
        raw: How to write bare samples, without a header, whatever the suffix; None to write a file of its format.
        force: Whether an existing file may be replaced.

    Yields:
        The writer.

    Raises:
        UsageError: If the suffix names no format that can be written, or standard output is a terminal.
        OutputExists: If the file exists and `force` is false.
        OutputUnwritable: If the file cannot be written or its format cannot hold the samples.
    """
    require_audio_destination(destination, force=force, raw=raw)
    suffix = DEFAULT_SUFFIX if raw is not None else _suffix_of(destination)
    with Output(destination, replace=force) as output:
        if raw is not None:
            yield PcmWriter(output, raw)
        elif suffix == DEFAULT_SUFFIX:
            with WavWriter(output, destination, sample_rate_hz, sample_count) as wav_writer:
                yield wav_writer
        else:
            with SoundFileWriter(output, destination, sample_rate_hz, *_FORMAT_OF_SUFFIX[suffix]) as writer:
                yield writer


def require_audio_destination(
    destination: str, *, force: bool, source: str = STREAM, raw: PcmFormat | None = None
) -> None:
    """Refuses, before any work is done, what `write_audio` would refuse after it.

    Args:
        destination: Path, or `-`.
        force: Whether an existing file may be replaced.
        source: The input, which must not be the output.
        raw: How bare samples are written, to a file of any suffix; None if none are.

    Raises:
        UsageError: If the suffix names no format that can be written, the output is the input, or standard
            output is a terminal.
        OutputExists: If the output exists and `force` is false.
        OutputUnwritable: If the output cannot be written.
    """
    if raw is None and _suffix_of(destination) not in _FORMAT_OF_SUFFIX:
        known = ", ".join(_FORMAT_OF_SUFFIX)
        raise UsageError(f"{destination}: the output's suffix names no known format; give one of {known}")
    require_writable(destination, force=force, source=source)


def _suffix_of(destination: str) -> str:
    if destination == STREAM or os.path.exists(destination) and not os.path.isfile(destination):
        return DEFAULT_SUFFIX
    return os.path.splitext(destination)[1].lower()
