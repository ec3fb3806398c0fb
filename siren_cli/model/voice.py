"""Who speaks: one quantised vector per recording."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from siren_cli.config import ModelConfig
from siren_cli.model.layers import Conv, FrameStack
from siren_cli.model.quantizer import FiniteScalar

VOICE_LEVELS = 4


class VoiceEncoder(nn.Module):
    """features [B, F100, M] → voice digits [B, 28] → voice [B, V].

    ```
    mel ─► conv, stride 2 ─► ConvNeXt ─► conv, stride 2 ─► ConvNeXt ─► attention pooling (mean, deviation) ─► FSQ
    ```
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.voice_width
        self.stem = Conv(config.mel_bins, width, 6, 2)
        self.fine = FrameStack(width, 2, config.expansion)
        self.down = Conv(width, width, 4, 2)
        self.coarse = FrameStack(width, 1, config.expansion)
        self.weigh = nn.Linear(width, width)
        self.narrow = nn.Linear(2 * width, config.voice_dims)
        self.fsq = FiniteScalar((VOICE_LEVELS,) * config.voice_dims)
        self.widen = nn.Sequential(nn.Linear(config.voice_dims, width), nn.GELU(), nn.Linear(width, width))
        self.absent = nn.Parameter(torch.zeros(width))

    def forward(self, mel: Tensor, *, rounded: bool = True) -> Tensor:
        """Log-mel [B, F100, M], F100 a multiple of 4 → codes [B, 28] in [-1, 1], gradient passed through."""
        x = self.coarse(self.down(self.fine(self.stem(mel))))
        weights = self.weigh(x).float().softmax(dim=1)
        mean = (weights * x).sum(1)
        deviation = ((weights * (x - mean[:, None]) ** 2).sum(1) + 1e-5).sqrt()
        return self.fsq(self.narrow(torch.cat([mean, deviation], dim=-1)), rounded=rounded)

    def codes_to_voice(self, codes: Tensor, absent: Tensor | None = None) -> Tensor:
        """Codes [B, 28] → voice [B, V]; items with `absent` [B] true get the learned default voice."""
        voice = self.widen(codes)
        return voice if absent is None else torch.where(absent[:, None], self.absent.to(voice.dtype), voice)

    def default_voice(self, batch: int) -> Tensor:
        """The learned voice of recordings that carry none, [batch, V]."""
        return self.absent.expand(batch, -1)
