"""Indices of recordings in the cache, encoded without search."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siren_cli.model.siren import SirenModel
from siren_cli.training.data.batches import Cache, Span
from siren_format.limits import FRAME_SAMPLES

_SHIFTED_LEVELS = 2
SHIFTS = 2**_SHIFTED_LEVELS
"""Offsets of `shifted_indices`: the last two halvings of the rate are each computed for both phases."""


def wav_of(cache: Cache, span: Span) -> NDArray[np.float32]:
    """Read the samples [T] of one recording of the cache."""
    where = slice(span.first_frame, span.first_frame + span.frames)
    return cache.wav[where].reshape(-1).astype(np.float32) / np.float32(32767.0)


@torch.inference_mode()
def indices_of(model: SirenModel, wav: NDArray[np.float32], device: torch.device) -> NDArray[np.int16]:
    """Encode one recording to indices [F, Q]; its last frame is padded with silence.

    Args:
        model: On the device, in evaluation mode.
        wav: Samples [T] at the nominal level.
        device: Device of the model.
    """
    _, latents = model.factorizer.semantic(_features(model, wav, device))
    return _quantised(model, latents)


@torch.inference_mode()
def shifted_indices(
    model: SirenModel, wav: NDArray[np.float32], device: torch.device, *, bf16: bool
) -> list[NDArray[np.int16]]:
    """Encode one recording with offsets of 0, 40, 80 and 120 ms, in about the time of one encoding.

    Speech is not aligned to frames of 160 ms; so all offsets are equally valid data. They share all layers before the
    last two halvings of the rate. Each of these decimates by 2, once from the first step and once from the second.
    Feedback blocks at 50 Hz run for each offset. A recording cut at the offset would differ
    a little, in its first frame and its mean.

    Args:
        model: On the device, in evaluation mode.
        wav: Samples [T] at the nominal level.
        device: Device of the model.
        bf16: Autocast to bfloat16; 998 of 1000 indices stay the same.

    Returns:
        Indices [F, Q] for each offset. Those of offsets above 0 lack the last frame, and are left out without frames.
    """
    branch = model.factorizer.semantic
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        features = _features(model, wav, device)
        if branch.remove_mean:
            features = features - features.mean(dim=1, keepdim=True)
        first_stack = branch.stacks[0]
        early = first_stack(branch.stem(features), blocks=slice(branch.again.start))
        phonetic = steps = first_stack(early, blocks=branch.again)
        late_by = [0]
        levels = list(zip(branch.downs, list(branch.stacks)[1:], strict=True))
        for level, (down, stack) in enumerate(levels, 1):
            if level > len(levels) - _SHIFTED_LEVELS:
                steps = torch.cat([steps, _begun_late(steps, 1)])
                late_by += [frames + 2 ** (level - 1) for frames in late_by]
            steps = stack(down(steps))
        if branch.head is not None:
            if branch.told is not None:
                phonetic = first_stack(_each_begun_late(early, late_by) + branch.told(steps), blocks=branch.again)
            else:
                phonetic = _each_begun_late(phonetic, late_by)
            _, steps = branch.head(_each_begun_late(features, [2 * late for late in late_by]), phonetic, steps)
    first, *others = (_quantised(model, latents[None]) for latents in steps.float())
    return [first, *(indices[:-1] for indices in others if len(indices) > 1)]


def _begun_late(x: Tensor, steps: int) -> Tensor:
    """Drop the first steps of [1, F, D]; the last one is repeated to keep the length."""
    return torch.cat([x[:, steps:], x[:, -1:].expand(-1, steps, -1)], dim=1)


def _each_begun_late(x: Tensor, late_by: list[int]) -> Tensor:
    """Shift [1, F, D] by each number of steps, to [B, F, D]."""
    return torch.cat([_begun_late(x, late) for late in late_by])


def _features(model: SirenModel, wav: NDArray[np.float32], device: torch.device) -> Tensor:
    samples = torch.from_numpy(np.pad(wav, (0, -len(wav) % FRAME_SAMPLES)))[None].to(device)
    features: Tensor = model.mel(samples) if model.front_end is None else model.front_end(samples)
    return features


def _quantised(model: SirenModel, latents: Tensor) -> NDArray[np.int16]:
    return model.quantizer.latents_to_indices(latents, model.config.stages)[0].cpu().numpy().astype(np.int16)
