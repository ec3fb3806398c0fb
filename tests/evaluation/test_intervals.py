"""Bootstrap intervals: they cover what they should, and agree with SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap

from siren_cli.corpus.statistics import estimate


def test_intervals_cover_the_true_mean_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        sample = rng.gamma(4.0, 1.0, 40)
        found = estimate([(value, 1.0) for value in sample])
        assert found is not None
        covered += found.low <= 4.0 <= found.high
    assert 0.90 <= covered / 400 <= 0.98


def test_intervals_agree_with_scipys() -> None:
    sample = np.random.default_rng(2).normal(3.0, 1.0, 60)
    found = estimate([(value, 1.0) for value in sample])
    other = bootstrap((sample,), np.mean, n_resamples=4_000, method="percentile", rng=np.random.default_rng(3))
    assert found is not None
    assert found.low == pytest.approx(other.confidence_interval.low, abs=0.03)
    assert found.high == pytest.approx(other.confidence_interval.high, abs=0.03)


def test_a_ratio_is_pooled_not_averaged() -> None:
    found = estimate([(1, 10), (3, 4)])
    assert found is not None
    assert (found.value, found.count) == (4 / 14, 2)
    assert 0.1 <= found.low <= found.value <= found.high <= 0.75


def test_one_clip_has_an_interval_of_no_width() -> None:
    found = estimate([(2.5, 1.0)])
    assert found is not None
    assert (found.low, found.high) == (2.5, 2.5)


@pytest.mark.parametrize("pairs", [[], [(3.0, 0.0)]])
def test_nothing_has_no_estimate(pairs: list[tuple[float, float]]) -> None:
    assert estimate(pairs) is None
