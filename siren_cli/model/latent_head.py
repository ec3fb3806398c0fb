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
    two distributions is how much they differ (Hellinger). With `phones_around` what was found, which hears seconds, has
    its say in the posteriors as well. They are raised to the power `phone_sharpness`: as they are they would be best on
    the average, but what noise makes uncertain would be quantised to places that say a little of everything.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        numbers = config.codebook_width
        self.phones = nn.Linear(config.widths[0], len(PHONES))
        self.norm = nn.LayerNorm(config.widths[-1])
        self.around = nn.Linear(config.widths[-1], FRAME_STEPS * len(PHONES)) if config.phones_around else None
        self.sharpness = config.phone_sharpness
        self.found = nn.Linear(config.widths[-1], numbers)
        self.said = nn.Linear(FRAME_STEPS * len(PHONES), numbers, bias=False)
        self.seen = nn.Linear(2 * FRAME_STEPS * config.mel_bins, numbers, bias=False)

    def forward(self, features: Tensor, phonetic: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of phones [B, F50, 40] and latents [B, F6, K].

        Args:
            features: [B, F100, M].
            phonetic: Phonetic features [B, F50, D50].
            found: What the levels below found [B, F6, D6].
        """
        found = self.norm(found)
        scores = self.phones(phonetic)
        if self.around is not None:
            scores = scores + self.around(found).unflatten(-1, (FRAME_STEPS, -1)).flatten(1, 2)
        said = self.posteriorgram(scores)
        seen = features.unflatten(1, (-1, 2 * FRAME_STEPS)).flatten(2)
        latents: Tensor = self.found(found) + self.said(said) + self.seen(seen)
        return scores, latents.float()

    def posteriorgram(self, scores: Tensor) -> Tensor:
        """Scores of phones [B, F50, 40] → square roots of their posteriors, those of a frame together [B, F6, 320]."""
        roots = ((self.sharpness * scores.float()).softmax(-1) + torch.finfo(torch.float32).tiny).sqrt()
        return roots.unflatten(1, (-1, FRAME_STEPS)).flatten(2)
