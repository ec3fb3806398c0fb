"""Samples to audio files: WAV, FLAC, Ogg Vorbis or bare samples, to files and pipes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from siren_cli.audio.pcm import S16LE, PcmFormat, samples_to_bytes
from siren_cli.audio.wav_header import HEADER_BYTES, MAX_DATA_BYTES, wav_header
from siren_cli.errors import OutputUnwritable, UsageError
from siren_cli.files.streams import STREAM, Output, require_writable

DEFAULT_SUFFIX = ".wav"

_FORMAT_OF_SUFFIX = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}

_BLOCK_SAMPLES = 2**18


class AudioWriter(Protocol):
    """Takes one channel of samples."""

    def write(self, wav: NDArray[np.float32]) -> None:
        """Writes samples [T], clipped to -1..1."""


class PcmWriter:
    """Writes bare samples.

    Args:
        output: Where to.
        pcm: How.
    """

    def __init__(self, output: Output, pcm: PcmFormat) -> None:
        self._output = output
        self._pcm = pcm

    def write(self, wav: NDArray[np.float32]) -> None:
        """Writes samples [T], clipped to -1..1.

        Raises:
            OutputUnwritable: If they cannot be written.
        """
        for start in range(0, len(wav), _BLOCK_SAMPLES):
            self._output.write(samples_to_bytes(wav[start : start + _BLOCK_SAMPLES], self._pcm))


class WavWriter(PcmWriter):
    """Writes 16-bit WAV; into a pipe too, where the header comes before anyone knows how much will follow.

    Args:
        output: Where to.
        destination: Its name in messages.
        rate_hz: Sample rate.
        sample_count: Samples that will come; None if unknown.

    Raises:
        OutputUnwritable: If they are more than a WAV file holds; a pipe takes them all the same.
    """

    def __init__(self, output: Output, destination: str, rate_hz: int, sample_count: int | None) -> None:
        super().__init__(output, S16LE)
        self._destination = destination
        self._rate_hz = rate_hz
        self._claimed_bytes = None if sample_count is None else 2 * sample_count
        self._written_bytes = 0
        self._require_room(self._claimed_bytes or 0)
        output.write(wav_header(rate_hz, self._claimed_bytes))

    def __enter__(self) -> WavWriter:
        """Nothing is left to do."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Corrects the header, where that is possible and necessary."""
        if kind is None and self._written_bytes != self._claimed_bytes and self._output.is_seekable:
            self._output.seek(0)
            self._output.write(wav_header(self._rate_hz, self._written_bytes))
            self._output.seek(HEADER_BYTES + self._written_bytes)

    def write(self, wav: NDArray[np.float32]) -> None:
        """Writes samples [T], clipped to -1..1.

        Raises:
            OutputUnwritable: If they cannot be written, or are more than a WAV file holds.
        """
        self._written_bytes += 2 * len(wav)
        self._require_room(self._written_bytes)
        super().write(wav)

    def _require_room(self, data_bytes: int) -> None:
        if self._output.is_seekable and data_bytes > MAX_DATA_BYTES:
            raise OutputUnwritable(f"{self._destination}: {data_bytes // 2} samples, more than WAV holds; write .flac")


class SoundFileWriter:
    """Writes a file through soundfile.

    Args:
        output: Where to.
        destination: Its name in messages.
        rate_hz: Sample rate.
        file_format: Format, as soundfile names it.
        subtype: How samples are written, as soundfile names it.

    Raises:
        OutputUnwritable: If the format cannot hold the rate.
    """

    def __init__(self, output: Output, destination: str, rate_hz: int, file_format: str, subtype: str) -> None:
        self._sink = _Sink(output)
        try:
            self._file = soundfile.SoundFile(self._sink, "w", rate_hz, 1, subtype, format=file_format)
        except soundfile.SoundFileError as error:
            raise OutputUnwritable(
                f"{destination}: {file_format} cannot hold {rate_hz} Hz ({error}); write .wav"
            ) from error

    def __enter__(self) -> SoundFileWriter:
        """Nothing is left to do."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Ends the file.

        Raises:
            OutputUnwritable: If it cannot be written.
        """
        self._file.close()
        if kind is None:
            self._sink.require_success()

    def write(self, wav: NDArray[np.float32]) -> None:
        """Writes samples [T], clipped to -1..1.

        Raises:
            OutputUnwritable: If they cannot be written.
        """
        for start in range(0, len(wav), _BLOCK_SAMPLES):
            self._file.write(wav[start : start + _BLOCK_SAMPLES])
            self._sink.require_success()


class _Sink:
    """An output as soundfile calls it from C, where an error would be printed and forgotten: it is kept instead."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._failure: OutputUnwritable | None = None

    def write(self, data: bytes) -> int:
        if self._failure is None:
            try:
                self._output.write(bytes(data))
            except OutputUnwritable as error:
                self._failure = error
        return len(data)

    def seek(self, offset: int, whence: int) -> int:
        return self._output.seek(offset, whence)

    def tell(self) -> int:
        return self._output.tell()

    def require_success(self) -> None:
        if self._failure is not None:
            raise self._failure


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
    """Opens a mono recording to be written block by block; see `siren_cli.files.streams.Output` for when it appears.

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
