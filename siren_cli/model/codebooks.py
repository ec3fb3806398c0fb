"""latents ⇄ indices: what is coded is the point of the FSQ lattice whose place among the latents is nearest.

Four numbers read off a latent are too few for what is said in 160 ms, however finely they are rounded (weights/LOG.md,
fourteenth session). Here each of the 1000 points of a stage's FSQ lattice has a place in the whole space of latents,
and compressing, rounding and expanding (multidimensional companding, Gersho 1979) are one look-up: multi-stage vector
quantisation (Juang & Gray 1982) with FSQ's digits, format and prior.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from siren_cli.config import FSQ_LEVELS
from siren_cli.model.quantizer import FiniteScalar

POINTS = math.prod(FSQ_LEVELS)

_NEARNESS = 4.0
"""Squared steps of `digit_distances` in one of moves: places lie nearer to each other than levels, and what bits are
weighed against would hardly count (weights/LOG.md, fifteenth session).
"""


class ResidualCodebooks(nn.Module):
    """Latents [B, F, K] ⇄ indices [B, F, Q]; quantised, they are D wide.

    A stage codes what the stages before left over of the latents. It takes the point that minimises

        Σ (weight · (latent - place))² + price,

    the price of a point being what its frequency costs (entropy-constrained vector quantisation, Chou, Lookabaugh &
    Gray 1989). Places, prices and weights are fitted (`siren_cli.training.codebook_fit`), not trained.

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
        self.numbers = numbers
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

    def latents_to_codes(
        self, latents: Tensor, stage_counts: Tensor, *, rounded: bool = True, moved: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Like `forward`, but with the codes [B, F, Q, 4], and perhaps not `rounded`.

        Before a stage looks for the nearest point the latents may be `moved` [B, F, stages, K], in its `steps`; stages
        that it does not have are left out. The quantised latents carry the gradient of latents and moves, straight
        through the choice; the codes carry none.
        """
        latents = latents.float()
        said, shift = torch.zeros_like(latents), torch.zeros_like(latents)
        codes = []
        for stage in range(len(self.places) if moved is None else moved.shape[2]):
            left = latents - said
            if moved is not None:
                step = self.steps[stage].float().sqrt() / self.weights[stage].float()
                left, shift = left + step * moved[:, :, stage], shift + step * moved[:, :, stage]
            points = self.distances(left.detach(), stage).argmin(-1)
            codes.append(self.fsq.digits_to_codes(points[..., None] // self.radix % self.fsq.levels))
            said = said + self.places[stage].float()[points] * (stage_counts > stage)[:, None, None]
        through = latents + shift
        if rounded:
            through = said + (through - through.detach())
        return self.widen(through).float(), torch.stack(codes, dim=2)

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

    def digit_distances(self, left: Tensor, stage: int, moved: Tensor | None = None) -> NDArray[np.float64]:
        """Distances [8, 5, 5, 5] of the points from what is left to say [K], perhaps `moved` [K], in squared steps."""
        if moved is not None:
            left = left + self.steps[stage].float().sqrt() / self.weights[stage].float() * moved
        squared_step = self.steps[stage].float() / _NEARNESS
        distances = (self.distances(left, stage) / squared_step).double().cpu().numpy()
        return distances.reshape(FSQ_LEVELS[::-1]).transpose()

    def said(self, digits: NDArray[np.int64], stage: int) -> Tensor:
        """What a stage's digits [4] say of the latents, [K]."""
        place: Tensor = self.places[stage].float()[int(digits @ self.radix.cpu().numpy())]
        return place

    def latents_to_indices(self, latents: Tensor, stages: int, moved: Tensor | None = None) -> Tensor:
        """Latents [B, F, K], perhaps `moved` [B, F, stages, K] → indices [B, F, stages], integers 0..999."""
        counts = torch.full((len(latents),), stages, device=latents.device)
        _, codes = self.latents_to_codes(latents, counts, moved=moved)
        return (self.fsq.codes_to_digits(codes) * self.radix).sum(-1)[..., :stages]

    def indices_to_latents(self, indices: Tensor) -> Tensor:
        """Indices [B, F, Q] → quantised latents [B, F, D]; Q may be less than the number of stages."""
        said = [self.places[stage].float()[indices[..., stage]] for stage in range(indices.shape[-1])]
        quantised: Tensor = self.widen(torch.stack(said).sum(0))
        return quantised
