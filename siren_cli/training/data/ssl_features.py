"""SSL feature extraction: self-supervised networks as teacher (distillation) and as frozen front end."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.errors import WeightsMissing
from siren_cli.model.variants.hubert import HubertFrontEnd, is_description
from siren_cli.training.config import RunConfig

_FRAME_SAMPLES = 320
_PIECE_SAMPLES = 30 * SAMPLE_RATE_HZ
"""Longest input of a network; attention costs the square of it."""


class Teacher(nn.Module):
    """Teacher: wav [B, T] → activations of one layer of WavLM, HuBERT or wav2vec 2.0 [B, T / 320, D].

    Distillation of a self-supervised network into a codec's tokens by cosine similarity is used by SpeechTokenizer
    (Zhang et al. 2024) and Mimi (Défossez et al. 2024).

    Raises:
        WeightsMissing: If the network cannot be read.
    """

    def __init__(self, path: str, layer: int) -> None:
        super().__init__()
        from transformers import AutoModel
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        try:
            self.network = AutoModel.from_pretrained(path).eval().requires_grad_(False)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:160]
            raise WeightsMissing(f"teacher {path!r} cannot be read ({reason}); give its directory") from error
        self.layer = layer
        self.width: int = self.network.config.hidden_size
        self.wants_unit_power = getattr(self.network.config, "feat_extract_norm", "group") == "layer"

    @torch.no_grad()
    def forward(self, wav: Tensor) -> Tensor:
        """Compute activations [B, T / 320, D] of samples [B, T], T a multiple of 320."""
        if self.wants_unit_power:
            wav = F.layer_norm(wav, wav.shape[-1:])
        frames = wav.shape[-1] // _FRAME_SAMPLES
        states = self.network(F.pad(wav, (40, 120)), output_hidden_states=True).hidden_states[self.layer]
        missing = frames - states.shape[1]
        return states[:, :frames] if missing <= 0 else torch.cat([states, states[:, -1:].expand(-1, missing, -1)], 1)


class SslFeatureExtractor:
    """SSL feature extractor for whole recordings.

    Args:
        network: Takes samples [B, T].
        facts: Path, layer and width; they identify the network in `features.json`.
        device: Device to run on.
    """

    def __init__(self, network: nn.Module, facts: dict[str, Any], device: torch.device) -> None:
        self.network = network.to(device).eval()
        self.facts = facts
        self.device = device

    @torch.no_grad()
    def extract(self, wav: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
        """Compute features [T / 320, D] of samples [T]."""
        samples = torch.from_numpy(wav)[None].to(self.device)
        pieces = [self.network(piece)[0].cpu() for piece in samples.split(_PIECE_SAMPLES, dim=1)]
        return torch.cat(pieces).numpy().astype("<f2")


def ssl_extractors(config: RunConfig, device: torch.device) -> dict[str, SslFeatureExtractor]:
    """Build the extractors whose features belong in the cache: a frozen front end, a teacher.

    Raises:
        WeightsMissing: If one of them cannot be read.
    """
    extractors: dict[str, SslFeatureExtractor] = {}
    if not config.prepare.features:
        return extractors
    model, phase = config.model, config.factorizer
    if model.front_end == "hubert" and phase.freezes("front_end") and not is_description(model.hubert_path):
        front_end = HubertFrontEnd(model.hubert_path)
        front_end.load_pretrained(model.hubert_path)
        facts: dict[str, Any] = {"path": model.hubert_path, "width": front_end.width}
        extractors["front_end"] = SslFeatureExtractor(front_end, facts, device)
    if phase.teacher_weight:
        teacher = Teacher(phase.teacher, phase.teacher_layer)
        facts = {"path": phase.teacher, "layer": phase.teacher_layer, "width": teacher.width}
        extractors["teacher"] = SslFeatureExtractor(teacher, facts, device)
    return extractors
