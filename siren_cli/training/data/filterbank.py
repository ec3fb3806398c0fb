"""Mel filterbank from torchaudio, for a model's buffer."""

from __future__ import annotations

from functools import lru_cache

import torch
import torchaudio.functional
from torch import Tensor

from siren_cli.config import SAMPLE_RATE_HZ, ModelConfig
from siren_cli.model.features import LogMel
from siren_cli.search.envelope_correlation import EnvelopeCorrelation


def fill_filterbank(features: LogMel) -> None:
    """Fill the filterbank buffer: Slaney's mel scale, area-normalised triangles up to 8 kHz."""
    features.filterbank.copy_(slaney_filterbank(*features.filterbank.shape))


def slaney_filterbank(bins: int, mel_bins: int) -> Tensor:
    """Compute the filterbank [bins, mel_bins] for magnitudes of `bins` frequencies from 0 to 8 kHz."""
    filterbank: Tensor = torchaudio.functional.melscale_fbanks(
        n_freqs=bins,
        f_min=0.0,
        f_max=SAMPLE_RATE_HZ / 2,
        n_mels=mel_bins,
        sample_rate=SAMPLE_RATE_HZ,
        norm="slaney",
        mel_scale="slaney",
    )
    return filterbank


@lru_cache(maxsize=1)
def mel_centres_hz(mel_bins: int) -> Tensor:
    """Centres of gravity of the filters [mel_bins], rising."""
    filterbank = slaney_filterbank(4_097, mel_bins)
    frequencies_hz = torch.linspace(0.0, SAMPLE_RATE_HZ / 2, 4_097)
    return (filterbank * frequencies_hz[:, None]).sum(0) / filterbank.sum(0)


def correlation_of(config: ModelConfig) -> EnvelopeCorrelation:
    """Build the envelope correlation for log-mels of a model."""
    return EnvelopeCorrelation(config, mel_centres_hz(config.mel_bins))
