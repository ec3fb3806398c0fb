"""wav → features: the log-mel spectrogram everything else is built on."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from siren_cli.config import ModelConfig


class LogMel(nn.Module):
    """wav [B, T] → log-mel [B, T / 160, 80], zero mean and unit variance over the training data.

    The filterbank is a buffer that training fills (`siren_cli.training.data.filterbank`) and that travels with the
    weights, so that encoding and decoding need no torchaudio.
    """

    filterbank: Tensor
    window: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.hop_samples = config.mel_hop_samples
        self.fft_samples = config.mel_fft_samples
        self.window_samples = config.mel_window_samples
        self.floor = config.mel_floor
        self.mean = config.mel_mean
        self.std = config.mel_std
        self.register_buffer("filterbank", torch.zeros(self.fft_samples // 2 + 1, config.mel_bins))
        self.register_buffer("window", torch.hann_window(self.window_samples, device="cpu"), persistent=False)

    def forward(self, wav: Tensor) -> Tensor:
        """Computes the features.

        Args:
            wav: Samples [B, T] at 16 kHz, T a multiple of the hop.

        Returns:
            Normalised log-mel [B, T / hop, M]; frame k is centred on sample k * hop.
        """
        return self.magnitude_to_mel(self.spectrum(wav))

    def spectrum(self, wav: Tensor) -> Tensor:
        """Magnitudes of the short-time spectrum [B, T / hop, bins] of samples [B, T]."""
        spectrum = torch.stft(
            wav.float(),
            self.fft_samples,
            self.hop_samples,
            self.window_samples,
            self.window,
            center=True,
            pad_mode="constant",
            return_complex=True,
        )
        return spectrum.abs()[..., : wav.shape[-1] // self.hop_samples].transpose(1, 2)

    def magnitude_to_mel(self, magnitude: Tensor) -> Tensor:
        """Magnitudes [..., bins] → normalised log-mel [..., M]."""
        return ((magnitude @ self.filterbank).clamp_min(self.floor).log() - self.mean) / self.std
