"""log-mel, pitch and voicing → wav with HiFi-GAN (Kong et al. 2020), by transposed convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from siren_cli.config import ModelConfig
from siren_cli.model.decoder import Speech
from siren_cli.model.excitation import Source
from siren_cli.model.vocoder import vocoder_input


class HifiGanVocoder(nn.Module):
    """Transposed convolutions with multi-receptive-field fusion (HiFi-GAN, Kong et al. 2020), with a source.

    The source's samples are strided down and added at every resolution, as in source-filter HiFi-GAN (Yoneyama
    et al. 2022).
    """

    RATES = (8, 5, 4)
    KERNELS = (3, 7, 11)
    DILATIONS = (1, 3, 5)

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.hop_samples = config.mel_hop_samples
        widths = [max(8, config.hifigan_width >> level) for level in range(len(self.RATES) + 1)]
        self.stem = nn.Conv1d(config.mel_bins + 2, widths[0], 7, padding=3)
        self.ups = nn.ModuleList(
            nn.ConvTranspose1d(a, b, 2 * rate, rate, padding=(rate + 1) // 2, output_padding=rate % 2)
            for a, b, rate in zip(widths, widths[1:], self.RATES, strict=False)
        )
        stride = self.hop_samples
        self.sources = nn.ModuleList()
        for width, rate in zip(widths[1:], self.RATES, strict=True):
            stride //= rate
            kernel = max(3, 2 * stride)
            self.sources.append(nn.Conv1d(2, width, kernel, stride, padding=(kernel - stride) // 2))
        self.fields = nn.ModuleList(
            FusedFields(ResidualField(width, kernel, self.DILATIONS) for kernel in self.KERNELS) for width in widths[1:]
        )
        self.head = nn.Conv1d(widths[-1], 1, 7, padding=3)

    def forward(self, speech: Speech, source: Source) -> Tensor:
        """Synthesises [B, F100 * hop] samples from `Speech` and the source's samples [B, F100 * hop]."""
        excitation = 0.1 * torch.stack(source, dim=1)
        x = self.stem(vocoder_input(speech).transpose(1, 2))
        for up, inject, fields in zip(self.ups, self.sources, self.fields, strict=True):
            x = up(F.leaky_relu(x, 0.1))
            x = x + inject(excitation)
            x = fields(x)
        return torch.tanh(self.head(F.leaky_relu(x, 0.1)).float())[:, 0]


class FusedFields(nn.ModuleList):
    """The mean of several receptive fields."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps [B, D, T] to [B, D, T]."""
        return torch.stack([field(x) for field in self]).mean(0)


class ResidualField(nn.Module):
    """One receptive field of HiFi-GAN's fusion: pairs of dilated and plain convolutions around residuals."""

    def __init__(self, width: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.dilated = nn.ModuleList(
            nn.Conv1d(width, width, kernel, dilation=d, padding=d * (kernel // 2)) for d in dilations
        )
        self.plain = nn.ModuleList(nn.Conv1d(width, width, kernel, padding=kernel // 2) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [B, D, T] to [B, D, T]."""
        for dilated, plain in zip(self.dilated, self.plain, strict=True):
            x = x + plain(F.leaky_relu(dilated(F.leaky_relu(x, 0.1)), 0.1))
        return x
