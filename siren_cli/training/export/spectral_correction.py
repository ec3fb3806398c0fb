"""Spectral correction fitting: principal components and levels of the mean-spectrum error of decoded speech."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from siren_cli.errors import DataError
from siren_cli.model.siren import SirenModel
from siren_cli.model.speaker_coding import lacking
from siren_cli.model.spectral_correction import TONE_LEVELS, Tone
from siren_cli.streaming.chunking import CHUNK_FRAMES
from siren_cli.training.data.batches import Cache
from siren_cli.training.data.indices import wav_of
from siren_format.limits import FRAME_SAMPLES

_RECORDINGS = 1_200
_FEWEST_FRAMES = 248
"""Shortest recording, 10 ms a frame; the mean spectrum of a shorter one depends on its words."""

_LOUDNESS = 0.3
"""Exponent of a bin's mean magnitude as its weight (loudness, Stevens 1957).

Of 0, 0.3 and 0.6 it gave the nearest decoded voices.
"""

_BIT = 0.0185
"""Value of a bit in squared distance: that of evenly spaced levels 0.4 apart (Gersho & Gray 1992, 9.9)."""

_ROUNDS = 60


@torch.inference_mode()
def fit_spectral_correction(model: SirenModel, cache: Cache, device: torch.device) -> None:
    """Fit the model's spectral correction: principal components with entropy-constrained levels.

    Args:
        model: On the device, in evaluation mode, with its level map and a spectral correction.
        cache: Its training data.
        device: Device of the model.

    Raises:
        DataError: If there is no recording of 2.5 s.
    """
    assert model.tone is not None, "ModelConfig asks for one"
    spans = [span for span in cache.split("train") if span.frames >= _FEWEST_FRAMES]
    if not spans:
        raise DataError("the cache has no recording of 2.5 s or more, expected some to fit the tone to; give longer")
    residuals, means = [], []
    for span in spans[:: max(1, len(spans) // _RECORDINGS)]:
        wav = wav_of(cache, span)[: CHUNK_FRAMES * FRAME_SAMPLES]
        samples = torch.from_numpy(np.pad(wav, (0, -len(wav) % FRAME_SAMPLES)))[None].to(device)
        residuals.append(lacking(model, samples)[1][0].double().cpu().numpy())
        means.append(model.mel(samples)[0].double().mean(0).cpu().numpy())
    _fill(model.tone, np.array(residuals), np.array(means).mean(0) * model.config.mel_std)


def _fill(correction: Tone, residuals: NDArray[np.float64], mean: NDArray[np.float64]) -> None:
    """Fill the arrays from spectral residuals of recordings [N, M] and mean log magnitudes of the bins [M]."""
    weights = np.exp(_LOUDNESS * (mean - mean.mean()))
    weights /= weights.mean()
    centre = residuals.mean(0)
    weighted = (residuals - centre) * weights
    components = np.linalg.svd(weighted, full_matrices=False)[2]
    directions = np.zeros(tuple(correction.analysis.shape))
    directions[: len(components)] = components[: len(directions)]
    levels = np.array([entropy_constrained_levels(weighted @ direction) for direction in directions])
    arrays = {
        "centre": centre, "analysis": directions * weights, "synthesis": directions / weights, "levels": levels,
    }  # fmt: skip
    for name, array in arrays.items():
        stored = torch.from_numpy(array).to(torch.float16).float()  # as the model's file has it
        getattr(correction, name).copy_(stored.to(correction.centre.device))


def entropy_constrained_levels(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit four rising levels to values [N] by entropy-constrained quantisation (Chou, Lookabaugh & Gray 1989).

    Levels that are not worth their bits are put beyond the others, where few values are nearest to them.
    """
    spread = float(values.std()) + 1e-6
    levels = np.quantile(values, (np.arange(TONE_LEVELS) + 0.5) / TONE_LEVELS)
    shares = np.full(TONE_LEVELS, 1 / TONE_LEVELS)
    for _ in range(_ROUNDS):
        price = _BIT * -np.log2(np.maximum(shares, 1e-4))
        nearest = ((values[:, None] - levels) ** 2 + price).argmin(1)
        shares = np.bincount(nearest, minlength=TONE_LEVELS) / len(values)
        for level in np.flatnonzero(shares):
            levels[level] = values[nearest == level].mean()
    kept = np.sort(levels[shares > 0])
    beyond = kept[-1] + 4 * spread * np.arange(1, TONE_LEVELS + 1 - len(kept))
    return np.concatenate([kept, beyond])
