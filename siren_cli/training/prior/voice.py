"""Voice frequencies of the neural prior: level and digits of the voice, fitted to recordings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siren_format.limits import FREQUENCY_TOTAL
from siren_format.prior import NeuralPrior
from siren_format.voice import COARSE_LEVEL_DB, VOICE_DIGIT_LEVELS, VOICE_DIGITS, coarse_level_db, voice_to_bytes

_PSEUDO_COUNT = 1.0
_UNIFORM_SHARE = 0.02
"""Uniform share of every row; it limits the bits of a voice unlike the training data."""

_START_COUNT = 16.0
"""Pseudo-count, in voices, of a row of the prior of `--from`."""

_USUAL_LEVEL_DB = -26.0
_LEVEL_SPREAD_DB = 12.0


@dataclass(frozen=True, eq=False)
class VoiceRows:
    """Arrays of `NeuralPrior`: `voice_level` [256], `voice_parents` [28], `voice_digits` [28, 4, 4]."""

    level: NDArray[np.uint16]
    parents: NDArray[np.int16]
    digits: NDArray[np.uint16]


def fit_voice(voices: NDArray[np.integer], start: NeuralPrior | None = None) -> VoiceRows:
    """Fit a dependency tree: each digit depends on the most informative earlier one (after Chow and Liu 1968).

    Args:
        voices: Digits [N, 28] of recordings; without any, all values are equally likely.
        start: Prior of `--from`: its tree stays, and its frequencies count as a few voices. So a handful of recordings
            does not raise the bits of every other voice.

    Returns:
        The arrays.
    """
    if start is not None:
        return _updated(voices, start)
    parents = np.full(VOICE_DIGITS, -1, np.int16)
    rows = np.empty((VOICE_DIGITS, VOICE_DIGIT_LEVELS, VOICE_DIGIT_LEVELS))
    for digit in range(VOICE_DIGITS):
        alone = np.zeros(len(voices), np.int64)
        candidates = [(-1, alone), *((j, voices[:, j].astype(np.int64)) for j in range(digit))]
        costs = []
        for parent, known in candidates:
            counts = np.zeros((VOICE_DIGIT_LEVELS, VOICE_DIGIT_LEVELS))
            np.add.at(counts, (known, voices[:, digit]), 1.0)
            smoothed = _smoothed(counts)
            bits = -float((counts * np.log2(smoothed)).sum())
            # Description length of a table of four rows (Rissanen 1978).
            penalty_bits = 0.0 if parent < 0 else 4.5 * np.log2(max(len(voices), 2))
            costs.append((bits + penalty_bits, parent, smoothed if parent >= 0 else smoothed[:1]))
        _, parents[digit], best = min(costs, key=lambda cost: cost[0])
        rows[digit] = best
    return VoiceRows(_level_row(), parents, integer_rows(rows))


def _updated(voices: NDArray[np.integer], start: NeuralPrior) -> VoiceRows:
    """Update the frequencies of a prior with further voices; its tree stays."""
    rows = start.voice_digits / start.voice_digits.sum(-1, keepdims=True)
    for digit, parent in enumerate(start.voice_parents):
        counts = _START_COUNT * rows[digit]
        known = np.zeros(len(voices), np.int64) if parent < 0 else voices[:, parent].astype(np.int64)
        np.add.at(counts, (known, voices[:, digit]), 1.0)
        rows[digit] = _smoothed(counts if parent >= 0 else counts[:1], 0.0)
    return VoiceRows(start.voice_level, start.voice_parents, integer_rows(rows))


def _smoothed(counts: NDArray[np.float64], pseudo_count: float = _PSEUDO_COUNT) -> NDArray[np.float64]:
    counts = counts + pseudo_count
    shares = counts / counts.sum(axis=-1, keepdims=True)
    smoothed: NDArray[np.float64] = (1.0 - _UNIFORM_SHARE) * shares + _UNIFORM_SHARE / VOICE_DIGIT_LEVELS
    return smoothed


def _level_row() -> NDArray[np.uint16]:
    """Frequencies of levels, centred on those of recorded speech; levels that no encoder writes are rare."""
    weights = np.zeros(256)
    for level_db in np.arange(0.0, -128.0, -COARSE_LEVEL_DB):
        if coarse_level_db(level_db) == level_db:
            distance = (level_db - _USUAL_LEVEL_DB) / _LEVEL_SPREAD_DB
            weights[voice_to_bytes(level_db, [0] * VOICE_DIGITS)[0]] = 0.05 + np.exp(-0.5 * distance**2)
    return integer_rows(weights)


def integer_rows(probabilities: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Round rows to integers of at least 1 that sum to 65536: largest remainder, ties to the lower value.

    Args:
        probabilities: Rows [.., L] of numbers of 0 or more, not all of them 0.

    Returns:
        Frequencies [.., L].
    """
    level_count = probabilities.shape[-1]
    shares = probabilities / probabilities.sum(axis=-1, keepdims=True) * (FREQUENCY_TOTAL - level_count)
    whole = np.floor(shares).astype(np.int64)
    missing = FREQUENCY_TOTAL - level_count - whole.sum(axis=-1, keepdims=True)
    order = np.argsort(whole - shares, axis=-1, kind="stable")
    rank = np.argsort(order, axis=-1, kind="stable")
    rows: NDArray[np.uint16] = (1 + whole + (rank < missing)).astype(np.uint16)
    return rows
