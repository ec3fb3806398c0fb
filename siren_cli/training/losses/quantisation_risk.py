"""Expected quantisation risk of the latents."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from siren_cli.model.encoder import FRAME_STEPS
from siren_cli.model.quantizer import ResidualCodebooks
from siren_cli.phones import PHONES

_SOFTNESS = (0.1, 0.15)
"""Temperature of the soft assignment, for each stage; some 3 and 15 of 1000 codewords have a share."""

_PHONE_WEIGHT, _SPECTRUM_WEIGHT = 1.5, 0.5
"""Weights of the phone-error and spectrum/pitch-error terms."""

_SECOND_STAGE = 0.5
"""Weight of stage 2."""


def quantisation_risk(
    quantizer: ResidualCodebooks,
    latents: Tensor,
    targets: Tensor,
    labels: Tensor,
    phone_basis: Tensor,
    phone_mean: Tensor,
) -> Tensor:
    """Compute the expected cost of the codewords that latents are quantised to.

    Regression to targets makes an uncertain encoder predict their mean, and the codeword nearest to it fits no phone.
    Here every codeword has a probability that falls with its distance, and a cost: its phone and spectrum errors
    (minimum risk training, Shen et al. 2016).

    Args:
        quantizer: Fitted codebooks.
        latents: [B, F6, K].
        targets: Latent targets [B, F6, K].
        labels: Phones [B, F50]; below 1 is left out.
        phone_basis: Basis of the square roots of the posteriors in the first S latents [S, 8 · 40].
        phone_mean: Their mean [8 · 40].

    Returns:
        Mean over frames, summed over stages; stage 2 counts half.
    """
    steps = labels.unflatten(1, (-1, FRAME_STEPS)).flatten(0, 1)
    counts, phones = (steps > 0).float(), steps.clamp_min(0)
    numbers = len(phone_basis)
    residual, target = latents.float().flatten(0, 1), targets.float().flatten(0, 1)
    roots = phone_mean.expand(len(residual), -1)
    risk = latents.new_zeros((), dtype=torch.float32)
    for stage in range(len(quantizer.places)):
        distances = quantizer.distances(residual, stage)
        codewords, weights = quantizer.places[stage].float(), quantizer.weights[stage].float()[numbers:]
        with torch.no_grad():
            code_roots = (codewords[:, :numbers] @ phone_basis).unflatten(-1, (FRAME_STEPS, len(PHONES)))
            before = roots.unflatten(-1, (FRAME_STEPS, -1)).gather(-1, phones[..., None])[..., 0]
            added = torch.stack([code_roots[:, step, phones[:, step]].T for step in range(FRAME_STEPS)], dim=-1)
            posterior = (before[:, None] + added).clamp(0, 1).square()
            phone_error = ((1 - posterior) * counts[:, None]).mean(-1)
            spectrum_error = torch.cdist(target[:, numbers:] * weights, codewords[:, numbers:] * weights).square()
            cost = _PHONE_WEIGHT * phone_error + _SPECTRUM_WEIGHT * spectrum_error + quantizer.prices[stage].float()
        expected = (F.softmax(-distances / _SOFTNESS[stage], dim=-1) * cost).sum(-1).mean()
        risk = risk + (_SECOND_STAGE if stage else 1.0) * expected
        nearest = distances.argmin(-1)
        roots = roots + codewords[nearest, :numbers] @ phone_basis
        residual, target = residual - codewords[nearest], target - codewords[nearest]
    return risk
