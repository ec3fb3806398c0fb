"""latents ⇄ indices: residual finite scalar quantisation (FSQ, Mentzer et al. 2023).

A stage projects the latent to as many numbers as FSQ has dimensions, bounds each to its number of levels, rounds,
and projects back to the latent's width; the next stage codes what is left over, with projections of its own. The
map from digits to an index, d0 + 8 d1 + 40 d2 + 200 d3, is the format's (formats/SRN1.md).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from siren_cli.config import FSQ_LEVELS
from siren_cli.model.quantizer import POINTS, FiniteScalar


class ResidualFSQ(nn.Module):
    """Latents [B, F, D] ⇄ indices [B, F, Q].

    Every stage has its own projections D → 4 → D and codes what the stages before left over in the wide space, so
    no stage needs rescaling by hand and the first works alone.
    """

    radix: Tensor

    def __init__(self, width: int, stages: int) -> None:
        super().__init__()
        self.fsq = FiniteScalar(FSQ_LEVELS)
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

    def latents_to_codes(self, latents: Tensor, stage_counts: Tensor, *, rounded: bool = True) -> tuple[Tensor, Tensor]:
        """Like `forward`, but with the codes [B, F, Q, 4], which carry a gradient, and perhaps not `rounded`."""
        residual = self.first_left(latents)
        quantised = torch.zeros_like(residual)
        codes = []
        for stage in range(len(self.narrow)):
            codes.append(self.fsq(self.narrow[stage](residual), rounded=rounded))
            part = self.widen[stage](codes[-1]).float() * (stage_counts > stage)[:, None, None]
            quantised = quantised + part
            residual = residual - part
        return quantised, torch.stack(codes, dim=2)

    def first_left(self, latents: Tensor) -> Tensor:
        """What the first stage has to say of latents [..., D]."""
        left: Tensor = self.norm(latents).float()
        return left

    def point_distances(self, left: Tensor, stage: int) -> Tensor:
        """Distances [..., 1000] of a stage's points from what is left to say [..., D], in squared steps of a level."""
        half = self.fsq.levels // 2
        positions = self.fsq(self.narrow[stage](left), rounded=False) * half + half
        points = torch.arange(POINTS, device=positions.device)
        apart: Tensor = (positions[..., None, :] - points[:, None] // self.radix % self.fsq.levels).square().sum(-1)
        return apart

    def nearest(self, left: Tensor, stage: int) -> Tensor:
        """Indices [...] of what a stage takes for what is left to say [..., D]."""
        digits = self.fsq.codes_to_digits(self.fsq(self.narrow[stage](left)))
        indices: Tensor = (digits * self.radix).sum(-1)
        return indices

    def said(self, indices: Tensor, stage: int) -> Tensor:
        """What a stage's indices [...] say, [..., D]."""
        codes = self.fsq.digits_to_codes(indices[..., None] // self.radix % self.fsq.levels)
        part: Tensor = self.widen[stage](codes).float()
        return part

    def latents_to_indices(self, latents: Tensor, stages: int) -> Tensor:
        """Latents [B, F, D] → indices [B, F, stages], integers 0..999."""
        counts = torch.full((len(latents),), stages, device=latents.device)
        _, codes = self.latents_to_codes(latents, counts)
        return (self.fsq.codes_to_digits(codes) * self.radix).sum(-1)[..., :stages]

    def indices_to_latents(self, indices: Tensor) -> Tensor:
        """Indices [B, F, Q] → quantised latents [B, F, D]; Q may be less than the number of stages."""
        return torch.stack([self.said(indices[..., stage], stage) for stage in range(indices.shape[-1])]).sum(0)
