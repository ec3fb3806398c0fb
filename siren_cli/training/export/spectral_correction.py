"""Fits a model's tone: what its decoded speech lacks of mean spectra, in few numbers of four levels."""

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
"""Recordings of 2.5 s or more, 10 ms a frame: shorter ones lack what they did not say."""

_LOUDNESS = 0.3
"""Power of a bin's mean magnitude that it counts by; loudness grows like this (Stevens 1957). Of 0, 0.3 and 0.6 it
brings decoded voices nearest."""

_BIT = 0.0185
"""What a bit is worth in squared distance: that of evenly spaced levels 0.4 apart (Gersho & Gray 1992, 9.9)."""

_ROUNDS = 60


@torch.inference_mode()
def fit_spectral_correction(model: SirenModel, cache: Cache, device: torch.device) -> None:
    """Fits the model's tone to its training data: principal components and, for each, entropy-constrained levels.

    Args:
        model: On the device, in evaluation mode, with the levels of voices that recordings use, and a tone.
        cache: Its training data.
        device: Where the model is.

    Raises:
        DataError: If there is no recording of 2.5 s.
    """
    assert model.tone is not None, "ModelConfig asks for one"
    spans = [span for span in cache.split("train") if span.frames >= _FEWEST_FRAMES]
    if not spans:
        raise DataError("the cache has no recording of 2.5 s or more, expected some to fit the tone to; give longer")
    lacks, means = [], []
    for span in spans[:: max(1, len(spans) // _RECORDINGS)]:
        wav = wav_of(cache, span)[: CHUNK_FRAMES * FRAME_SAMPLES]
        samples = torch.from_numpy(np.pad(wav, (0, -len(wav) % FRAME_SAMPLES)))[None].to(device)
        lacks.append(lacking(model, samples)[1][0].double().cpu().numpy())
        means.append(model.mel(samples)[0].double().mean(0).cpu().numpy())
    _fill(model.tone, np.array(lacks), np.array(means).mean(0) * model.config.mel_std)


def _fill(tone: Tone, lacks: NDArray[np.float64], mean: NDArray[np.float64]) -> None:
    """Fills a tone's arrays from what recordings lack [N, M]; the bins' mean log magnitudes are `mean` [M]."""
    weights = np.exp(_LOUDNESS * (mean - mean.mean()))
    weights /= weights.mean()
    centre = lacks.mean(0)
    weighted = (lacks - centre) * weights
    found = np.linalg.svd(weighted, full_matrices=False)[2]
    directions = np.zeros(tuple(tone.analysis.shape))
    directions[: len(found)] = found[: len(directions)]
    levels = np.array([entropy_constrained_levels(weighted @ direction) for direction in directions])
    arrays = {
        "centre": centre, "analysis": directions * weights, "synthesis": directions / weights, "levels": levels,
    }  # fmt: skip
    for name, array in arrays.items():
        stored = torch.from_numpy(array).to(torch.float16).float()  # as the model's file has it
        getattr(tone, name).copy_(stored.to(tone.centre.device))


def entropy_constrained_levels(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Four rising levels for numbers [N] (Chou, Lookabaugh & Gray 1989): little squared distance, few bits.

    Levels that are not worth their bits stay beyond the others, where nearest-level coding seldom finds them.
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
