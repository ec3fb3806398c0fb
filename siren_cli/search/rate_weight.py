"""The weight of bits in the search for indices."""

from __future__ import annotations

from siren_cli.errors import UsageError
from siren_format.prior import NeuralPrior

MAX_WEIGHT = 1.0


def known_prior(prior: NeuralPrior | None, weight: float) -> NeuralPrior:
    """Require a prior and a weight within its range.

    Args:
        prior: The model's prior, which gives the bits of indices; None if it has none.
        weight: Weight of the rate.

    Returns:
        The prior.

    Raises:
        UsageError: If the weight is not above 0 and at most 1, or there is no prior.
    """
    if not 0.0 < weight <= MAX_WEIGHT:
        raise UsageError(f"weight {weight:g} of the rate is out of range, expected 0 to {MAX_WEIGHT:g}; correct it")
    if prior is None:
        raise UsageError("the model has no neural prior, which says what indices cost; leave the rate alone")
    return prior
