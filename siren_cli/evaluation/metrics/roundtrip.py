"""How close a decoded recording came to its original, as `siren roundtrip` says it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from siren_cli.config import FRAME_SAMPLES
from siren_cli.model.siren import SirenModel


@torch.inference_mode()
def model_mel_distance_db(networks: SirenModel, original: NDArray[np.float32], decoded: NDArray[np.float32]) -> float:
    """Mean absolute difference of two recordings' log-mel spectra, the model's own.

    Args:
        networks: The model, whose mel it is.
        original: Samples [T] at 16 kHz.
        decoded: Samples [T] at 16 kHz, as many.

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
        decoded: Samples [T], as many.
        rate_hz: Their rate.

    Returns:
        0 to 1 and nothing; or None and the reason why there is none.
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
        # pystoi warns, and returns a number that means nothing, when fewer than 30 frames are not silent.
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(stoi(reference, decoded, rate_hz)), ""
        except RuntimeWarning:
            return None, too_short
