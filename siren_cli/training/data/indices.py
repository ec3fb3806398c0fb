"""The indices of recordings in the cache, as `siren encode` would find them."""

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
"""Beginnings of `shifted_indices`: as many halvings of the rate are done from both steps."""


def wav_of(cache: Cache, span: Span) -> NDArray[np.float32]:
    """Samples [T] of one recording of the cache."""
    where = slice(span.first_frame, span.first_frame + span.frames)
    return cache.wav[where].reshape(-1).astype(np.float32) / np.float32(32767.0)


@torch.inference_mode()
def indices_of(model: SirenModel, wav: NDArray[np.float32], device: torch.device) -> NDArray[np.int16]:
    """Indices [F, Q] of one recording, its last frame filled with silence.

    Args:
        model: On the device, in evaluation mode.
        wav: Samples [T] at the nominal level.
        device: Where to run the factorizer.
    """
    _, latents = model.factorizer.semantic(_features(model, wav, device))
    return _quantised(model, latents)


@torch.inference_mode()
def shifted_indices(
    model: SirenModel, wav: NDArray[np.float32], device: torch.device, *, bf16: bool
) -> list[NDArray[np.int16]]:
    """Indices [F, Q] of one recording begun 0, 40, 80 and 120 ms late, for about the time of one.

    Nothing aligns speech to frames of 160 ms, so all of them are what the recording might have been. They share what
    comes before the last two halvings of the rate; each of these takes every second step, and is done twice, from the
    first step and from the second. Blocks at 50 Hz that run a second time run for each beginning. (A recording that
    really began late would differ a little in its first frame and in the mean that is taken away.)

    Args:
        model: On the device, in evaluation mode.
        wav: Samples [T] at the nominal level.
        device: Where to run the factorizer.
        bf16: Whether to multiply matrices in bfloat16; 998 of 1000 indices are the same.

    Returns:
        One array for each beginning; the late ones lack the last frame, and are left out if it is the only one.
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
    """All but the first steps of [1, F, D]; the last one again and again keeps the length."""
    return torch.cat([x[:, steps:], x[:, -1:].expand(-1, steps, -1)], dim=1)


def _each_begun_late(x: Tensor, late_by: list[int]) -> Tensor:
    """`_begun_late` by each number of steps: [1, F, D] to [B, F, D]."""
    return torch.cat([_begun_late(x, late) for late in late_by])


def _features(model: SirenModel, wav: NDArray[np.float32], device: torch.device) -> Tensor:
    samples = torch.from_numpy(np.pad(wav, (0, -len(wav) % FRAME_SAMPLES)))[None].to(device)
    features: Tensor = model.mel(samples) if model.front_end is None else model.front_end(samples)
    return features


def _quantised(model: SirenModel, latents: Tensor) -> NDArray[np.int16]:
    return model.quantizer.latents_to_indices(latents, model.config.stages)[0].cpu().numpy().astype(np.int16)
