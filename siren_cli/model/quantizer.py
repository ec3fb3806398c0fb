"""latents ⇄ indices: what is coded is the point of the FSQ lattice whose place among the latents is nearest.

Four numbers read off a latent are too few for what is said in 160 ms, however finely they are rounded (weights/log,
session 14). Here each of the 1000 points of a stage's FSQ lattice has a place in the whole space of latents,
and compressing, rounding and expanding (multidimensional companding, Gersho 1979) are one look-up: multi-stage vector
quantisation (Juang & Gray 1982) with FSQ's digits, format and prior.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from siren_cli.config import FSQ_LEVELS

POINTS = math.prod(FSQ_LEVELS)
"""Of a stage's lattice."""


class ResidualCodebooks(nn.Module):
    """Latents [B, F, K] ⇄ indices [B, F, Q]; quantised, they are D wide.

    A stage codes what the stages before left over of the latents. It takes the point that minimises

        Σ (weight · (latent - place))² + price,

    the price of a point being what its frequency costs (entropy-constrained vector quantisation, Chou, Lookabaugh &
    Gray 1989). Places, prices and weights are fitted (`siren_cli.training.phases.codebooks`), not trained.

    Args:
        numbers: K.
        width: D.
        stages: Q.
    """

    places: Tensor
    prices: Tensor
    weights: Tensor
    steps: Tensor
    radix: Tensor

    def __init__(self, numbers: int, width: int, stages: int) -> None:
        super().__init__()
        self.fsq = FiniteScalar(FSQ_LEVELS)
        self.register_buffer("places", torch.randn(stages, POINTS, numbers, device="cpu"))
        self.register_buffer("prices", torch.zeros(stages, POINTS))
        self.register_buffer("weights", torch.ones(stages, numbers))
        self.register_buffer("steps", torch.ones(stages))
        self.widen = nn.Linear(numbers, width)
        radix = [math.prod(FSQ_LEVELS[:i]) for i in range(len(FSQ_LEVELS))]
        self.register_buffer("radix", torch.tensor(radix, device="cpu"), persistent=False)

    def forward(self, latents: Tensor, stage_counts: Tensor) -> tuple[Tensor, Tensor]:
        """Quantises for training: as `ResidualFSQ.forward` does."""
        quantised, codes = self.latents_to_codes(latents, stage_counts)
        return quantised, self.fsq.codes_to_digits(codes)

    def latents_to_codes(self, latents: Tensor, stage_counts: Tensor, *, rounded: bool = True) -> tuple[Tensor, Tensor]:
        """Like `forward`, but with the codes [B, F, Q, 4], and perhaps not `rounded`.

        The quantised latents carry the gradient of the latents, straight through the choice; the codes carry none.
        """
        latents = latents.float()
        said = torch.zeros_like(latents)
        codes = []
        for stage in range(len(self.places)):
            points = self.nearest((latents - said).detach(), stage)
            codes.append(self.fsq.digits_to_codes(points[..., None] // self.radix % self.fsq.levels))
            said = said + self.said(points, stage) * (stage_counts > stage)[:, None, None]
        through = said + (latents - latents.detach()) if rounded else latents
        return self.widen(through).float(), torch.stack(codes, dim=2)

    @property
    def is_fitted(self) -> bool:
        """Whether places are of any latents at all; new ones are random."""
        return bool((self.weights != 1).any())

    def distances(self, left: Tensor, stage: int) -> Tensor:
        """How far the points of a stage [..., 1000] are from what is left to say [..., K], prices included.

        What is the same for all points is left out.
        """
        with torch.autocast(left.device.type, enabled=False):
            weights = self.weights[stage].float()
            places = self.places[stage].float() * weights
            priced: Tensor = places.square().sum(-1) + self.prices[stage].float()
            return priced - 2 * (left.float() * weights) @ places.T

    def first_left(self, latents: Tensor) -> Tensor:
        """What the first stage has to say of latents [..., K]: all of them."""
        return latents.float()

    def point_distances(self, left: Tensor, stage: int) -> Tensor:
        """Distances [..., 1000] of a stage's points from what is left to say [..., K], without prices, in steps."""
        own = (left.float() * self.weights[stage].float()).square().sum(-1, keepdim=True)
        distances: Tensor = (self.distances(left, stage) - self.prices[stage].float() + own) / self.steps[stage].float()
        return distances

    def nearest(self, left: Tensor, stage: int) -> Tensor:
        """Indices [...] of what a stage takes for what is left to say [..., K]."""
        return self.distances(left, stage).argmin(-1)

    def said(self, indices: Tensor, stage: int) -> Tensor:
        """What a stage's indices [...] say of the latents, [..., K]."""
        return self.places[stage].float()[indices]

    def latents_to_indices(self, latents: Tensor, stages: int) -> Tensor:
        """Latents [B, F, K] → indices [B, F, stages], integers 0..999."""
        left, found = self.first_left(latents), []
        for stage in range(stages):
            found.append(self.nearest(left, stage))
            left = left - self.said(found[-1], stage)
        return torch.stack(found, dim=-1)

    def indices_to_latents(self, indices: Tensor) -> Tensor:
        """Indices [B, F, Q] → quantised latents [B, F, D]; Q may be less than the number of stages."""
        said = [self.said(indices[..., stage], stage) for stage in range(indices.shape[-1])]
        quantised: Tensor = self.widen(torch.stack(said).sum(0))
        return quantised


class FiniteScalar(nn.Module):
    """Rounds every dimension to one of its levels, with the gradient passed straight through.

    For L levels, dimension i is bounded to (-L/2, L/2) by a hyperbolic tangent (shifted by half a step for even
    L) and rounded to the integers floor(-(L-1)/2) ... floor((L-1)/2); codes are these divided by floor(L/2), and
    digits are these counted from 0.
    """

    levels: Tensor
    span: Tensor
    offset: Tensor
    shift: Tensor

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("levels", torch.tensor(levels, device="cpu"), persistent=False)
        span = [(level - 1) * (1 - 1e-3) / 2 for level in levels]
        offset = [0.5 if level % 2 == 0 else 0.0 for level in levels]
        shift = [math.atanh(o / s) for o, s in zip(offset, span, strict=True)]
        self.register_buffer("span", torch.tensor(span, device="cpu"), persistent=False)
        self.register_buffer("offset", torch.tensor(offset, device="cpu"), persistent=False)
        self.register_buffer("shift", torch.tensor(shift, device="cpu"), persistent=False)

    def forward(self, x: Tensor, *, rounded: bool = True) -> Tensor:
        """Quantises [..., d] to codes [..., d] in [-1, 1]; bounds them only if not `rounded`."""
        bounded = torch.tanh(x.float() + self.shift) * self.span - self.offset
        if rounded:
            bounded = bounded + (bounded.round() - bounded).detach()
        return bounded / (self.levels // 2)

    def codes_to_digits(self, codes: Tensor) -> Tensor:
        """Codes [..., d] → digits [..., d], integers from 0 to L - 1."""
        return (codes * (self.levels // 2)).round().long() + self.levels // 2

    def digits_to_codes(self, digits: Tensor) -> Tensor:
        """The inverse of `codes_to_digits`."""
        half = self.levels // 2
        return (digits - half).float() / half
