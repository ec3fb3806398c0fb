"""Whisper audio encoder (Radford et al. 2022): wav → features at 50 Hz, trained to recognise words."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SAMPLE_RATE_HZ = 16_000
HOP_SAMPLES, WINDOW_SAMPLES = 160, 400
MEL_BINS = 80
FEATURE_SAMPLES = 320
"""Samples a step of the features: 50 Hz."""

WINDOW_STEPS, OVERLAP_STEPS = 1_500, 100
"""The network was trained on 30 s; longer recordings are cut into windows of 30 s that share 2 s."""

_DYNAMIC_RANGE = 8.0
"""Whisper raises every band to at least 8 decades below the loudest one of the recording."""


class WhisperEncoder(nn.Module):
    """Wav → Whisper features.

    ```
    wav ─► log-mel (100 Hz) ─► conv ─► conv, stride 2 ─► + positions ─► [attention, MLP] × layers ─► layer norm (50 Hz)
    ```
    The original pads every recording to 30 s. Here nothing is padded: positions past the end do not exist.

    Args:
        width: Channels; 512 for Whisper base.
        layers: Transformer layers; 6 for Whisper base.
        heads: Attention heads of a layer.
    """

    def __init__(self, width: int = 512, layers: int = 6, heads: int = 8) -> None:
        super().__init__()
        self.width = width
        self.conv1 = nn.Conv1d(MEL_BINS, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(EncoderLayer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, wav: Tensor) -> Tensor:
        """Encodes samples.

        Args:
            wav: [B, T] at 16 kHz, T a multiple of 320.

        Returns:
            Features [B, T / 320, D].
        """
        mel = log_mel(wav)
        steps = mel.shape[1] // 2
        if steps <= WINDOW_STEPS:
            return self.encode_window(mel)
        stride, half = WINDOW_STEPS - OVERLAP_STEPS, OVERLAP_STEPS // 2
        pieces = []
        for start in range(0, steps - OVERLAP_STEPS, stride):
            stop = min(start + WINDOW_STEPS, steps)
            found = self.encode_window(mel[:, 2 * start : 2 * stop])
            first = half if start else 0
            last = stop - start - (half if stop < steps else 0)
            pieces.append(found[:, first:last])
        return torch.cat(pieces, dim=1)

    def encode_window(self, mel: Tensor) -> Tensor:
        """Log-mel [B, F100, 80] of at most 30 s, F100 even → features [B, F50, D]."""
        x = F.gelu(self.conv1(mel.mT))
        x = F.gelu(self.conv2(x)).mT
        x = x + sinusoids(x.shape[1], self.width).to(x)
        for layer in self.layers:
            x = layer(x)
        features: Tensor = self.norm(x)
        return features


class EncoderLayer(nn.Module):
    """A pre-norm transformer layer: self-attention over all positions, then an MLP of four times the width."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, F, D] → [B, F, D]."""
        y = self.attention_norm(x)
        query, key, value = (
            part(y).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        attended = F.scaled_dot_product_attention(query, key, value)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        x = x + self.contract(F.gelu(self.expand(self.mlp_norm(x))))
        return x


def log_mel(wav: Tensor) -> Tensor:
    """Log-mel as Whisper was trained on: 25 ms Hann windows, 80 Slaney bands, log10, scaled to about -1 to 1.5.

    Args:
        wav: Samples [B, T] at 16 kHz, T a multiple of 160.

    Returns:
        [B, T / 160, 80].
    """
    window = torch.hann_window(WINDOW_SAMPLES, device=wav.device)
    padding = "reflect" if wav.shape[-1] > WINDOW_SAMPLES // 2 else "constant"
    spectrum = torch.stft(wav, WINDOW_SAMPLES, HOP_SAMPLES, window=window, pad_mode=padding, return_complex=True)
    power = spectrum[..., :-1].abs().square()
    mel = (mel_filterbank().to(wav) @ power).clamp_min(1e-10).log10()
    mel = torch.maximum(mel, mel.amax(dim=(1, 2), keepdim=True) - _DYNAMIC_RANGE)
    return ((mel + 4.0) / 4.0).mT


def mel_filterbank() -> Tensor:
    """Triangles of unit area on Slaney's mel scale (Auditory Toolbox, 1998), 0 to 8 kHz, [80, 201].

    The scale is linear up to 1 kHz (15 mel) and logarithmic above it (27 mel for a factor of 6.4).
    """
    linear_hz, break_hz, log_step = 200.0 / 3.0, 1_000.0, math.log(6.4) / 27.0
    break_mel = break_hz / linear_hz
    top_mel = break_mel + math.log(SAMPLE_RATE_HZ / 2 / break_hz) / log_step
    mels = torch.linspace(0.0, top_mel, MEL_BINS + 2, dtype=torch.float64)
    edges_hz = torch.where(
        mels < break_mel, mels * linear_hz, break_hz * ((mels - break_mel).clamp_min(0.0) * log_step).exp()
    )
    bins_hz = torch.linspace(0.0, SAMPLE_RATE_HZ / 2, WINDOW_SAMPLES // 2 + 1, dtype=torch.float64)
    lower, centre, upper = (edges_hz[k : k + MEL_BINS, None] for k in range(3))
    rising, falling = (bins_hz - lower) / (centre - lower), (upper - bins_hz) / (upper - centre)
    triangles = torch.minimum(rising, falling).clamp_min(0.0)
    return (triangles * 2.0 / (upper - lower)).float()


def sinusoids(steps: int, width: int) -> Tensor:
    """Positions as Whisper's encoder adds them: sines, then cosines, of wavelengths from 2π to 10,000 · 2π, [F, D]."""
    rates = torch.exp(-math.log(10_000.0) / (width // 2 - 1) * torch.arange(width // 2))
    phases = torch.arange(steps)[:, None] * rates
    return torch.cat([phases.sin(), phases.cos()], dim=1)
