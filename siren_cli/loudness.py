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


def speech_level_db(wav: npt.NDArray[np.float32]) -> float:
    """Root-mean-square level of the active part of a recording.

    Blocks of 20 ms more than 30 dB below the 95th-percentile block are taken for pauses and left out (a
    simple form of the gating in ITU-T P.56).

    Args:
        wav: Samples [T] at 16 kHz.

    Returns:
        Level in dB relative to full scale; never below `SILENCE_LEVEL_DB`.
    """
    whole = len(wav) // _BLOCK_SAMPLES * _BLOCK_SAMPLES
    blocks = wav[:whole].reshape(-1, _BLOCK_SAMPLES) if whole else wav.reshape(1, -1)
    power = np.mean(np.square(blocks, dtype=np.float64), axis=1)
    gate = np.percentile(power, 95) * 10.0 ** (-_GATE_DB / 10.0)
    active = power[power >= gate]
    mean_power = float(active.mean())
    return max(SILENCE_LEVEL_DB, 10.0 * float(np.log10(max(mean_power, 1e-30))))


def gain_to(target_db: float, level_db: float) -> float:
    """Linear gain that takes a recording from `level_db` to `target_db`; 1 for digital silence."""
    if level_db <= SILENCE_LEVEL_DB:
        return 1.0
    return float(10.0 ** ((target_db - level_db) / 20.0))
