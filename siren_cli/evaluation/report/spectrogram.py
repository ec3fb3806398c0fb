"""Spectrograms as PNG files, written without a package for pictures."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_RANGE_DB = 70.0
_WINDOW_SAMPLES = 512
_COLUMNS = 480
_ROWS = 120
_COLOURS = 128
_STOPS = np.array(  # dark to bright through blue, red and yellow, each step lighter than the one before
    [(0, 0, 10), (60, 15, 110), (150, 40, 110), (225, 85, 60), (250, 165, 20), (250, 250, 200)], np.float64
)


def spectrogram_png(wav: NDArray[np.float32], peak_db: float) -> bytes:
    """Draws a recording, time to the right and 0 to 8 kHz upwards.

    Args:
        wav: Samples [T] at 16 kHz.
        peak_db: Magnitude that gets the brightest colour, so that pictures can be compared (`peak_of`).

    Returns:
        A PNG file of 480 by 120 pixels.
    """
    shades = np.clip((_magnitudes_db(wav) - peak_db) / _RANGE_DB + 1.0, 0.0, 1.0)
    pixels = np.rint(shades * (_COLOURS - 1)).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels[::-1])
    header = struct.pack(">IIBBBBB", _COLUMNS, _ROWS, 8, 3, 0, 0, 0)
    chunks = (b"IHDR", header), (b"PLTE", _palette()), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def peak_of(wav: NDArray[np.float32]) -> float:
    """The largest magnitude of a recording's spectrogram, dB."""
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


def _palette() -> bytes:
    """Red, green and blue of every colour, dark to bright."""
    stops, places = np.arange(len(_STOPS)), np.linspace(0, len(_STOPS) - 1, _COLOURS)
    colours = np.stack([np.interp(places, stops, channel) for channel in _STOPS.T], axis=1)
    return colours.astype(np.uint8).tobytes()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
