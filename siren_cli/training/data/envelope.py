"""Spectral envelope: the decoder's target, a log-mel without harmonics.

Where bins are narrow, a log-mel shows the harmonics of a voice. At 6.25 frames a second their positions cannot be
predicted. A regression would end between peaks and valleys: too quiet by several dB, and blurred. The harmonics come
from the vocoder's excitation anyway. So the spectrum is averaged over exactly one harmonic spacing before the
filterbank (STRAIGHT, Kawahara et al. 1999; CheapTrick, Morise 2015).
"""

from __future__ import annotations

import torch
from torch import Tensor

from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.model.features import LogMel

UNVOICED_WIDTH_HZ = 160.0
"""Width of the average where there is no pitch."""


def mel_envelope(wav: Tensor, pitch: Tensor, features: LogMel) -> Tensor:
    """Compute the normalised log-mel of the spectrum averaged over one F0.

    Args:
        wav: Samples [T] at 16 kHz, T a multiple of the hop.
        pitch: ln(F0 / Hz) per frame [F], 0 where unvoiced.
        features: The model's features, for their grid, filterbank and normalisation.

    Returns:
        Envelope [F, M], normalised like the features.
    """
    power = features.spectrum(wav[None])[0].square()
    width_hz = torch.where(pitch > 0, pitch.exp(), torch.full_like(pitch, UNVOICED_WIDTH_HZ))
    smooth = moving_average(power, width_hz * features.fft_samples / SAMPLE_RATE_HZ)
    return features.magnitude_to_mel(smooth.clamp_min(0).sqrt())


def moving_average(power: Tensor, width_bins: Tensor) -> Tensor:
    """Average a spectrum over a sliding band; bins at its edges count in proportion.

    Args:
        power: [F, bins].
        width_bins: Width of the band per frame [F], in bins, not necessarily whole.

    Returns:
        [F, bins]; at the ends the band is cut.
    """
    frames, bins = power.shape
    total = torch.cat([power.new_zeros(frames, 1), power.double().cumsum(dim=1)], dim=1)
    centre = torch.arange(bins, dtype=torch.float64) + 0.5
    half = width_bins.double()[:, None] / 2
    low, high = (centre - half).clamp_min(0), (centre + half).clamp_max(bins)

    def integral(edge: Tensor) -> Tensor:
        whole = edge.floor().long().clamp_max(bins - 1)
        before = total.gather(1, whole)
        return before + (total.gather(1, whole + 1) - before) * (edge - whole)

    return ((integral(high) - integral(low)) / (high - low)).to(power.dtype)
