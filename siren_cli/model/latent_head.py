"""What quantising by codebooks quantises: what a frame of 160 ms sounds like and says, as plain numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from siren_cli.config import ModelConfig
from siren_cli.phones import PHONES

FRAME_STEPS = 8
"""Steps of 20 ms in a frame; of 10 ms there are twice as many."""


class LatentHead(nn.Module):
    """Features, phonetic features and what the levels below found → latents [B, F6, K].

    ```
    phonetic features ─► 8 posteriors of 40 phones each, square roots ─┐
    log-mel of the frame, 16 × M ──────────────────────────────────────┼─► K
    what 6.25 Hz found ─► norm ────────────────────────────────────────┘
    ```
    The first are a phonetic posteriorgram (Hazen et al. 2009); square roots, since the distance between the roots of
    two distributions is how much they differ (Hellinger).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        numbers = config.codebook_width
        self.phones = nn.Linear(config.widths[0], len(PHONES))
        self.norm = nn.LayerNorm(config.widths[-1])
        self.found = nn.Linear(config.widths[-1], numbers)
        self.said = nn.Linear(FRAME_STEPS * len(PHONES), numbers, bias=False)
        self.seen = nn.Linear(2 * FRAME_STEPS * config.mel_bins, numbers, bias=False)

    def forward(self, features: Tensor, phonetic: Tensor, found: Tensor) -> Tensor:
        """Maps features [B, F100, M], their phonetic features [B, F50, D50] and what was found [B, F6, D6]."""
        said = self.posteriorgram(self.phones(phonetic))
        seen = features.unflatten(1, (-1, 2 * FRAME_STEPS)).flatten(2)
        latents: Tensor = self.found(self.norm(found)) + self.said(said) + self.seen(seen)
        return latents.float()

    @staticmethod
    def posteriorgram(scores: Tensor) -> Tensor:
        """Scores of phones [B, F50, 40] → square roots of their posteriors, those of a frame together [B, F6, 320]."""
        roots = (scores.float().softmax(-1) + torch.finfo(torch.float32).tiny).sqrt()
        return roots.unflatten(1, (-1, FRAME_STEPS)).flatten(2)
