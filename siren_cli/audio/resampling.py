"""Samples of any shape and rate, at once or block by block, to mono at 16 kHz."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from siren_cli.audio import MAX_DURATION_S, Resampler, mix_down, resample
from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.errors import AudioEmpty, AudioInvalid


def mono_16_khz(wav: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.float32]:
    """A whole recording as the model takes it.

    Args:
        wav: Samples [T] or [T, C].
        sample_rate_hz: Their rate.

    Returns:
        Samples [T'] at 16 kHz, channels mixed down.

    Raises:
        AudioEmpty: If there are no samples.
        AudioInvalid: If a sample is not finite or the shape is neither [T] nor [T, C].
    """
    if wav.ndim not in (1, 2):
        raise AudioInvalid(
            f"samples have shape {list(wav.shape)}, expected [T] or [T, C]; give one recording at a time"
        )
    if wav.size == 0:
        raise AudioEmpty("there are no samples, expected at least one; check the recording")
    if not np.isfinite(wav).all():
        raise AudioInvalid("a sample is not finite (NaN or infinity), expected numbers; check the recording")
    return resample(mix_down(wav), sample_rate_hz, SAMPLE_RATE_HZ)


class Intake:
    """Brings blocks of a recording to one channel at 16 kHz.

    Args:
        sample_rate_hz: Rate of the blocks.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._resampler = Resampler(sample_rate_hz, SAMPLE_RATE_HZ)
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
        if block.ndim not in (1, 2):
            raise AudioInvalid(f"samples have shape {list(block.shape)}, expected [T] or [T, C]; give one recording")
        if not np.isfinite(block).all():
            raise AudioInvalid("a sample is not finite (NaN or infinity), expected numbers; check the recording")
        return self._count(self._resampler.push(mix_down(block)))

    def finish(self) -> NDArray[np.float32]:
        """Ends the recording: the samples [T'] that were still to come.

        Raises:
            AudioEmpty: If there were no samples.
        """
        wav = self._count(self._resampler.finish())
        if self.sample_count == 0:
            raise AudioEmpty("there are no samples, expected at least one; check the recording")
        return wav

    def _count(self, wav: NDArray[np.float32]) -> NDArray[np.float32]:
        self.sample_count += len(wav)
        if self.sample_count > MAX_DURATION_S * SAMPLE_RATE_HZ:
            raise AudioInvalid(f"longer than the {MAX_DURATION_S} s that a file can hold; split the recording")
        return wav
