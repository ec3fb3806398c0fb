"""Silence around speech: zeros or faint room noise before, behind or within it."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from siren_cli.audio.level import speech_level_db
from siren_cli.config import SAMPLE_RATE_HZ

Samples = NDArray[np.float32]

LENGTHS_S = (2, 20)
KINDS = ("zeros", "room noise")
PLACES = ("before", "behind", "between")
SILENCES = tuple(f"{length_s} s of {kind} {place}" for kind in KINDS for length_s in LENGTHS_S for place in PLACES)
"""Conditions of `siren eval --study robustness`; the clean recording has 0 s."""

ROOM_DB = -50.0
"""Level of the room noise relative to the speech level."""

_WINDOW_SAMPLES = SAMPLE_RATE_HZ // 10


def add_silence(wav: Samples, silence: str) -> Samples:
    """Add silence to a recording; deterministic.

    Args:
        wav: Samples [T] at 16 kHz.
        silence: One of `SILENCES`; `between` cuts in the quietest 0.1 s of the middle half.

    Returns:
        Samples [T + length of the silence]; the speech is unchanged.
    """
    length, _, rest = silence.partition(" s of ")
    kind, _, place = rest.rpartition(" ")
    count = int(length) * SAMPLE_RATE_HZ
    quiet = np.zeros(count, np.float32) if kind == "zeros" else _room_noise(wav, count)
    cut = {"before": 0, "behind": len(wav)}.get(place)
    cut = _pause(wav) if cut is None else cut
    return np.concatenate([wav[:cut], quiet, wav[cut:]])


def _pause(wav: Samples) -> int:
    """Middle of the quietest 0.1 s in the middle half of a recording."""
    start, stop = len(wav) // 4, 3 * len(wav) // 4
    power = np.convolve(np.square(wav[start:stop], dtype=np.float64), np.ones(_WINDOW_SAMPLES), mode="valid")
    return start + int(np.argmin(power)) + _WINDOW_SAMPLES // 2


def _room_noise(wav: Samples, count: int) -> Samples:
    """Pink room noise [count] at `ROOM_DB`; its power falls with frequency."""
    rng = np.random.default_rng(zlib.crc32(wav.tobytes()))
    spectrum = np.fft.rfft(rng.standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ)
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(hertz, 50.0)), count)
    level = 10.0 ** ((speech_level_db(wav) + ROOM_DB) / 20.0)
    return (noise * (level / np.sqrt(np.mean(noise**2)))).astype(np.float32)
