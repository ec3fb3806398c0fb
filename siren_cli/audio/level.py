"""Speech level: measured once per recording, so that the model hears every voice equally loud."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from siren_cli.config import SAMPLE_RATE_HZ

NOMINAL_LEVEL_DB = -26.0
"""Level at which the model hears and produces speech, in dB relative to full scale (ITU-T P.56 practice)."""

SILENCE_LEVEL_DB = -100.0
"""Below this a recording counts as digital silence and is not amplified."""

_BLOCK_SAMPLES = SAMPLE_RATE_HZ // 50
_GATE_DB = 30.0

# Blocks are counted in steps of 0.01 dB from -200 to 200 dB.
_STEPS_PER_DB = 100
_LOWEST_DB = -200.0
_STEPS = 400 * _STEPS_PER_DB
_SILENT_STEPS = 40 * _STEPS_PER_DB


class LevelMeter:
    """Measures the level of a recording that arrives piece by piece, in memory that does not grow.

    Blocks of 20 ms more than 30 dB below the 95th-percentile block are taken for pauses and left out (a simple form of
    the gating in ITU-T P.56). Blocks more than 40 dB below the loudest do not count in that percentile, so that silence
    of any length around speech changes nothing. Blocks are held as a histogram of their power; how the recording is
    cut into pieces makes no difference, not even in the last bit.
    """

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)
        self._counts = np.zeros(_STEPS, np.int64)
        self._powers = np.zeros(_STEPS)

    def add(self, wav: npt.NDArray[np.float32]) -> None:
        """Takes the next samples.

        Args:
            wav: Samples [T] at 16 kHz.
        """
        wav = np.concatenate([self._rest, wav])
        whole = len(wav) // _BLOCK_SAMPLES * _BLOCK_SAMPLES
        self._rest = wav[whole:].copy()
        power = np.mean(np.square(wav[:whole].reshape(-1, _BLOCK_SAMPLES), dtype=np.float64), axis=1)
        level_db = 10.0 * np.log10(np.maximum(power, 1e-30))
        steps = np.clip((level_db - _LOWEST_DB) * _STEPS_PER_DB, 0, _STEPS - 1).astype(np.int64)
        np.add.at(self._counts, steps, 1)
        np.add.at(self._powers, steps, power)

    @property
    def level_db(self) -> float:
        """Root-mean-square level of the active part so far, dB relative to full scale; at least `SILENCE_LEVEL_DB`."""
        count = int(self._counts.sum())
        if count:
            gate = self._percentile_95(count) * 10.0 ** (-_GATE_DB / 10.0)
            active = slice(int(np.searchsorted(_STEP_POWERS, gate)), None)
            mean_power = float(self._powers[active].sum()) / max(1, int(self._counts[active].sum()))
        else:
            mean_power = float(np.mean(np.square(self._rest, dtype=np.float64))) if len(self._rest) else 0.0
        return max(SILENCE_LEVEL_DB, 10.0 * float(np.log10(max(mean_power, 1e-30))))

    def _percentile_95(self, count: int) -> float:
        """Power of the 95th-percentile block, linear between the two nearest ones."""
        loudest = int(np.flatnonzero(self._counts)[-1])
        silent = int(self._counts[: max(0, loudest - _SILENT_STEPS)].sum())
        place = silent + 0.95 * (count - silent - 1)
        ranks = np.array([int(place), min(int(place) + 1, count - 1)])
        steps = np.searchsorted(np.cumsum(self._counts), ranks, side="right")
        lower, upper = self._powers[steps] / self._counts[steps]
        return float(lower + (place - int(place)) * (upper - lower))


_STEP_POWERS = 10.0 ** ((_LOWEST_DB + (np.arange(_STEPS) + 1) / _STEPS_PER_DB) / 10.0)
"""Upper end of each step of the histogram, as power."""


def speech_level_db(wav: npt.NDArray[np.float32]) -> float:
    """Root-mean-square level of the active part of a recording, as `LevelMeter` measures it.

    Args:
        wav: Samples [T] at 16 kHz.

    Returns:
        Level in dB relative to full scale; never below `SILENCE_LEVEL_DB`.
    """
    meter = LevelMeter()
    meter.add(wav)
    return meter.level_db


def gain_to(target_db: float, level_db: float) -> float:
    """Linear gain that takes a recording from `level_db` to `target_db`; 1 for digital silence."""
    if level_db <= SILENCE_LEVEL_DB:
        return 1.0
    return float(10.0 ** ((target_db - level_db) / 20.0))
