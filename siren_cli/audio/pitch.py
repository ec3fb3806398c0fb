"""Pitch per 10 ms frame: RAPT (Talkin 1995), by pysptk, which only the extras `train` and `eval` bring."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from siren_cli.config import SAMPLE_RATE_HZ

HOP_SAMPLES = 160
PITCH_FLOOR_HZ = 60.0
PITCH_CEILING_HZ = 500.0
_MEDIAN_FRAMES = 101


def log_pitch(wav: npt.NDArray[np.float32], frames: int) -> npt.NDArray[np.float32]:
    """Natural logarithm of F0 in Hz per 10 ms frame [frames], 0 where unvoiced."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pysptk imports pkg_resources, which announces its own end
        import pysptk
    f0_hz = pysptk.rapt(
        (wav * 32768.0).astype(np.float32),
        fs=SAMPLE_RATE_HZ,
        hopsize=HOP_SAMPLES,
        min=PITCH_FLOOR_HZ,
        max=PITCH_CEILING_HZ,
        otype="f0",
    )[:frames]
    f0_hz = np.pad(f0_hz, (0, frames - len(f0_hz)))
    return mend_octaves(np.where(f0_hz > 0, np.log(np.maximum(f0_hz, 1.0)), 0.0).astype(np.float32))


def mend_octaves(pitch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Moves pitches that a tracker found an octave off back to where the voice is.

    A voiced frame more than half an octave from the median of the voiced second around it is moved by one octave,
    if that brings it within a quarter of an octave.

    Args:
        pitch: ln(F0 / Hz) per frame [F], 0 where unvoiced.

    Returns:
        The same, mended [F].
    """
    voiced = np.flatnonzero(pitch)
    if len(voiced) == 0:
        return pitch
    values = pitch[voiced]
    around = np.lib.stride_tricks.sliding_window_view(np.pad(values, _MEDIAN_FRAMES // 2, "edge"), _MEDIAN_FRAMES)
    off = values - np.median(around, axis=1)
    octave = np.float32(np.log(2.0))
    moved = values - np.sign(off) * octave
    wrong = (np.abs(off) > octave / 2) & (np.abs(off - np.sign(off) * octave) < octave / 4)
    mended = pitch.copy()
    mended[voiced[wrong]] = moved[wrong]
    return mended
