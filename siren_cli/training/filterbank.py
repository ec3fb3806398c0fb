"""The mel filterbank, from torchaudio, put into a model's buffer before training."""

from __future__ import annotations

import torchaudio.functional

from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.model.features import LogMel


def fill_filterbank(features: LogMel) -> None:
    """Fills the filterbank buffer: Slaney's mel scale, area-normalised triangles up to 8 kHz."""
    bins, mel_bins = features.filterbank.shape
    features.filterbank.copy_(
        torchaudio.functional.melscale_fbanks(
            n_freqs=bins,
            f_min=0.0,
            f_max=SAMPLE_RATE_HZ / 2,
            n_mels=mel_bins,
            sample_rate=SAMPLE_RATE_HZ,
            norm="slaney",
            mel_scale="slaney",
        )
    )
