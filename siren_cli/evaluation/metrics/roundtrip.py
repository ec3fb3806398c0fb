"""Metrics of `siren roundtrip`: mel distance by the model, and STOI."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from siren_cli.config import FRAME_SAMPLES
from siren_cli.model.siren import SirenModel


@torch.inference_mode()
def model_mel_distance_db(networks: SirenModel, original: NDArray[np.float32], decoded: NDArray[np.float32]) -> float:
    """Mean absolute difference of two recordings' log-mel spectra, with the model's own mel front end.

    Args:
        networks: Model with the mel front end.
        original: Samples [T] at 16 kHz.
        decoded: Samples [T] at 16 kHz, of equal length.

    Returns:
        Distance in dB, over all bins and frames.
    """
    padding, device = (0, -len(original) % FRAME_SAMPLES), next(networks.parameters()).device
    mels = [networks.mel(torch.from_numpy(np.pad(wav, padding))[None].to(device)) for wav in (original, decoded)]
    nats = float((mels[0] - mels[1]).abs().mean()) * networks.config.mel_std
    return nats * 20.0 / float(np.log(10.0))


def short_time_intelligibility(
    reference: NDArray[np.float32], decoded: NDArray[np.float32], rate_hz: int
) -> tuple[float | None, str]:
    """Short-time objective intelligibility, STOI (Taal et al. 2011).

    Args:
        reference: Samples [T] of the original.
        decoded: Samples [T], of equal length.
        rate_hz: Sample rate of both.

    Returns:
        STOI, 0 to 1, and an empty text; or None and the reason.
    """
    import warnings

    try:
        from pystoi import stoi
    except ImportError:
        return None, "STOI is left out; install pystoi to have it (pip install pystoi)"
    too_short = "STOI is left out; it needs about half a second of speech"
    if not reference.any():
        return None, too_short
    with warnings.catch_warnings():
        # pystoi warns and returns a meaningless number if fewer than 30 frames are active.
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(stoi(reference, decoded, rate_hz)), ""
        except RuntimeWarning:
            return None, too_short
