"""The indices of recordings in the cache, as `siren encode` would find them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from siren_cli.model.build import SirenModel
from siren_cli.training.data import Cache, Span
from siren_format.limits import FRAME_SAMPLES


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
    samples = torch.from_numpy(np.pad(wav, (0, -len(wav) % FRAME_SAMPLES)))[None].to(device)
    features = model.mel(samples) if model.front_end is None else model.front_end(samples)
    _, latents = model.factorizer.semantic(features)
    return model.quantizer.latents_to_indices(latents, model.config.stages)[0].cpu().numpy().astype(np.int16)
