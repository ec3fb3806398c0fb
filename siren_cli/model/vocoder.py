"""log-mel, pitch and voicing → wav: the Fourier vocoder, and what every vocoder is given."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from siren_cli.config import ModelConfig
from siren_cli.model.decoder import PITCH_CENTRE, Speech
from siren_cli.model.excitation import Source, overlap_add, short_time_spectrum
from siren_cli.model.layers import Conv, FrameStack


def vocoder_input(speech: Speech) -> Tensor:
    """Mel, pitch and voicing side by side [B, F100, M + 2]."""
    voiced = torch.sigmoid(speech.voicing)
    pitch = (speech.pitch - PITCH_CENTRE) * voiced
    return torch.cat([speech.mel, pitch[..., None], voiced[..., None]], dim=-1)


class VocosVocoder(nn.Module):
    """ConvNeXt at the mel's frame rate and one inverse STFT (Vocos, Siuzdak 2023), as a filter of a source.

    ```
    mel, pitch, voicing ─► conv ─► ConvNeXt ×N ─► filters ─┬─► × STFT(harmonics) ─┐
                                                           └─► × STFT(noise) ─────┴─► + ─► inverse STFT ─► wav
    ```
    Per frame and bin the network gives gain and phase for the harmonics and a gain for the noise.
    """

    window: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.hop_samples = config.mel_hop_samples
        self.fft_samples = config.vocoder_fft_samples
        self.bins = self.fft_samples // 2 + 1
        width = config.vocoder_width
        self.stem = Conv(config.mel_bins + 2, width, 7)
        self.stack = FrameStack(width, config.vocoder_blocks, config.expansion)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 3 * self.bins)
        self.register_buffer("window", torch.hann_window(self.fft_samples, device="cpu"), persistent=False)

    def forward(self, speech: Speech, source: Source) -> Tensor:
        """Synthesises [B, F100 * hop] samples from `Speech` and the source's samples [B, F100 * hop]."""
        x = self.norm(self.stack(self.stem(vocoder_input(speech))))
        harmonic_gain, phase, noise_gain = self.head(x).float().chunk(3, dim=-1)
        grid = (self.fft_samples, self.hop_samples, self.window)
        filtered = short_time_spectrum(source.harmonics, *grid) * torch.polar(_gain(harmonic_gain), phase)
        filtered = filtered + short_time_spectrum(source.noise, *grid) * _gain(noise_gain)
        return overlap_add(filtered, *grid)


def _gain(log_gain: Tensor) -> Tensor:
    """Filter gain from the network's output; -4 lets an untrained vocoder start near speech level."""
    return torch.exp((log_gain - 4.0).clamp(-14.0, 3.0))
