"""The indices of recordings in the cache, as `siren encode` would find them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from siren_cli.model.build import SirenModel
from siren_cli.training.data import Cache, Span
from siren_format.limits import FRAME_SAMPLES


@torch.no_grad()
def indices_of(model: SirenModel, cache: Cache, span: Span, device: torch.device) -> NDArray[np.int16]:
    """Indices [F, Q] of one recording of the cache, its last frame filled with silence.

    Args:
        model: On the device, in evaluation mode.
        cache: Where the recording lies.
        span: The recording.
        device: Where to run the factorizer.
    """
    where = slice(span.first_frame, span.first_frame + span.frames)
    wav = torch.from_numpy(cache.wav[where].reshape(1, -1).astype(np.float32) / 32767.0)
    wav = torch.nn.functional.pad(wav, (0, -wav.shape[1] % FRAME_SAMPLES)).to(device)
    features = model.mel(wav) if model.front_end is None else model.front_end(wav)
    _, latents = model.factorizer.semantic(features)
    return model.quantizer.latents_to_indices(latents, model.config.stages)[0].cpu().numpy().astype(np.int16)
