"""Losses on waveforms: spectral distances, and the adversarial pair with feature matching."""

from __future__ import annotations

import torch
import torchaudio.functional
from torch import Tensor, nn
from torch.nn import functional as F

from siren_cli.config import SAMPLE_RATE_HZ

SPECTRAL_SIZES = ((256, 40), (512, 64), (1024, 80), (2048, 100))
"""(FFT size, mel bins) of the multi-resolution mel distance; hops are a quarter of the size."""

_FLOOR = 1e-3


class MultiScaleMelLoss(nn.Module):
    """Multi-scale mel loss: mean absolute difference of log-mel spectra at several resolutions (DAC, Kumar 2023).

    The finest resolutions resolve onsets, the coarsest the harmonics of a low voice.
    """

    def __init__(self, sizes: tuple[tuple[int, int], ...] = SPECTRAL_SIZES) -> None:
        super().__init__()
        self.sizes = sizes
        for fft_samples, bins in sizes:
            self.register_buffer(f"window{fft_samples}", torch.hann_window(fft_samples), persistent=False)
            self.register_buffer(
                f"filterbank{fft_samples}",
                torchaudio.functional.melscale_fbanks(
                    n_freqs=fft_samples // 2 + 1,
                    f_min=0.0,
                    f_max=SAMPLE_RATE_HZ / 2,
                    n_mels=bins,
                    sample_rate=SAMPLE_RATE_HZ,
                    norm="slaney",
                    mel_scale="slaney",
                ),
                persistent=False,
            )

    def forward(self, decoded: Tensor, target: Tensor) -> Tensor:
        """Distance of samples [B, T] to samples [B, T], in nats of magnitude."""
        total = decoded.new_zeros(())
        for fft_samples, _ in self.sizes:
            total = total + F.l1_loss(self._log_mel(decoded, fft_samples), self._log_mel(target, fft_samples))
        return total / len(self.sizes)

    def _log_mel(self, wav: Tensor, fft_samples: int) -> Tensor:
        window, filterbank = getattr(self, f"window{fft_samples}"), getattr(self, f"filterbank{fft_samples}")
        spectrum = torch.stft(wav.float(), fft_samples, fft_samples // 4, window=window, return_complex=True)
        power = torch.view_as_real(spectrum).square().sum(-1)
        magnitude = (power + 1e-9).sqrt() * (2.0 / fft_samples) ** 0.5
        return (magnitude.transpose(1, 2) @ filterbank).clamp_min(_FLOOR * 1e-1).log()


class MultiResolutionStftLoss(nn.Module):
    """Multi-resolution STFT loss: spectral convergence and log magnitude (Parallel WaveGAN, Yamamoto et al. 2020)."""

    def __init__(self, sizes: tuple[int, ...] = (512, 1024, 2048)) -> None:
        super().__init__()
        self.sizes = sizes
        for fft_samples in sizes:
            self.register_buffer(f"window{fft_samples}", torch.hann_window(fft_samples), persistent=False)

    def forward(self, decoded: Tensor, target: Tensor) -> Tensor:
        """Distance of samples [B, T] to samples [B, T], mean over resolutions."""
        total = decoded.new_zeros(())
        for fft_samples in self.sizes:
            ours, theirs = (self._magnitude(wav, fft_samples) for wav in (decoded, target))
            convergence = (theirs - ours).norm() / theirs.norm().clamp_min(1e-6)
            total = total + convergence + F.l1_loss(ours.log(), theirs.log())
        return total / len(self.sizes)

    def _magnitude(self, wav: Tensor, fft_samples: int) -> Tensor:
        window = getattr(self, f"window{fft_samples}")
        spectrum = torch.stft(wav.float(), fft_samples, fft_samples // 4, window=window, return_complex=True)
        return (torch.view_as_real(spectrum).square().sum(-1) + 1e-7).sqrt()


def adversary_loss(kind: str, real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Loss of the discriminators; `kind` is `hinge` or `least-squares`."""
    return adversary_hinge(real, fake) if kind == "hinge" else adversary_least_squares(real, fake)


def generator_loss(kind: str, fake: list[Tensor]) -> Tensor:
    """Adversarial loss of the generator; `kind` is `hinge` or `least-squares`."""
    return generator_hinge(fake) if kind == "hinge" else generator_least_squares(fake)


def adversary_least_squares(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Least-squares loss of the discriminators (Mao et al. 2017; HiFi-GAN), mean over discriminators."""
    losses = [(r.float() - 1).square().mean() + f.float().square().mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(losses).mean()


def generator_least_squares(fake: list[Tensor]) -> Tensor:
    """Least-squares loss of the generator, mean over discriminators."""
    return torch.stack([(f.float() - 1).square().mean() for f in fake]).mean()


def adversary_hinge(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Hinge loss of the discriminators (Lim & Ye 2017), mean over discriminators."""
    losses = [F.relu(1 - r.float()).mean() + F.relu(1 + f.float()).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(losses).mean()


def generator_hinge(fake: list[Tensor]) -> Tensor:
    """Hinge loss of the generator: minus the mean score of its output."""
    return torch.stack([-f.float().mean() for f in fake]).mean()


def feature_matching(real: list[list[Tensor]], fake: list[list[Tensor]]) -> Tensor:
    """Mean absolute difference of the discriminators' activations (Larsen et al. 2016), relative to their size."""
    losses = [
        F.l1_loss(f.float(), r.detach().float()) / r.detach().float().abs().mean().clamp_min(1e-4)
        for reals, fakes in zip(real, fake, strict=True)
        for r, f in zip(reals, fakes, strict=True)
    ]
    return torch.stack(losses).mean()
