"""How alike the loudness of every third of an octave moves in decoded and in true speech."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from siren_cli.config import ModelConfig

_BANDS = 15
_LOWEST_HZ = 150.0
"""Centre of the lowest of the third-octave bands, as in STOI."""

SEGMENT_FRAMES = 38
"""384 ms, as in STOI, in frames of 10 ms."""

_AUDIBLE = 1e-4
"""Segments with less of the power of the crop's loudest, -40 dB, are silence."""


class EnvelopeCorrelation(nn.Module):
    """One minus the mean correlation of band amplitudes over 384 ms (STOI, Taal et al. 2011, without its clipping).

    Distances of log spectra count every band and moment alike; what is understood hangs on how the amplitudes move.

    Args:
        config: Of the model, for how its log-mels are normalised.
        centres_hz: Centres of the mel filters [M].
    """

    def __init__(self, config: ModelConfig, centres_hz: Tensor) -> None:
        super().__init__()
        self._mean, self._std = config.mel_mean, config.mel_std
        band = torch.floor(3 * torch.log2(centres_hz / _LOWEST_HZ) + 0.5)
        self._bands = (band[:, None] == torch.arange(_BANDS)).float()

    def forward(self, decoded: Tensor, true: Tensor) -> Tensor:
        """Compares normalised log-mels [B, F, M], F at least 38."""
        ours, theirs = (self._segments(mel) for mel in (decoded, true))
        power = theirs.square().sum((2, 3))
        heard = (power > _AUDIBLE * power.amax(1, keepdim=True)).float()
        ours, theirs = (x - x.mean(-1, keepdim=True) for x in (ours, theirs))
        floor = 1e-3 * power[..., None].sqrt() + 1e-9
        alike = (ours * theirs).sum(-1) / (ours.norm(dim=-1) * theirs.norm(dim=-1) + floor.square())
        return 1 - (alike.mean(-1) * heard).sum() / heard.sum().clamp_min(1)

    def _segments(self, mel: Tensor) -> Tensor:
        """Log-mels [B, F, M] to the amplitudes of the bands in half-overlapping segments [B, S, bands, 38]."""
        power = (2 * (mel.float() * self._std + self._mean)).exp() @ self._bands.to(mel.device)
        return (power + 1e-12).sqrt().unfold(1, SEGMENT_FRAMES, SEGMENT_FRAMES // 2)
