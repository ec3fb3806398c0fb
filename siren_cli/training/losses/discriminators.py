"""Discriminators of waveforms and spectra, small enough to train on a CPU."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

DiscriminatorOutput = tuple[Tensor, list[Tensor]]
"""Score map, and the activations before it."""


class PeriodDiscriminator(nn.Module):
    """Period discriminator (HiFi-GAN, Kong et al. 2020): samples [B, T] folded to [B, 1, T / p, p]."""

    def __init__(self, period: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.period = period
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(a, b, (5, 1), (3, 1), padding=(2, 0)))
            for a, b in zip((1, *widths), widths, strict=False)
        )
        self.score = weight_norm(nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, wav: Tensor) -> DiscriminatorOutput:
        """Compute score map and activations for samples [B, T]."""
        wav = F.pad(wav, (0, -wav.shape[-1] % self.period), mode="reflect")
        x = wav.reshape(len(wav), 1, -1, self.period)
        activations = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.1)
            activations.append(x)
        return self.score(x), activations


class SpectrogramDiscriminator(nn.Module):
    """Discriminator of the complex spectrogram (multi-resolution STFT discriminator, SoundStream and EnCodec)."""

    window: Tensor

    def __init__(self, fft_samples: int, width: int) -> None:
        super().__init__()
        self.fft_samples = fft_samples
        self.convs = nn.ModuleList(
            [
                weight_norm(nn.Conv2d(2, width, (3, 7), padding=(1, 3))),
                *(
                    weight_norm(nn.Conv2d(width, width, (3, 7), (1, 2), padding=(dilation, 3), dilation=(dilation, 1)))
                    for dilation in (1, 2, 4)
                ),
            ]
        )
        self.score = weight_norm(nn.Conv2d(width, 1, 3, padding=1))
        self.register_buffer("window", torch.hann_window(fft_samples), persistent=False)

    def forward(self, wav: Tensor) -> DiscriminatorOutput:
        """Compute score map and activations for samples [B, T]."""
        spectrum = torch.stft(
            wav.float(), self.fft_samples, self.fft_samples // 4, window=self.window, return_complex=True
        )
        x = torch.view_as_real(spectrum).permute(0, 3, 2, 1) * (4.0 / self.fft_samples**0.5)
        activations = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.1)
            activations.append(x)
        return self.score(x), activations


class ScaleDiscriminator(nn.Module):
    """Discriminator of average-pooled samples (multi-scale discriminator, MelGAN and HiFi-GAN)."""

    def __init__(self, pooling: int, width: int) -> None:
        super().__init__()
        self.pooling = pooling
        layers = ((1, width, 15, 1, 1), (width, 2 * width, 41, 4, 4), (2 * width, 4 * width, 41, 4, 4),
                  (4 * width, 8 * width, 41, 4, 8), (8 * width, 8 * width, 5, 1, 1))  # fmt: skip
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv1d(a, b, kernel, stride, padding=kernel // 2, groups=min(groups, width)))
            for a, b, kernel, stride, groups in layers
        )
        self.score = weight_norm(nn.Conv1d(8 * width, 1, 3, padding=1))

    def forward(self, wav: Tensor) -> DiscriminatorOutput:
        """Compute score map and activations for samples [B, T]."""
        x = wav[:, None]
        if self.pooling > 1:
            x = F.avg_pool1d(x, 2 * self.pooling, self.pooling, padding=self.pooling // 2)
        activations = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.1)
            activations.append(x)
        return self.score(x), activations


class Adversary(nn.Module):
    """Ensemble of discriminators.

    Args:
        kinds: Out of `siren_cli.training.config.DISCRIMINATORS`: periods 2, 3, 5, 7, 11; scales 1, 2, 4;
            spectrograms of 512 and 1,024 points.
        width: Channels of the first layers.
    """

    def __init__(self, kinds: tuple[str, ...] = ("period", "spectrogram"), width: int = 16) -> None:
        super().__init__()
        makers: dict[str, Callable[[], list[nn.Module]]] = {
            "period": lambda: [
                PeriodDiscriminator(p, (width, 2 * width, 4 * width, 8 * width)) for p in (2, 3, 5, 7, 11)
            ],
            "scale": lambda: [ScaleDiscriminator(pooling, width) for pooling in (1, 2, 4)],
            "spectrogram": lambda: [SpectrogramDiscriminator(size, width) for size in (512, 1024)],
        }
        self.judges = nn.ModuleList(discriminator for kind in kinds for discriminator in makers[kind]())

    def forward(self, wav: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        """Compute score maps and activations of every discriminator for samples [B, T]."""
        outputs = [discriminator(wav) for discriminator in self.judges]
        return [score for score, _ in outputs], [activations for _, activations in outputs]


class MelDiscriminator(nn.Module):
    """Mel discriminator: classifies patches of a log-mel spectrum, so that decoded ones become as sharp as real ones.

    Convolutions over time and frequency as in PatchGAN (Isola et al. 2017). The receptive field of a score is about
    0.3 s by half of the bins.

    Args:
        width: Channels of the first layer.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        layers = ((1, width, (2, 2)), (width, 2 * width, (2, 2)), (2 * width, 4 * width, (2, 2)),
                  (4 * width, 4 * width, (1, 1)))  # fmt: skip
        self.convs = nn.ModuleList(weight_norm(nn.Conv2d(a, b, 5, stride, padding=2)) for a, b, stride in layers)
        self.score = weight_norm(nn.Conv2d(4 * width, 1, 3, padding=1))

    def forward(self, mel: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        """Compute score map and activations, as `Adversary` does, for normalised log-mel [B, F, M]."""
        x = mel[:, None]
        activations = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.1)
            activations.append(x)
        return [self.score(x)], [activations]
