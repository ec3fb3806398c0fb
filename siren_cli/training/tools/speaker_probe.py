"""Speaker probe: accuracy of a linear speaker classifier on the indices."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from siren_cli.config import FSQ_LEVELS
from siren_cli.model.siren import SirenModel
from siren_cli.training.data.batches import Cache, Span
from siren_cli.training.data.indices import indices_of, wav_of

_SPEAKERS = 40
_CLIPS = 16
_FEWEST_CLIPS = 4
_EPOCHS = 300


def speaker_leakage(model: SirenModel, cache: Cache, device: torch.device) -> dict[str, Any]:
    """Measure speaker leakage: accuracy of a linear classifier on unseen recordings of known speakers.

    Its inputs are the frequencies of all values of all digits, and of all pairs of successive values. For comparison,
    it is also trained on mean and deviation of every mel bin. Half of each speaker's recordings train it, the other
    half test it. A linear probe is a lower bound; a larger classifier may be more accurate.

    Args:
        model: Trained, in evaluation mode.
        cache: Its recordings; those of split `train` are used.
        device: Device of the model.

    Returns:
        `speakers`, `clips`, accuracies `indices_1`, `indices_2` (of 1 and 2 stages) and `mel`, and `chance`; only
        `speakers` if fewer than two speakers have four recordings.
    """
    by_speaker: dict[str, list[Span]] = {}
    for span in cache.split("train"):
        by_speaker.setdefault(span.speaker, []).append(span)
    chosen = [spans[:_CLIPS] for _, spans in sorted(by_speaker.items()) if len(spans) >= _FEWEST_CLIPS][:_SPEAKERS]
    if len(chosen) < 2:
        return {"speakers": len(chosen)}
    spans = [span for many in chosen for span in many]
    speakers = np.concatenate([np.full(len(many), number) for number, many in enumerate(chosen)])
    tested = np.concatenate([np.arange(len(many)) % 2 == 1 for many in chosen])
    indices = [indices_of(model, wav_of(cache, span), device) for span in spans]
    mels = [np.asarray(cache.mel[span.first_frame : span.first_frame + span.frames], np.float32) for span in spans]
    facts: dict[str, Any] = {"speakers": len(chosen), "clips": len(spans)}
    for stages in range(1, model.config.stages + 1):
        inputs = np.stack([digit_statistics(clip[:, :stages]) for clip in indices])
        facts[f"indices_{stages}"] = _accuracy(inputs, speakers, tested)
    facts["mel"] = _accuracy(np.stack([np.r_[mel.mean(0), mel.std(0)] for mel in mels]), speakers, tested)
    facts["chance"] = float(np.bincount(speakers[tested]).max() / tested.sum())
    return facts


def digit_statistics(indices: NDArray[np.int16]) -> NDArray[np.float32]:
    """Relative frequencies of the values of all digits of indices [F, Q], and of pairs of successive values."""
    shares = []
    radix = 1
    for levels in FSQ_LEVELS:
        digits = indices.astype(np.int64) // radix % levels
        radix *= levels
        for stage in range(indices.shape[1]):
            digit = digits[:, stage]
            pairs = digit[:-1] * levels + digit[1:]
            shares.append(np.bincount(digit, minlength=levels) / len(digit))
            shares.append(np.bincount(pairs, minlength=levels**2) / max(1, len(pairs)))
    return np.concatenate(shares).astype(np.float32)


def _accuracy(inputs: NDArray[np.float32], classes: NDArray[np.int64], tested: NDArray[np.bool_]) -> float:
    return float(right_guesses(inputs, classes, tested).mean())


def right_guesses(
    inputs: NDArray[np.float32], classes: NDArray[np.int64], tested: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Train a softmax regression on standardised inputs, and test it on the other items.

    Args:
        inputs: Inputs [N, D].
        classes: Classes [N], counted from 0.
        tested: Mask of the items for the test [N].

    Returns:
        For every tested item, True if its class is right.
    """
    mean, deviation = inputs[~tested].mean(0), inputs[~tested].std(0) + 1e-4
    x = torch.from_numpy(((inputs - mean) / deviation).astype(np.float32))
    labels: Tensor = torch.from_numpy(classes)
    train, test = torch.from_numpy(~tested), torch.from_numpy(tested)
    with torch.enable_grad():
        linear = nn.Linear(x.shape[1], int(classes.max()) + 1)
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
        optimiser = torch.optim.AdamW(linear.parameters(), 0.01, weight_decay=0.3)
        for _ in range(_EPOCHS):
            optimiser.zero_grad()
            F.cross_entropy(linear(x[train]), labels[train]).backward()
            optimiser.step()
        right: NDArray[np.bool_] = (linear(x[test]).argmax(-1) == labels[test]).numpy()
    return right
