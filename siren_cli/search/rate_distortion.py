"""Rate–distortion optimised quantisation (RDOQ): indices that cost fewer bits where they say almost the same.

Rounding takes the nearest point of the lattice, whatever it costs. Here the digit that minimises

    (distance to the nearest point that has it, in steps)² + weight · bits,

the Lagrangian of rate and distortion (Shoham & Gersho 1988), is taken, in the order in which the neural prior codes
them: frame by frame, digit by digit, the second stage from what the first really left over. Format and decoder are the
same. A search (`siren_cli.search.analysis_by_synthesis`) weighs bits itself.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siren_cli.config import FSQ_LEVELS
from siren_cli.errors import UsageError
from siren_cli.model.siren import Quantizer
from siren_format.limits import FREQUENCY_TOTAL
from siren_format.packing import digits_to_indices
from siren_format.prior import NeuralPrior
from siren_format.prior_rows import PriorWalk

MAX_WEIGHT = 1.0

FARTHER = 8.0
"""Squared steps by which a point may be farther than the nearest. Without a bound, cheap indices make the next ones
cheaper still, until a recording says nothing.
"""


def known_prior(prior: NeuralPrior | None, weight: float) -> NeuralPrior:
    """The prior, if it is there and bits can have such a weight.

    Raises:
        UsageError: If the weight is not above 0 and at most 1, or there is no prior.
    """
    if not 0.0 < weight <= MAX_WEIGHT:
        raise UsageError(f"weight {weight:g} of the rate is out of range, expected 0 to {MAX_WEIGHT:g}; correct it")
    if prior is None:
        raise UsageError("the model has no neural prior, which says what indices cost; leave the rate alone")
    return prior


class RateDistortion:
    """Chooses indices by rate and distortion.

    Args:
        quantizer: The model's quantiser.
        prior: The model's prior, which says what a digit costs; None if it has none.
        weight: What a bit is worth in squared steps of a level, above 0 and at most 1.

    Raises:
        UsageError: If the weight is out of range or there is no prior.
    """

    def __init__(self, quantizer: Quantizer, prior: NeuralPrior | None, weight: float) -> None:
        self._quantizer = quantizer
        self._prior = known_prior(prior, weight)
        self._weight = weight

    @torch.inference_mode()
    def indices(self, latents: Tensor, stages: int) -> NDArray[np.int16]:
        """Chooses the indices of one group, whose prior starts anew.

        Args:
            latents: Latents [F, D] of the factorizer.
            stages: 1 or 2.

        Returns:
            Indices [F, stages], 0..999.
        """
        quantizer = self._quantizer
        walk = PriorWalk(self._prior, len(latents), stages)
        digits = np.empty((len(latents), stages, len(FSQ_LEVELS)), np.int64)
        for frame, left in enumerate(quantizer.first_left(latents)):
            for stage in range(stages):
                digits[frame, stage] = self._choose(walk, quantizer.digit_distances(left, stage))
                index = int(digits_to_indices(digits[frame, stage]))
                left = left - quantizer.said(torch.tensor(index, device=left.device), stage)
        return digits_to_indices(digits)

    def _choose(self, walk: PriorWalk, distances: NDArray[np.float64]) -> list[int]:
        """The 4 digits of a stage, one after the other, since each changes what the next costs."""
        chosen = []
        farthest = distances.min() + FARTHER
        for levels in FSQ_LEVELS:
            nearest = distances.reshape(levels, -1).min(axis=1)
            bits = -np.log2(np.array(walk.row()) / FREQUENCY_TOTAL)
            chosen.append(int(np.argmin(np.where(nearest <= farthest, nearest + self._weight * bits, np.inf))))
            walk.take(chosen[-1])
            distances = distances[chosen[-1]]
        return chosen
