"""What comes of latents once they are quantised: the expected cost of the places that they may be taken for."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from siren_cli.model.encoder import FRAME_STEPS
from siren_cli.model.quantizer import ResidualCodebooks
from siren_cli.phones import PHONES

_SOFTNESS = (0.1, 0.15)
"""Distance by which a place of the first and of the second stage is e times less likely than another: some 3 and 15 of
1000 have a share."""

_MISSED, _FAR = 1.5, 0.5
"""What all phones of a frame missed count, and the distance in what latents say of spectra and melody."""

_SECOND_STAGE = 0.5


def quantisation_risk(
    quantizer: ResidualCodebooks, latents: Tensor, wanted: Tensor, labels: Tensor, said: Tensor, said_mean: Tensor
) -> Tensor:
    """Expected cost of where latents are quantised to.

    The distance to what latents are to be asks of a branch in doubt to say something in between, and the place nearest
    to that says a little of everything. Here each place is taken with a probability that falls with its distance, and
    costs what it says amiss (minimum risk training, Shen et al. 2016).

    Args:
        quantizer: Its places.
        latents: [B, F6, K].
        wanted: What they are to be.
        labels: Phones [B, F50], below 1 where there is none to be missed.
        said: Basis of the posteriors in the first of the latents [S, 8 · 40].
        said_mean: What it was subtracted from [8 · 40].

    Returns:
        The mean over frames, that of the second stage counting half.
    """
    steps = labels.unflatten(1, (-1, FRAME_STEPS)).flatten(0, 1)
    counts, phones = (steps > 0).float(), steps.clamp_min(0)
    numbers = len(said)
    left, aim = latents.float().flatten(0, 1), wanted.float().flatten(0, 1)
    roots = said_mean.expand(len(left), -1)
    risk = latents.new_zeros((), dtype=torch.float32)
    for stage in range(len(quantizer.places)):
        distances = quantizer.distances(left, stage)
        places, weights = quantizer.places[stage].float(), quantizer.weights[stage].float()[numbers:]
        with torch.no_grad():
            of_places = (places[:, :numbers] @ said).unflatten(-1, (FRAME_STEPS, len(PHONES)))
            before = roots.unflatten(-1, (FRAME_STEPS, -1)).gather(-1, phones[..., None])[..., 0]
            here = torch.stack([of_places[:, step, phones[:, step]].T for step in range(FRAME_STEPS)], dim=-1)
            right = (before[:, None] + here).clamp(0, 1).square()
            missed = ((1 - right) * counts[:, None]).mean(-1)
            far = torch.cdist(aim[:, numbers:] * weights, places[:, numbers:] * weights).square()
            cost = _MISSED * missed + _FAR * far + quantizer.prices[stage].float()
        expected = (F.softmax(-distances / _SOFTNESS[stage], dim=-1) * cost).sum(-1).mean()
        risk = risk + (_SECOND_STAGE if stage else 1.0) * expected
        taken = distances.argmin(-1)
        roots = roots + places[taken, :numbers] @ said
        left, aim = left - places[taken], aim - places[taken]
    return risk
