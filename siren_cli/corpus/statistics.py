"""Means and ratios over clips, with 95 % bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLINGS = 2_000
_SEED = 95


@dataclass(frozen=True)
class Estimate:
    """Estimate over clips: value, ends of its interval, and number of clips."""

    value: float
    low: float
    high: float
    count: int


def estimate(pairs: Sequence[tuple[float, float]]) -> Estimate | None:
    """Estimate a ratio of sums, such as wrong words over words; with denominators of 1 it is a mean.

    The interval is that of the percentile bootstrap over clips (Efron 1979), with a fixed seed.

    Args:
        pairs: Numerator and denominator of each clip.

    Returns:
        The estimate; None without clips, or if the sum of denominators is 0.
    """
    values = np.array(pairs, np.float64).reshape(-1, 2)
    total = values.sum(axis=0)
    if total[1] <= 0:
        return None
    drawn = np.random.default_rng(_SEED).integers(len(values), size=(RESAMPLINGS, len(values)))
    sums = values[drawn].sum(axis=1)
    ratios = sums[sums[:, 1] > 0]
    low, high = np.percentile(ratios[:, 0] / ratios[:, 1], (2.5, 97.5))
    return Estimate(float(total[0] / total[1]), float(low), float(high), len(values))
