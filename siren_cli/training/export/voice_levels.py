"""Which levels of a voice's numbers recordings use: as many as telling speakers apart is worth in bits."""

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
"""Squared nats of mean pitch beside squared standard deviations of a mean spectrum."""

_COARSE_SHARE = 0.5
"""Price of a bit where there are four levels: merging two of those moves too far for what a single step tells, and the
likeness of training speakers falls sooner (weights/log)."""

_UNSEEN = 0.01
"""Added to the counts of levels."""


def fit_levels_used(
    model: SirenModel,
    cache: Cache,
    voices: NDArray[np.integer],
    weight: float,
    device: torch.device,
    most: int,
) -> tuple[int, ...]:
    """Merges levels of the voice's numbers where that saves more than it costs.

    Entropy-constrained scalar quantisation (Chou, Lookabaugh & Gray 1989) of each number by itself: of all ways to cut
    its levels into runs of neighbours, each standing for one of its own, the one with the least (distance² · what a
    step of the number moves in decoded speech + price · bits).

    Args:
        model: On the device, in evaluation mode, all levels in use.
        cache: Its training data.
        voices: Digits [N, 28] of the voices of training recordings.
        weight: Price of a bit, in squared distance over codes, where the mean number's weight is 1.
        device: Where the model is.
        most: How many levels of a number may be left.

    Returns:
        What `ModelConfig.voice_used` says: for each level of each number the one used instead.
    """
    fine = model.config.voice_fine
    numbers = np.array([digits_to_numbers(digits.tolist(), fine) for digits in voices])
    crops = Crops(cache, "train", 1).batch(0, _CROPS, _CROP_FRAMES, _CROP_FRAMES, voice_own=True)
    moved = _what_steps_move(model, crops.to(device))
    used: list[int] = []
    for number, (levels, share) in enumerate(zip(model.factorizer.voice.fsq.levels.tolist(), moved, strict=True)):
        counts = np.bincount(numbers[:, number], minlength=levels)
        price = weight * (_COARSE_SHARE if levels == VOICE_LEVELS else 1.0)
        used += _merged(counts, share, price, most)
    return tuple(used)


def with_levels_used(voices: NDArray[np.integer], fine: int, used: tuple[int, ...]) -> NDArray[np.int64]:
    """Digits [N, 28] of voices, their levels replaced by those in use."""
    if not used:
        return voices.astype(np.int64)
    levels = voice_levels(fine)
    tables = np.split(np.array(used), np.cumsum(levels)[:-1])
    found = []
    for digits in voices:
        drawn = [int(table[n]) for table, n in zip(tables, digits_to_numbers(digits.tolist(), fine), strict=True)]
        found.append(codes_to_digits([n / (count // 2) - 1 for n, count in zip(drawn, levels, strict=True)]))
    return np.array(found, np.int64)


@torch.no_grad()
def _what_steps_move(model: SirenModel, batch: Batch) -> NDArray[np.float64]:
    """How far a step of each code moves the mean spectrum and pitch of decoded speech, squared; mean 1, [N]."""
    encoder = model.factorizer.voice
    features = batch.mel if model.front_end is None else model.front_end(batch.wav)
    _, latents = model.factorizer.semantic(features)
    quantised, _ = model.quantizer(latents, torch.ones(len(latents), dtype=torch.int64, device=latents.device))
    codes = encoder(batch.voice_mel)

    def decoded(codes: Tensor) -> Speech:
        return Speech(*(part.float().mean(1) for part in model.decoder(quantised, encoder.codes_to_voice(codes))[1]))

    before = decoded(codes)
    moved = []
    for number, levels in enumerate(encoder.fsq.levels.tolist()):
        step = 0.25 if levels > VOICE_LEVELS else 0.5
        other = codes.clone()
        other[:, number] -= step * torch.where(codes[:, number] > 0, 1.0, -1.0)
        after = decoded(other)
        far = (after.mel - before.mel).square().mean() + _PITCH_WEIGHT * (after.pitch - before.pitch).square().mean()
        moved.append(float(far) / step**2)
    shares = np.array(moved)
    return shares / max(float(shares.mean()), 1e-12)


def _merged(counts: NDArray[np.integer], moved: float, price: float, most: int) -> list[int]:
    """The level used instead of each: dynamic programming over the ends of at most so many runs, as cheap as can be."""
    levels = len(counts)
    shares = (counts + _UNSEEN) / (counts + _UNSEEN).sum()
    places = np.arange(levels) / (levels // 2)
    best: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}  # of the levels before an end, with so many runs
    ends = [best]
    for end in range(1, levels + 1):
        found: dict[int, tuple[float, list[int]]] = {}
        for start in range(end):
            own, where = shares[start:end], places[start:end]
            distances = [(float((own * (where - places[level]) ** 2).sum()), level) for level in range(start, end)]
            distance, level = min(distances)
            cost = moved * distance - price * float(own.sum() * np.log2(own.sum()))
            for runs, (before, used) in ends[start].items():
                if runs < most and before + cost < found.get(runs + 1, (float("inf"), []))[0]:
                    found[runs + 1] = before + cost, used + [level] * (end - start)
        ends.append(found)
    return min(ends[-1].values())[1]
