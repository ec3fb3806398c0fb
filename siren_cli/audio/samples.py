"""Arrays of the Python interface to samples: torch or NumPy, any layout and number format that has one meaning."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siren_cli.errors import AudioEmpty, AudioInvalid

MIN_RATE_HZ = 1_000
MAX_RATE_HZ = 768_000

MAX_CHANNELS = 32
"""The largest axis of an array that is taken for its channels."""

FAR_ABOVE_FULL_SCALE = 4.0
"""Floating-point samples that reach this are probably integers that nobody scaled."""


def to_samples(wav: ArrayLike, sample_rate_hz: int) -> NDArray[np.float32]:
    """Brings a whole recording, as a caller has it, to samples.

    Args:
        wav: A torch tensor (any device, with or without gradient), a NumPy array or a sequence, as [T], [1, T],
            [C, T] or [T, C]. The smaller of two axes is the channels. Integers of 8 to 32 bits are divided by their
            full scale; floats of any width have full scale 1.
        sample_rate_hz: Their rate.

    Returns:
        Samples [T] or [T, C], full scale at 1.

    Raises:
        AudioEmpty: If there are no samples.
        AudioInvalid: If the rate is out of range, a sample is not finite or no number, or the shape is ambiguous.
    """
    require_rate(sample_rate_hz)
    found = _scaled(_as_array(wav))
    if found.size == 0:
        raise AudioEmpty("there are no samples, expected at least one; check the recording")
    if not np.isfinite(found).all():
        raise AudioInvalid("a sample is not finite (NaN or infinity), expected numbers; check the recording")
    if (note := loudness_note(float(np.abs(found).max()))) is not None:
        warnings.warn(note, stacklevel=3)
    return _samples_first(found)


class BlockReader:
    """Brings the blocks of one recording to samples, as `to_samples` does.

    The first block that holds samples decides which axis is the channels. Where both could be, blocks are [T, C].

    Args:
        sample_rate_hz: Rate of the blocks.

    Raises:
        AudioInvalid: If the rate is out of range.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        require_rate(sample_rate_hz)
        self._is_turned: bool | None = None

    def read(self, block: ArrayLike) -> NDArray[np.float32]:
        """One block, [T], [T, C] or [C, T], to samples [T] or [T, C].

        Raises:
            AudioInvalid: If it holds no numbers or its shape is ambiguous.
        """
        found = _scaled(_as_array(block))
        if found.ndim != 2 or found.size == 0:
            return found
        if self._is_turned is None:
            first, second = found.shape
            self._is_turned = first < second and not (first == 1 and second <= MAX_CHANNELS)
            _require_channels(found.shape, min(found.shape))
        return found.T if self._is_turned else found


def require_rate(sample_rate_hz: int) -> None:
    """Refuses a sample rate that is no whole number of Hz in range.

    Raises:
        AudioInvalid: If it is none.
    """
    try:
        is_whole = not isinstance(sample_rate_hz, (bool, str)) and int(sample_rate_hz) == sample_rate_hz
    except (TypeError, ValueError, OverflowError):
        is_whole = False
    if not is_whole or not MIN_RATE_HZ <= sample_rate_hz <= MAX_RATE_HZ:
        raise AudioInvalid(
            f"sample rate of {sample_rate_hz!r} Hz, expected a whole number in {MIN_RATE_HZ}..{MAX_RATE_HZ}; "
            "give the recording's rate in Hz"
        )


def loudness_note(peak: float) -> str | None:
    """The note on samples far above full scale; None for others.

    Args:
        peak: Largest magnitude of the samples.
    """
    if peak < FAR_ABOVE_FULL_SCALE:
        return None
    return f"samples reach {peak:.0f} times full scale, expected -1..1; divide them by their full scale, such as 32768"


def _as_array(wav: Any) -> NDArray[Any]:
    try:
        if hasattr(wav, "detach") and hasattr(wav, "cpu"):  # a torch tensor, without importing torch
            wav = wav.detach().cpu()
            wav = wav.float() if wav.is_floating_point() else wav
            return np.asarray(wav.numpy())
        return np.asarray(wav)
    except (TypeError, ValueError, RuntimeError) as error:
        raise AudioInvalid(
            f"samples of type {type(wav).__name__} make no array ({error}); give a NumPy array or a torch tensor"
        ) from error


def _scaled(found: NDArray[Any]) -> NDArray[np.float32]:
    kind, width = found.dtype.kind, found.dtype.itemsize
    if found.size == 0 and kind in "fiu":
        return found.astype(np.float32)
    if kind == "f":
        with np.errstate(over="ignore"):
            return found.astype(np.float32)
    if kind in "iu" and width <= 4:
        full_scale = 2.0 ** (8 * width - 1)
        wide = found.astype(np.float64) - (full_scale if kind == "u" else 0.0)
        return np.asarray(wide / full_scale, np.float32)
    raise AudioInvalid(
        f"samples are {found.dtype}, expected floats or integers of 8 to 32 bits; give float32 with full scale at 1"
    )


def _samples_first(found: NDArray[np.float32]) -> NDArray[np.float32]:
    if found.ndim == 1:
        return found
    if found.ndim != 2:
        raise AudioInvalid(
            f"samples have shape {list(found.shape)}, expected [T] or [T, C]; give one recording at a time"
        )
    first, second = found.shape
    if first == second > 1:
        raise AudioInvalid(
            f"samples have shape {[first, second]}, expected one axis of channels and a longer one of samples; give [T]"
        )
    _require_channels(found.shape, min(first, second))
    return found.T if first < second else found


def _require_channels(shape: tuple[int, ...], channels: int) -> None:
    if channels > MAX_CHANNELS:
        raise AudioInvalid(
            f"samples have shape {list(shape)}, expected at most {MAX_CHANNELS} channels; give one recording at a time"
        )
