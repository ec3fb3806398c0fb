"""Fits the frequencies of the voice's level and digits, which the neural prior carries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siren_format.limits import FREQUENCY_TOTAL
from siren_format.prior import NeuralPrior
from siren_format.voice import COARSE_LEVEL_DB, VOICE_DIGIT_LEVELS, VOICE_DIGITS, coarse_level_db, voice_to_bytes

_PSEUDO_COUNT = 1.0
_UNIFORM_SHARE = 0.02
"""Share of every row spread evenly: a voice unlike all of training must not cost much more than its raw bits."""

_START_COUNT = 16.0
"""How many voices a row of the prior that is gone on from counts for."""

_USUAL_LEVEL_DB = -26.0
_LEVEL_SPREAD_DB = 12.0


@dataclass(frozen=True, eq=False)
class VoiceRows:
    """Arrays of `NeuralPrior`: `voice_level` [256], `voice_parents` [28], `voice_digits` [28, 4, 4]."""

    level: NDArray[np.uint16]
    parents: NDArray[np.int16]
    digits: NDArray[np.uint16]


def fit_voice(voices: NDArray[np.integer], start: NeuralPrior | None = None) -> VoiceRows:
    """Fits a chain of dependences: each digit on the earlier one that tells most about it (after Chow and Liu 1968).

    Args:
        voices: Digits [N, 28] of recordings; with none of them, all values are equally likely.
        start: Prior that is gone on from: its chain stays, and its frequencies count as much as a few voices, so that
            a handful of recordings does not make every other voice dear.

    Returns:
        The arrays.
    """
    if start is not None:
        return _gone_on(voices, start)
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
            # A table of four rows has to earn what it takes to say them (Rissanen 1978).
            penalty_bits = 0.0 if parent < 0 else 4.5 * np.log2(max(len(voices), 2))
            costs.append((bits + penalty_bits, parent, smoothed if parent >= 0 else smoothed[:1]))
        _, parents[digit], best = min(costs, key=lambda cost: cost[0])
        rows[digit] = best
    return VoiceRows(_level_row(), parents, integer_rows(rows))


def _gone_on(voices: NDArray[np.integer], start: NeuralPrior) -> VoiceRows:
    """The chain of a prior with what further voices add to it."""
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
    """Levels that encoders write, around those of speech in recordings; the others are possible, and dear."""
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
