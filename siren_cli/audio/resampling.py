"""Samples of any shape and rate to mono at 16 kHz, and to any other rate; whole or block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import soxr
from numpy.typing import ArrayLike, NDArray

from siren_cli.audio.channels import Mixer
from siren_cli.audio.high_pass import HighPass
from siren_cli.audio.samples import to_samples
from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.errors import AudioEmpty, AudioInvalid

MAX_DURATION_S = 20_000 * 60
"""Longest recording of one file: 20,000 groups of 60 s."""

_BLOCK_SAMPLES = 2**20


def mono_16_khz(wav: ArrayLike, sample_rate_hz: int) -> NDArray[np.float32]:
    """A whole recording as the model takes it.

    Args:
        wav: Samples as `siren_cli.audio.samples.to_samples` takes them.
        sample_rate_hz: Their rate.

    Returns:
        Samples [T'] at 16 kHz, as `Intake` gives them.

    Raises:
        AudioEmpty: If there are no samples.
        AudioInvalid: If samples, their shape or their rate cannot be coded.
    """
    samples = to_samples(wav, sample_rate_hz)
    intake = Intake(sample_rate_hz)
    blocks = [intake.push(samples[start : start + _BLOCK_SAMPLES]) for start in range(0, len(samples), _BLOCK_SAMPLES)]
    return np.concatenate([*blocks, intake.finish()])


class Intake:
    """Brings blocks of a recording to one channel at 16 kHz, without offset and rumble.

    In this order: channels (`Mixer`), rate (`Resampler`), high-pass (`HighPass`).

    Args:
        sample_rate_hz: Rate of the blocks.

    Attributes:
        sample_count: Samples at 16 kHz so far, those included that are still to come.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._mixer = Mixer(sample_rate_hz)
        self._resampler = Resampler(sample_rate_hz, SAMPLE_RATE_HZ)
        self._high_pass = HighPass()
        self.sample_count = 0

    def push(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Takes a block.

        Args:
            block: Samples [T] or [T, C], full scale at 1.

        Returns:
            The samples [T'] at 16 kHz that are certain.

        Raises:
            AudioInvalid: If a sample is not finite, the shape is not [T] or [T, C], or they are too many for a file.
        """
        if block.ndim not in (1, 2) or block.ndim == 2 and block.shape[1] == 0:
            raise AudioInvalid(f"samples have shape {list(block.shape)}, expected [T] or [T, C]; give one recording")
        if not np.isfinite(block).all():
            raise AudioInvalid("a sample is not finite (NaN or infinity), expected numbers; check the recording")
        return self._filtered(self._resampler.push(self._mixer.push(block)))

    def finish(self) -> NDArray[np.float32]:
        """Ends the recording: the samples [T'] that were still to come.

        Raises:
            AudioEmpty: If there were no samples.
        """
        rest = np.concatenate([self._resampler.push(self._mixer.finish()), self._resampler.finish()])
        wav = np.concatenate([self._filtered(rest), self._high_pass.finish()])
        if self.sample_count == 0:
            raise AudioEmpty("there are no samples, expected at least one; check the recording")
        return wav

    def _filtered(self, wav: NDArray[np.float32]) -> NDArray[np.float32]:
        self.sample_count += len(wav)
        if self.sample_count > MAX_DURATION_S * SAMPLE_RATE_HZ:
            raise AudioInvalid(f"longer than the {MAX_DURATION_S} s that a file can hold; split the recording")
        return _require_no_overflow(self._high_pass.push(wav))


def resampled_count(sample_count: int, from_hz: int, to_hz: int) -> int:
    """Number of samples of the same duration at another rate.

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


def resampled(pieces: Iterable[NDArray[np.float32]], from_hz: int, to_hz: int) -> Iterator[NDArray[np.float32]]:
    """Brings a recording that arrives piece by piece to another rate, as `resample` does.

    Args:
        pieces: Samples [T].
        from_hz: Rate they have, Hz.
        to_hz: Rate they are to have, Hz.

    Yields:
        Samples [T] at the other rate.

    Raises:
        AudioInvalid: If the samples are so large that the filter overflows.
    """
    resampler = Resampler(from_hz, to_hz)
    for piece in pieces:
        yield resampler.push(piece)
    yield resampler.finish()
