"""Fits the integer tables to the indices of training speech, by counting with back-off."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_format.limits import LEVELS, MAX_STAGES
from siren_format.packing import RADICES
from siren_format.tables import TOTAL, Tables, context_rows

# Pseudo-counts and mixing weights that the fit chooses from, by leave-one-out likelihood.
_STRENGTHS = tuple(2.0**k for k in range(-1, 13))
_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)

_Floats = NDArray[np.float64]


def fit_tables(recordings: Sequence[NDArray[np.integer[Any]]]) -> Tables:
    """Fit the tables of both stages.

    Every context (predecessor, earlier digits) is a Dirichlet posterior mean whose prior is a mixture of the
    two contexts that know one thing less: the nearest earlier digit, or the predecessor (hierarchical
    Dirichlet smoothing, MacKay and Bauman Peto 1995). Pseudo-counts and mixing weights are those under which
    every symbol is best predicted from all others.

    Args:
        recordings: Indices [F, 2] of one recording each, 0..999; the first frame has no predecessor.

    Returns:
        The tables; without recordings, all values are equally likely.

    Raises:
        ValueError: A recording is not of two stages.
    """
    if any(indices.ndim != 2 or indices.shape[1] != MAX_STAGES for indices in recordings):
        raise ValueError("a recording for the tables is not [F, 2]; encode it with both stages")
    return Tables(
        tuple(
            tuple(integer_rows(_fit_digit(_count(recordings, stage, digit))) for digit in range(len(LEVELS)))
            for stage in range(MAX_STAGES)
        )
    )


def _count(recordings: Sequence[NDArray[np.integer[Any]]], stage: int, digit: int) -> _Floats:
    """Count a digit [previous, earlier, value] over all recordings."""
    level_count = LEVELS[digit]
    shape = (level_count + 1, RADICES[digit], level_count)
    counts = np.zeros(shape[0] * shape[1] * shape[2])
    for indices in recordings:
        digits, rows = context_rows(indices)
        cells = rows[:, stage, digit] * level_count + digits[:, stage, digit]
        counts += np.bincount(cells, minlength=counts.size)
    return counts.reshape(shape)


def _fit_digit(counts: _Floats) -> _Floats:
    """Smooth counts [previous, earlier, value] into probabilities of the same shape."""
    _, earlier_count, level_count = counts.shape
    without_previous: _Floats = np.full((1, 1, level_count), 1.0 / level_count)
    with_previous = without_previous
    for radix in RADICES[: RADICES.index(earlier_count) + 1]:
        # An index counts digit 0 fastest, so forgetting the nearest earlier digits sums over the slow axis.
        local = counts.reshape(counts.shape[0], earlier_count // radix, radix, level_count).sum(axis=1)
        repeats = (1, radix // without_previous.shape[1], 1)
        shorter = np.tile(with_previous, repeats)
        without_previous = _smooth(local.sum(axis=0, keepdims=True), [np.tile(without_previous, repeats)])
        parents = [
            np.broadcast_to(weight * shorter + (1.0 - weight) * without_previous, local.shape) for weight in _WEIGHTS
        ]
        with_previous = _smooth(local, parents)
    return with_previous


def _smooth(counts: _Floats, parents: Sequence[_Floats]) -> _Floats:
    """Mix counts with the parent and strength under which each symbol is best predicted from the others."""
    totals = counts.sum(axis=-1, keepdims=True)
    seen = counts > 0
    contexts = np.broadcast_to(totals, counts.shape)[seen]

    def likelihood(parent: _Floats, strength: float) -> float:
        left_out = (counts[seen] - 1.0 + strength * parent[seen]) / (contexts - 1.0 + strength)
        return float((counts[seen] * np.log(left_out)).sum())

    parent, strength = max(product(parents, _STRENGTHS), key=lambda pair: likelihood(*pair))
    smoothed: _Floats = (counts + strength * parent) / (totals + strength)
    return smoothed


def integer_rows(probabilities: _Floats) -> NDArray[np.uint16]:
    """Round rows to integers of at least 1 that sum to 65536: largest remainder, ties to the lower value.

    Args:
        probabilities: Rows [.., L] of numbers of 0 or more, not all of them 0.

    Returns:
        Frequencies [.., L].
    """
    level_count = probabilities.shape[-1]
    shares = probabilities / probabilities.sum(axis=-1, keepdims=True) * (TOTAL - level_count)
    whole = np.floor(shares).astype(np.int64)
    missing = TOTAL - level_count - whole.sum(axis=-1, keepdims=True)
    order = np.argsort(whole - shares, axis=-1, kind="stable")
    rank = np.argsort(order, axis=-1, kind="stable")
    rows: NDArray[np.uint16] = (1 + whole + (rank < missing)).astype(np.uint16)
    return rows
