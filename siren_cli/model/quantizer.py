"""latents ⇄ indices: residual finite scalar quantisation (FSQ, Mentzer et al. 2023).

A stage projects the latent to as many numbers as FSQ has dimensions, bounds each to its number of levels, rounds,
and projects back to the latent's width; the next stage codes what is left over, with projections of its own. The
map from digits to an index, d0 + 8 d1 + 40 d2 + 200 d3, is the format's (formats/SRN1.md).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from siren_cli.config import FSQ_LEVELS


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


class ResidualFSQ(nn.Module):
    """Latents [B, F, D] ⇄ indices [B, F, Q].

    Every stage has its own projections D → 4 → D and codes what the stages before left over in the wide space, so
    no stage needs rescaling by hand and the first works alone.
    """

    radix: Tensor

    def __init__(self, width: int, stages: int) -> None:
        super().__init__()
        self.fsq = FiniteScalar(FSQ_LEVELS)
        self.numbers = len(FSQ_LEVELS)
        self.norm = nn.LayerNorm(width)
        self.narrow = nn.ModuleList(nn.Linear(width, len(FSQ_LEVELS)) for _ in range(stages))
        self.widen = nn.ModuleList(nn.Linear(len(FSQ_LEVELS), width) for _ in range(stages))
        radix = [math.prod(FSQ_LEVELS[:i]) for i in range(len(FSQ_LEVELS))]
        self.register_buffer("radix", torch.tensor(radix, device="cpu"), persistent=False)

    def forward(self, latents: Tensor, stage_counts: Tensor) -> tuple[Tensor, Tensor]:
        """Quantises for training.

        Args:
            latents: [B, F, D].
            stage_counts: Stages to use per item [B], for stage dropout.

        Returns:
            Quantised latents [B, F, D], and digits [B, F, Q, 4] of all stages.
        """
        quantised, codes = self.latents_to_codes(latents, stage_counts)
        return quantised, self.fsq.codes_to_digits(codes.detach())

    def latents_to_codes(
        self, latents: Tensor, stage_counts: Tensor, *, rounded: bool = True, moved: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Like `forward`, but with the codes [B, F, Q, 4], which carry a gradient, and perhaps not `rounded`.

        What a stage rounds may be `moved` [B, F, stages, 4] first; stages that it does not have are left out.
        """
        residual = self.first_left(latents)
        quantised = torch.zeros_like(residual)
        codes = []
        for stage in range(len(self.narrow) if moved is None else moved.shape[2]):
            narrowed = self.narrow[stage](residual)
            codes.append(self.fsq(narrowed if moved is None else narrowed + moved[:, :, stage], rounded=rounded))
            part = self.widen[stage](codes[-1]).float() * (stage_counts > stage)[:, None, None]
            quantised = quantised + part
            residual = residual - part
        return quantised, torch.stack(codes, dim=2)

    def first_left(self, latents: Tensor) -> Tensor:
        """What the first stage has to say of latents [..., D]."""
        left: Tensor = self.norm(latents).float()
        return left

    def digit_distances(self, left: Tensor, stage: int, moved: Tensor | None = None) -> NDArray[np.float64]:
        """Distances [8, 5, 5, 5] of the lattice's points from what is left to say [D], perhaps `moved` [4], in squared
        steps of a level.
        """
        narrowed = self.narrow[stage](left)
        half = self.fsq.levels // 2
        positions = self.fsq(narrowed if moved is None else narrowed + moved, rounded=False) * half + half
        apart = [
            (np.arange(levels) - position) ** 2 for levels, position in zip(FSQ_LEVELS, positions.tolist(), strict=True)
        ]
        distances: NDArray[np.float64] = sum(np.ix_(*apart), start=np.zeros(FSQ_LEVELS))
        return distances

    def said(self, digits: NDArray[np.int64], stage: int) -> Tensor:
        """What a stage's digits [4] say, [D]."""
        codes = self.fsq.digits_to_codes(torch.from_numpy(digits).to(self.fsq.levels.device))
        part: Tensor = self.widen[stage](codes).float()
        return part

    def latents_to_indices(self, latents: Tensor, stages: int, moved: Tensor | None = None) -> Tensor:
        """Latents [B, F, D], perhaps `moved` [B, F, stages, 4] → indices [B, F, stages], integers 0..999."""
        counts = torch.full((len(latents),), stages, device=latents.device)
        _, codes = self.latents_to_codes(latents, counts, moved=moved)
        return (self.fsq.codes_to_digits(codes) * self.radix).sum(-1)[..., :stages]

    def indices_to_latents(self, indices: Tensor) -> Tensor:
        """Indices [B, F, Q] → quantised latents [B, F, D]; Q may be less than the number of stages."""
        digits = indices[..., None] // self.radix % self.fsq.levels
        parts = [
            self.widen[stage](self.fsq.digits_to_codes(digits[:, :, stage]))
            for stage in range(indices.shape[-1])
        ]
        return torch.stack(parts).sum(0)
