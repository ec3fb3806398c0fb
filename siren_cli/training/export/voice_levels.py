"""Level map fitting: merge levels of voice coefficients that are not worth their bits."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siren_cli.model.decoder import Speech
from siren_cli.model.siren import SirenModel
from siren_cli.model.speaker import VOICE_LEVELS
from siren_cli.training.data.batches import Batch, Cache, Crops
from siren_format.voice import codes_to_digits, digits_to_numbers, voice_levels

_CROPS = 48
_CROP_FRAMES = 640
_PITCH_WEIGHT = 0.1
"""Weight of squared nats of mean pitch beside squared standard deviations of a mean spectrum."""

_COARSE_SHARE = 0.5
"""Factor on the price of a bit for coefficients of four levels.

Merging two of four levels moves the decoded voice further than one step predicts. Without the factor, the similarity of
training speakers falls sooner (weights/log).
"""

_UNSEEN = 0.01
"""Pseudo-count of every level."""


def fit_level_map(
    model: SirenModel,
    cache: Cache,
    voices: NDArray[np.integer],
    weight: float,
    device: torch.device,
    most: int,
) -> tuple[int, ...]:
    """Merge levels of voice coefficients if that saves more bits than it costs distance.

    Each coefficient has an entropy-constrained scalar quantiser (Chou, Lookabaugh & Gray 1989). Its levels are cut into
    runs of neighbours, and one level of each run replaces the run. The cuts minimise sensitivity · distance² +
    price · bits; the sensitivity is the effect of a step on decoded speech.

    Args:
        model: On the device, in evaluation mode, without a level map.
        cache: Its training data.
        voices: Digits [N, 28] of the voices of training recordings.
        weight: Price of a bit, in squared distance over codes at a mean sensitivity of 1.
        device: Device of the model.
        most: Largest number of levels of a coefficient.

    Returns:
        The level map, `ModelConfig.voice_used`: replacement level for every level of every coefficient.
    """
    fine = model.config.voice_fine
    numbers = np.array([digits_to_numbers(digits.tolist(), fine) for digits in voices])
    crops = Crops(cache, "train", 1).batch(0, _CROPS, _CROP_FRAMES, _CROP_FRAMES, voice_own=True)
    sensitivities = _sensitivities(model, crops.to(device))
    level_map: list[int] = []
    level_counts = model.factorizer.voice.fsq.levels.tolist()
    for number, (levels, sensitivity) in enumerate(zip(level_counts, sensitivities, strict=True)):
        counts = np.bincount(numbers[:, number], minlength=levels)
        price = weight * (_COARSE_SHARE if levels == VOICE_LEVELS else 1.0)
        level_map += _merged(counts, sensitivity, price, most)
    return tuple(level_map)


def apply_level_map(voices: NDArray[np.integer], fine: int, used: tuple[int, ...]) -> NDArray[np.int64]:
    """Replace the levels of voices by their level map: digits [N, 28] → [N, 28]."""
    if not used:
        return voices.astype(np.int64)
    levels = voice_levels(fine)
    tables = np.split(np.array(used), np.cumsum(levels)[:-1])
    mapped = []
    for digits in voices:
        numbers = [int(table[n]) for table, n in zip(tables, digits_to_numbers(digits.tolist(), fine), strict=True)]
        mapped.append(codes_to_digits([n / (count // 2) - 1 for n, count in zip(numbers, levels, strict=True)]))
    return np.array(mapped, np.int64)


@torch.no_grad()
def _sensitivities(model: SirenModel, batch: Batch) -> NDArray[np.float64]:
    """Measure the squared effect of a step of each code on mean spectrum and pitch of decoded speech; mean 1, [N]."""
    encoder = model.factorizer.voice
    features = batch.mel if model.front_end is None else model.front_end(batch.wav)
    _, latents = model.factorizer.semantic(features)
    quantised, _ = model.quantizer(latents, torch.ones(len(latents), dtype=torch.int64, device=latents.device))
    codes = encoder(batch.voice_mel)

    def decoded(codes: Tensor) -> Speech:
        return Speech(*(part.float().mean(1) for part in model.decoder(quantised, encoder.codes_to_voice(codes))[1]))

    before = decoded(codes)
    effects = []
    for number, levels in enumerate(encoder.fsq.levels.tolist()):
        step = 0.25 if levels > VOICE_LEVELS else 0.5
        moved = codes.clone()
        moved[:, number] -= step * torch.where(codes[:, number] > 0, 1.0, -1.0)
        after = decoded(moved)
        far = (after.mel - before.mel).square().mean() + _PITCH_WEIGHT * (after.pitch - before.pitch).square().mean()
        effects.append(float(far) / step**2)
    sensitivities = np.array(effects)
    return sensitivities / max(float(sensitivities.mean()), 1e-12)


def _merged(counts: NDArray[np.integer], sensitivity: float, price: float, most: int) -> list[int]:
    """Choose the replacement of each level by dynamic programming over the ends of at most `most` runs."""
    levels = len(counts)
    shares = (counts + _UNSEEN) / (counts + _UNSEEN).sum()
    places = np.arange(levels) / (levels // 2)
    best: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}  # number of runs → cost and map of the levels before
    ends = [best]
    for end in range(1, levels + 1):
        found: dict[int, tuple[float, list[int]]] = {}
        for start in range(end):
            run, where = shares[start:end], places[start:end]
            distances = [(float((run * (where - places[level]) ** 2).sum()), level) for level in range(start, end)]
            distance, level = min(distances)
            cost = sensitivity * distance - price * float(run.sum() * np.log2(run.sum()))
            for runs, (before, used) in ends[start].items():
                if runs < most and before + cost < found.get(runs + 1, (float("inf"), []))[0]:
                    found[runs + 1] = before + cost, used + [level] * (end - start)
        ends.append(found)
    return min(ends[-1].values())[1]
