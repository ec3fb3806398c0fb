"""Spectrograms as PNG files."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

_RANGE_DB = 70.0
_WINDOW_SAMPLES = 512
_COLUMNS = 480
_ROWS = 120


def spectrogram_png(wav: NDArray[np.float32], peak_db: float) -> bytes:
    """Draw a recording, time to the right and 0 to 8 kHz upwards.

    Args:
        wav: Samples [T] at 16 kHz.
        peak_db: Magnitude of the brightest colour (`peak_of`), equal for pictures to be compared.

    Returns:
        A PNG file of 480 by 120 pixels.
    """
    from matplotlib.image import imsave

    out = io.BytesIO()
    imsave(
        out, _magnitudes_db(wav), vmin=peak_db - _RANGE_DB, vmax=peak_db, cmap="inferno", origin="lower", format="png"
    )
    return out.getvalue()


def peak_of(wav: NDArray[np.float32]) -> float:
    """Largest magnitude of a recording's spectrogram, dB."""
    return float(_magnitudes_db(wav).max())


def _magnitudes_db(wav: NDArray[np.float32]) -> NDArray[np.float64]:
    padded = np.pad(wav, (0, max(0, _WINDOW_SAMPLES - len(wav))))
    starts = np.linspace(0, len(padded) - _WINDOW_SAMPLES, _COLUMNS).astype(int)
    frames = padded[starts[:, None] + np.arange(_WINDOW_SAMPLES)] * np.hanning(_WINDOW_SAMPLES)
    power = np.abs(np.fft.rfft(frames)[:, : _WINDOW_SAMPLES // 2]) ** 2
    edges = np.linspace(0, power.shape[1], _ROWS + 1).astype(int)
    rows = np.stack([power[:, a:b].mean(axis=1) for a, b in zip(edges[:-1], edges[1:], strict=True)])
    decibels: NDArray[np.float64] = 10.0 * np.log10(rows + 1e-10)
    return decibels
