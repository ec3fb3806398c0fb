"""Audio files to samples: whatever soundfile reads, pipes and bare samples."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from siren_cli.audio.channels import Mixer
from siren_cli.audio.pcm import RawAudio
from siren_cli.audio.resampling import MAX_DURATION_S, resampled_count
from siren_cli.audio.samples import MAX_RATE_HZ, MIN_RATE_HZ, loudness_note
from siren_cli.audio.sources import Backend, open_backend
from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.errors import AudioEmpty, AudioInvalid, AudioUnreadable
from siren_cli.files.streams import STREAM, reason_of


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
        self._peak = 0.0
        self._channel: int | None = None
        if not MIN_RATE_HZ <= self.rate_hz <= MAX_RATE_HZ:
            raise AudioInvalid(
                f"{what}: sample rate of {self.rate_hz} Hz, expected {MIN_RATE_HZ}..{MAX_RATE_HZ}; resample it first"
            )

    @property
    def notes(self) -> list[str]:
        """Notes on the recording: what is done to it before coding, and what was odd in the part read so far.

        One line for each thing.
        """
        found = loudness_note(self._peak)
        odd = [*self._backend.notes, *([] if found is None else [found])]
        return [*_notes(self.channels, self.rate_hz, self._channel), *odd]

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
            self._peak = max(self._peak, float(np.abs(block).max()))
            if resampled_count(count, self.rate_hz, SAMPLE_RATE_HZ) > MAX_DURATION_S * SAMPLE_RATE_HZ:
                raise AudioInvalid(f"{self._what}: longer than the {MAX_DURATION_S} s that a file can hold; split it")
            yield block
        if count == 0:
            raise AudioEmpty(f"{self._what}: holds no samples, expected at least one; check what wrote it")

    def mono_blocks(self) -> Iterator[NDArray[np.float32]]:
        """Reads the recording as `blocks` does, with its channels brought to one by `Mixer`.

        Yields:
            Samples [T], full scale at 1; they wait up to ten seconds until it is known how to mix.

        Raises:
            SirenError: As `blocks` does.
        """
        mixer = Mixer(self.rate_hz)
        for block in self.blocks():
            if len(mixed := mixer.push(block)):
                self._channel = mixer.channel
                yield mixed
        rest = mixer.finish()
        self._channel = mixer.channel
        if len(rest):
            yield rest

    def mono(self) -> NDArray[np.float32]:
        """All samples [T] of `mono_blocks`; raises what that raises."""
        return np.concatenate(list(self.mono_blocks()))

    def whole(self) -> NDArray[np.float32]:
        """All samples [T, C]; raises what `blocks` raises."""
        return np.concatenate(list(self.blocks()))

    def _read(self) -> NDArray[np.float32]:
        try:
            return self._backend.read()
        except OSError as error:
            raise AudioUnreadable(f"{self._what}: cannot be read ({reason_of(error)}); copy it elsewhere") from error


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


def _notes(channels: int, rate_hz: int, channel: int | None) -> list[str]:
    notes = []
    if channel is not None:
        notes.append(f"{channels} channels cancel each other out; channel {channel + 1}, the loudest, is used alone")
    elif channels > 1:
        notes.append(f"{channels} channels are mixed down to one")
    if rate_hz != SAMPLE_RATE_HZ:
        notes.append(f"resampled from {rate_hz} Hz to {SAMPLE_RATE_HZ} Hz")
    return notes
