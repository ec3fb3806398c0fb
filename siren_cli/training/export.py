"""From a trained model to the folder that `siren encode --model` loads: indices of all recordings, tables, weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.model.build import SirenModel, weights_of
from siren_cli.training.data import Cache, Span
from siren_cli.training.prepare import HOP_SAMPLES
from siren_cli.weights import save_model
from siren_format.fitting import fit_tables
from siren_format.limits import FRAME_SAMPLES
from siren_format.tables import cross_entropy_bits

FRAME_RATE_HZ = SAMPLE_RATE_HZ / FRAME_SAMPLES

FIT_HOURS = 5.0
"""Speech the tables are fitted to, hours: their contexts are seen often enough in that."""


@torch.inference_mode()
def export_model(
    model: SirenModel, cache: Cache, folder: Path, device: torch.device, report: Callable[[str], None]
) -> Path:
    """Fits the tables to the indices of the training split and writes the model.

    The weights are rounded to float16 first, so that the tables fit the indices that users will get.

    Args:
        model: Trained.
        cache: Its training data.
        folder: Folder to write.
        device: Where to run the factorizer.
        report: Called with a line about the rate.

    Returns:
        The folder.
    """
    tensors = weights_of(model)
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    model.to(device).eval()
    recordings = [
        _indices_of(model, cache, span, device) for span in _evenly(cache.split("train"), FIT_HOURS)
    ]
    tables = fit_tables(recordings)
    for split in ("train", "dev", "test"):
        spans = cache.spans.get(split, [])
        seen = recordings if split == "train" else [_indices_of(model, cache, span, device) for span in spans]
        frames = sum(len(indices) for indices in seen)
        for stages in range(1, model.config.stages + 1) if frames else ():
            bits = sum(cross_entropy_bits(indices[:, :stages], tables) for indices in seen) / frames
            report(f"{split}: {bits:.2f} bits a frame with {stages} stages, {bits * FRAME_RATE_HZ:.1f} bps")
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    model_id = save_model(folder, model.config.to_json(), {**arrays, **tables.to_arrays()})
    report(f"wrote {folder}, model id {model_id.hex()}")
    return folder


def _evenly(spans: list[Span], hours: float) -> list[Span]:
    """Every n-th recording, so that about `hours` remain."""
    total_hours = sum(span.frames for span in spans) * HOP_SAMPLES / SAMPLE_RATE_HZ / 3600
    return spans[:: max(1, round(total_hours / hours))]


def _indices_of(model: SirenModel, cache: Cache, span: Span, device: torch.device) -> NDArray[np.int16]:
    """Indices [F, Q] of one recording of the cache, its last frame filled with silence."""
    where = slice(span.first_frame, span.first_frame + span.frames)
    wav = torch.from_numpy(cache.wav[where].reshape(1, -1).astype(np.float32) / 32767.0)
    wav = torch.nn.functional.pad(wav, (0, -wav.shape[1] % FRAME_SAMPLES)).to(device)
    features = model.mel(wav) if model.front_end is None else model.front_end(wav)
    _, latents = model.factorizer.semantic(features)
    return model.quantizer.latents_to_indices(latents, model.config.stages)[0].cpu().numpy().astype(np.int16)
