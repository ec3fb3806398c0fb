"""Speaker verification and its equal error rates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from siren_cli.corpus.statistics import Estimate

RESAMPLINGS = 500
_SEED = 95
_FOLDS = 4
_RIDGES = (1.0, 10.0, 100.0, 1_000.0)
"""Ridge penalties from which the attacker takes the best, with oracle knowledge."""

Scores = list[tuple[float, list[float]]]
"""Target score and non-target scores of each clip under test."""


def equal_error_rate(same: Sequence[float], other: Sequence[float]) -> float:
    """Equal error rate: false rejections and false acceptances at the threshold where both are equal.

    Args:
        same: Target scores.
        other: Non-target scores.

    Returns:
        Mean of both rates where they are closest: 0 for separable scores, 0.5 for uninformative ones.
    """
    thresholds = np.unique(np.concatenate([same, other]))
    # A score is accepted if it is at least the threshold. A last threshold above all scores rejects everybody.
    turned_away = np.append(np.searchsorted(np.sort(same), thresholds, side="left"), len(same)) / len(same)
    let_in = 1.0 - np.append(np.searchsorted(np.sort(other), thresholds, side="left"), len(other)) / len(other)
    at = int(np.argmin(np.abs(turned_away - let_in)))
    return float((turned_away[at] + let_in[at]) / 2)


def estimate_eer(scores: Scores) -> Estimate:
    """Equal error rate with its 95 % interval: percentile bootstrap over the clips under test, fixed seed.

    Args:
        scores: Scores of every clip under test.

    Returns:
        The estimate.
    """
    drawn = np.random.default_rng(_SEED).integers(len(scores), size=(RESAMPLINGS, len(scores)))
    rates = [_rate([scores[number] for number in numbers]) for numbers in drawn]
    low, high = np.percentile(rates, (2.5, 97.5))
    return Estimate(_rate(scores), float(low), float(high), len(scores))


def centroid_scores(
    tested: Sequence[NDArray[np.float64]], enrolled: Sequence[NDArray[np.float64]], speakers: Sequence[str]
) -> Scores:
    """Cosine scores against the mean embedding of every speaker's other clips.

    Args:
        tested: Speaker embedding of each clip under test, a unit vector.
        enrolled: Speaker embedding of each clip that the attacker has, in the same order.
        speakers: Speaker of each clip.

    Returns:
        Scores of every clip whose speaker has another clip.
    """
    everyone = sorted(set(speakers))
    scores: Scores = []
    for number, voice in enumerate(tested):
        found = {}
        for speaker in everyone:
            own = [e for i, e in enumerate(enrolled) if speakers[i] == speaker and i != number]
            if own:
                mean = np.mean(own, axis=0)
                found[speaker] = float(voice @ mean / np.linalg.norm(mean))
        if speakers[number] in found and len(found) > 1:
            scores.append((found.pop(speakers[number]), list(found.values())))
    return scores


def classifier_scores(features: NDArray[np.float64], speakers: Sequence[str]) -> Scores:
    """Cross-validated scores of a linear classifier, trained on the other folds of all speakers' clips.

    The classifier is one-against-all ridge regression on standardised features, with four folds. The ridge penalty is
    the best one for the attacker, which a real attacker could not know.

    Args:
        features: Features [clips, features].
        speakers: Speaker of each clip.

    Returns:
        Scores of every clip.
    """
    everyone = sorted(set(speakers))
    labels = np.array([everyone.index(speaker) for speaker in speakers])
    turn = np.zeros(len(labels), np.int64)
    for label in range(len(everyone)):
        own = np.flatnonzero(labels == label)
        turn[own] = np.arange(len(own)) % min(_FOLDS, len(own))
    attacks = []
    for ridge in _RIDGES:
        found: Scores = []
        for fold in range(_FOLDS):
            test = turn == fold
            if test.any() and not test.all():
                predicted = _ridge(features[~test], labels[~test], features[test], len(everyone), ridge)
                found += [
                    (float(row[label]), [float(x) for k, x in enumerate(row) if k != label])
                    for row, label in zip(predicted, labels[test], strict=True)
                ]
        attacks.append(found)
    return min(attacks, key=_rate)


def _ridge(
    seen: NDArray[np.float64], labels: NDArray[np.int64], unseen: NDArray[np.float64], count: int, ridge: float
) -> NDArray[np.float64]:
    """Scores [unseen clips, speakers] of a ridge regression in its dual form (more features than clips)."""
    mean, deviation = seen.mean(0), seen.std(0) + 1e-4
    x, y = (seen - mean) / deviation, (unseen - mean) / deviation
    wanted = np.where(labels[:, None] == np.arange(count), 1.0, -1.0)
    offset = wanted.mean(0)
    weights = np.linalg.solve(x @ x.T / x.shape[1] + ridge / len(x) * np.eye(len(x)), wanted - offset)
    scores: NDArray[np.float64] = y @ x.T / x.shape[1] @ weights + offset
    return scores


def _rate(scores: Scores) -> float:
    return equal_error_rate([same for same, _ in scores], [other for _, others in scores for other in others])
