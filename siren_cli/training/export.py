"""From a trained model to the folder that `siren encode --model` loads: indices of all recordings, tables, weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.model.build import SirenModel, weights_of
from siren_cli.training.card import CARD_NAME, model_card
from siren_cli.training.data import Cache, Span
from siren_cli.training.indices import indices_of
from siren_cli.training.prepare import HOP_SAMPLES
from siren_cli.training.probe import speaker_leakage
from siren_cli.training.settings import write_run_file
from siren_cli.weights import save_model
from siren_format.fitting import fit_tables
from siren_format.limits import FRAME_SAMPLES, MAX_STAGES
from siren_format.tables import cross_entropy_bits

FRAME_RATE_HZ = SAMPLE_RATE_HZ / FRAME_SAMPLES

FIT_HOURS = 5.0
"""Speech the tables are fitted to, hours: their contexts are seen often enough in that."""


@torch.inference_mode()
def export_model(
    model: SirenModel, cache: Cache, run: Path, device: torch.device, report: Callable[[str], None]
) -> Path:
    """Fits the tables to the indices of the training split and writes the model with its card.

    The weights are rounded to float16 first, so that the tables fit the indices that users will get.

    Args:
        model: Trained.
        cache: Its training data.
        run: Run folder; the model goes to its subfolder `model`.
        device: Where to run the factorizer.
        report: Called with lines about rate and voice.

    Returns:
        The model's folder.

    Raises:
        OutputUnwritable: If it cannot be written.
    """
    folder = run / "model"
    tensors = weights_of(model)
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    model.to(device).eval()
    recordings = [
        indices_of(model, cache, span, device) for span in _evenly(cache.split("train"), FIT_HOURS)
    ]
    tables = fit_tables([_of_all_stages(indices) for indices in recordings])
    rates: dict[str, dict[int, float]] = {}
    for split in ("train", "dev", "test"):
        spans = cache.spans.get(split, [])
        seen = recordings if split == "train" else [indices_of(model, cache, span, device) for span in spans]
        frames = sum(len(indices) for indices in seen)
        for stages in range(1, model.config.stages + 1) if frames else ():
            bits = sum(cross_entropy_bits(indices[:, :stages], tables) for indices in seen) / frames
            rates.setdefault(split, {})[stages] = bits * FRAME_RATE_HZ
            report(f"{split}: {bits:.2f} bits a frame with {stages} stages, {bits * FRAME_RATE_HZ:.1f} bps")
    leakage = speaker_leakage(model, cache, device)
    report("speaker from the indices: " + "  ".join(f"{k} {v:.3g}" for k, v in leakage.items()))
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    model_id = save_model(folder, model.config.to_json(), {**arrays, **tables.to_arrays()})
    write_run_file(folder / CARD_NAME, model_card(run, model, cache, model_id.hex(), rates, leakage))
    report(f"wrote {folder}, model id {model_id.hex()}")
    return folder


def _of_all_stages(indices: NDArray[np.int16]) -> NDArray[np.int16]:
    """Indices [F, Q] → [F, 2], which the tables are fitted to; a stage that the model lacks is all zeros."""
    return np.pad(indices, ((0, 0), (0, MAX_STAGES - indices.shape[1])))


def _evenly(spans: list[Span], hours: float) -> list[Span]:
    """Every n-th recording, so that about `hours` remain."""
    total_hours = sum(span.frames for span in spans) * HOP_SAMPLES / SAMPLE_RATE_HZ / 3600
    return spans[:: max(1, round(total_hours / hours))]
