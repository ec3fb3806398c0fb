"""How alike the loudness of every third of an octave moves in decoded and in true speech."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from siren_cli.config import ModelConfig

_BANDS = 15
_LOWEST_HZ = 150.0
"""Centre of the lowest of the third-octave bands, as in STOI."""

SEGMENT_FRAMES = 38
"""384 ms, as in STOI, in frames of 10 ms."""

_PLACE_FRAMES = 4

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
        ours, theirs = (self._amplitudes(mel).unfold(1, SEGMENT_FRAMES, SEGMENT_FRAMES // 2) for mel in (decoded, true))
        alike, heard = _alike(ours, theirs)
        return 1 - (alike * heard).sum() / heard.sum().clamp_min(1)

    def along(self, decoded: Tensor, true: Tensor) -> Tensor:
        """The same of the 384 ms around every fourth frame, [B, F / 4], over the share of them where somebody speaks.

        Args:
            decoded: [B, F, M], F a multiple of 4.
            true: [B, F, M] or [1, F, M].
        """
        around = (SEGMENT_FRAMES // 2, SEGMENT_FRAMES // 2 - _PLACE_FRAMES)
        ours, theirs = (
            F.pad(self._amplitudes(mel), (0, 0, *around)).unfold(1, SEGMENT_FRAMES, _PLACE_FRAMES)
            for mel in (decoded, true)
        )
        alike, heard = _alike(ours, theirs)
        return (1 - alike) * heard / heard.mean(1, keepdim=True).clamp_min(0.05)

    def _amplitudes(self, mel: Tensor) -> Tensor:
        """Log-mels [B, F, M] to the amplitudes of the bands [B, F, bands]."""
        power = (2 * (mel.float() * self._std + self._mean)).exp() @ self._bands.to(mel.device)
        return (power + 1e-12).sqrt()


def _alike(ours: Tensor, theirs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean correlation over the bands of segments of amplitudes [B, S, bands, 38], and which are not silent, [B, S]."""
    power = theirs.square().sum((2, 3))
    heard = (power > _AUDIBLE * power.amax(1, keepdim=True)).float()
    ours, theirs = (x - x.mean(-1, keepdim=True) for x in (ours, theirs))
    floor = 1e-3 * power[..., None].sqrt() + 1e-9
    alike = (ours * theirs).sum(-1) / (ours.norm(dim=-1) * theirs.norm(dim=-1) + floor.square())
    return alike.mean(-1), heard
