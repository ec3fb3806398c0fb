"""Speech activity: the minute of a recording that the speaker's voice is measured in, and its pauses cut short."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from siren_cli.config import SAMPLE_RATE_HZ

MINUTE_SAMPLES = 60 * SAMPLE_RATE_HZ
"""Length of the stretches that are looked at, which is that of a group of a file."""

_BLOCK_SAMPLES = SAMPLE_RATE_HZ // 50
_ACTIVE_DB = 20.0
_STEADY_DB = 4.0
_ENOUGH_BLOCKS = 50
_KEPT_BLOCKS = 50


class VoiceMinute:
    """Finds the first minute in which somebody speaks for at least a second.

    Somebody speaks where blocks of 20 ms are within 20 dB of the level of speech, and levels differ as those of speech
    do: noise and hum are steady. If no minute qualifies, the one with most activity is taken.

    Attributes:
        samples: The best minute so far [T], pauses of more than two seconds cut short to two.
        level_db: The level it was looked at with, dB relative to full scale.
    """

    def __init__(self) -> None:
        self.samples = np.zeros(0, np.float32)
        self.level_db = 0.0
        self._score = -1

    def add(self, minute: NDArray[np.float32], level_db: float) -> bool:
        """Looks at the next minute.

        Args:
            minute: Samples [T] at 16 kHz, 60 s or the rest of the recording.
            level_db: Level of speech.

        Returns:
            Whether somebody speaks in it, so that no other needs to be looked at.
        """
        levels_db = _block_levels_db(minute)
        active = levels_db > level_db - _ACTIVE_DB
        low, high = np.percentile(levels_db, (10, 95))
        count = int(active.sum())
        is_speech = count >= _ENOUGH_BLOCKS and high - low >= _STEADY_DB
        score = count + len(levels_db) * is_speech
        if score > self._score:
            self._score = score
            self.samples, self.level_db = _short_pauses(minute, active), level_db
        return is_speech


def voice_minute(wav: NDArray[np.float32], level_db: float) -> NDArray[np.float32]:
    """The part of a recording that the voice is measured in, as `VoiceMinute` finds it.

    Args:
        wav: Samples [T] at 16 kHz.
        level_db: Level of speech, dB relative to full scale.

    Returns:
        Samples [T'], at most 60 s.
    """
    found = VoiceMinute()
    for start in range(0, max(1, len(wav)), MINUTE_SAMPLES):
        if found.add(wav[start : start + MINUTE_SAMPLES], level_db):
            break
    return found.samples


def _block_levels_db(wav: NDArray[np.float32]) -> NDArray[np.float64]:
    blocks = np.pad(wav, (0, -len(wav) % _BLOCK_SAMPLES)).reshape(-1, _BLOCK_SAMPLES)
    power = np.mean(np.square(blocks, dtype=np.float64), axis=1)
    levels: NDArray[np.float64] = 10.0 * np.log10(np.maximum(power, 1e-30))
    return levels


def _short_pauses(wav: NDArray[np.float32], active: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Leaves out what lies more than a second from any activity; all is kept where there is none."""
    if not active.any():
        return wav
    counts = np.convolve(active, np.ones(2 * _KEPT_BLOCKS + 1), "same")
    kept: NDArray[np.float32] = wav[np.repeat(counts > 0.5, _BLOCK_SAMPLES)[: len(wav)]]
    return kept
