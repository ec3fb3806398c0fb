"""Reference-based signal metrics: STOI, ESTOI, PESQ, SI-SDR, mel distance, pitch."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from siren_cli.config import SAMPLE_RATE_HZ

Samples = NDArray[np.float32]

_PESQ_PIECE_S = 20.0  # the ITU program holds 50 utterances and does not check for more
_FEWEST_VOICED_FRAMES = 10

STOI_VERSION = PESQ_VERSION = DISTANCE_VERSION = PITCH_VERSION = 1
"""Raise a number when a change here may change that metric; cached values of the old version are then unused."""


def intelligibility(original: Samples, decoded: Samples) -> dict[str, float | None]:
    """Short-time objective intelligibility (Taal et al. 2011), and extended (Jensen & Taal 2016).

    Args:
        original: Samples [T] at 16 kHz.
        decoded: Samples [T].

    Returns:
        `{"stoi", "estoi"}`; None with too little speech.
    """
    from pystoi import stoi
    from pystoi.stoi import FS as STOI_HZ
    from pystoi.utils import resample_oct

    if not original.any():
        return {"stoi": None, "estoi": None}
    # Resampling takes most of the time, so it is done once for both.
    pair = [resample_oct(wav, STOI_HZ, SAMPLE_RATE_HZ) for wav in (original, decoded)]
    found: dict[str, float | None] = {}
    for name, extended in (("stoi", False), ("estoi", True)):
        with warnings.catch_warnings():
            # pystoi warns and returns a meaningless number if fewer than 30 frames are active.
            warnings.simplefilter("error", RuntimeWarning)
            try:
                found[name] = float(stoi(*pair, STOI_HZ, extended))
            except RuntimeWarning:
                found[name] = None
    return found


def pesq_wide_band(original: Samples, decoded: Samples) -> float | None:
    """Wide-band PESQ (ITU-T P.862.2), mean over pieces of at most 20 s.

    Args:
        original: Samples [T] at 16 kHz.
        decoded: Samples [T].

    Returns:
        About 1.04 to 4.64; None without detected speech.
    """
    from pesq import NoUtterancesError, PesqError, pesq

    count = max(1, -(-len(original) // int(_PESQ_PIECE_S * SAMPLE_RATE_HZ)))
    scores = []
    for first, second in zip(np.array_split(original, count), np.array_split(decoded, count), strict=True):
        if not first.any() or not second.any():
            continue
        try:
            scores.append(float(pesq(SAMPLE_RATE_HZ, first, second, "wb")))
        except (NoUtterancesError, PesqError):
            continue
    return float(np.mean(scores)) if scores else None


def si_sdr_db(original: Samples, decoded: Samples) -> float | None:
    """Scale-invariant signal-to-distortion ratio (Le Roux et al. 2019).

    Args:
        original: Samples [T].
        decoded: Samples [T].

    Returns:
        Ratio in dB, clipped to -100 to 100; None if either is silent.
    """
    target, estimate = original.astype(np.float64), decoded.astype(np.float64)
    energy = float(target @ target)
    if energy == 0.0 or not estimate.any():
        return None
    projection = float(estimate @ target) / energy * target
    error = estimate - projection
    ratio = max(float(projection @ projection), 1e-30) / max(float(error @ error), 1e-30)
    return float(np.clip(10.0 * np.log10(ratio), -100.0, 100.0))


def mel_distance_db(original: Samples, decoded: Samples) -> float:
    """Mean absolute difference of two log-mel spectra, both brought to the nominal speech level.

    Args:
        original: Samples [T] at 16 kHz.
        decoded: Samples [T].

    Returns:
        Distance in dB over all 80 bins and frames of 10 ms.
    """
    from siren_cli.evaluation.metrics.recogniser import MEL_STD, log_mel

    nats = float((log_mel(original) - log_mel(decoded)).abs().mean()) * MEL_STD
    return nats * 20.0 / float(np.log(10.0))


def pitch_likeness(original: Samples, decoded: Samples) -> dict[str, float | None]:
    """Pitch correlation and voicing error (RAPT, frames of 10 ms).

    Args:
        original: Samples [T] at 16 kHz.
        decoded: Samples [T].

    Returns:
        `{"f0_correlation", "voicing_error"}`: Pearson correlation of ln F0 over frames voiced in both, None with
        fewer than 10 such frames or a constant pitch; share of frames voiced in only one.
    """
    from siren_cli.audio.pitch import HOP_SAMPLES, log_pitch

    frames = len(original) // HOP_SAMPLES
    tracks = [log_pitch(wav, frames) for wav in (original, decoded)]
    voiced = [track > 0 for track in tracks]
    both = voiced[0] & voiced[1]
    correlation = None
    if both.sum() >= _FEWEST_VOICED_FRAMES and all(float(track[both].std()) > 1e-6 for track in tracks):
        correlation = float(np.corrcoef(tracks[0][both], tracks[1][both])[0, 1])
    return {"f0_correlation": correlation, "voicing_error": float((voiced[0] != voiced[1]).mean())}


def low_pass(wav: Samples, edge_hz: int) -> Samples:
    """Low-pass filter by resampling down and up.

    Args:
        wav: Samples [T] at 16 kHz.
        edge_hz: Cut-off frequency; the intermediate rate is twice as high.

    Returns:
        Samples [T] at 16 kHz.
    """
    from siren_cli.audio.resampling import resample

    narrow = resample(resample(wav, SAMPLE_RATE_HZ, 2 * edge_hz), 2 * edge_hz, SAMPLE_RATE_HZ)
    return np.pad(narrow[: len(wav)], (0, max(0, len(wav) - len(narrow))))
