"""What a recording should come back as: the guide of a voice's tone and of the search for indices."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from siren_cli.config import ModelConfig
from siren_cli.model.decoder import PITCH_CENTRE, Speech
from siren_cli.model.layers import Conv, FrameStack
from siren_cli.phones import PHONES


class Guide(nn.Module):
    """Log-mel and phonetic features → the `Speech` that decoding should give, without noise; decoder features → phones.

    ```
    log-mel ─► conv, stride 2 ─┐
    phonetic features ─► linear ┴► ConvNeXt ×N (50 Hz) ─► two frames each: change of the log-mel, pitch, voicing
    ```
    What the semantic branch has understood helps to tell the speech in noise. What it tells is added, 0 at first.
    A decoder needs none of it: encoders alone look where indices lead, and compare that with what they should say
    (analysis by synthesis, as in CELP, Schroeder & Atal 1985).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.guide_width
        self.mel_bins = config.mel_bins
        self.stem = Conv(config.mel_bins, width, 6, 2)
        told = nn.Linear(config.widths[0], width)
        nn.init.zeros_(told.weight)
        nn.init.zeros_(told.bias)
        self.told = nn.Sequential(nn.LayerNorm(config.widths[0]), told)
        self.stack = FrameStack(width, config.guide_blocks, config.expansion)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 2 * (config.mel_bins + 2))
        self.heard = nn.Linear(config.widths[0], len(PHONES))

    def forward(self, mel: Tensor, features: Tensor) -> Speech:
        """What a normalised log-mel says.

        Args:
            mel: [B, F100, M], F100 even.
            features: Phonetic features of the semantic branch [B, F50, D50].
        """
        x = self.norm(self.stack(self.stem(mel) + self.told(features)))
        frames = self.head(x).unflatten(-1, (2, -1)).flatten(1, 2).float()
        change, pitch, voicing = torch.split(frames, [self.mel_bins, 1, 1], dim=-1)
        return Speech(mel + change, pitch[..., 0] + PITCH_CENTRE, voicing[..., 0])

    def phones_heard(self, features: Tensor) -> Tensor:
        """Scores [B, F50, 40] of the phones in the phonetic features of the speech decoder [B, F50, D50]."""
        scores: Tensor = self.heard(features)
        return scores
