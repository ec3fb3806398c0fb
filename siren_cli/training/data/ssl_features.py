"""Self-supervised models that hear the training recordings: a teacher to imitate, a frozen front end."""

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
"""Longest stretch that a model hears at once: attention grows with the square of it."""


class Teacher(nn.Module):
    """wav [B, T] → one layer's activations of WavLM, HuBERT or wav2vec 2.0, [B, T / 320, D], through transformers.

    Distilling a self-supervised model into a codec's tokens by cosine similarity: SpeechTokenizer (Zhang et al. 2024)
    and Mimi (Défossez et al. 2024).
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
        """Activations [B, T / 320, D] of samples [B, T], T a multiple of 320."""
        if self.wants_unit_power:
            wav = F.layer_norm(wav, wav.shape[-1:])
        frames = wav.shape[-1] // _FRAME_SAMPLES
        heard = self.network(F.pad(wav, (40, 120)), output_hidden_states=True).hidden_states[self.layer]
        missing = frames - heard.shape[1]
        return heard[:, :frames] if missing <= 0 else torch.cat([heard, heard[:, -1:].expand(-1, missing, -1)], 1)


class SslFeatureExtractor:
    """A model that hears whole recordings for the cache; `facts` say which, to compare with later."""

    def __init__(self, network: nn.Module, facts: dict[str, Any], device: torch.device) -> None:
        self.network = network.to(device).eval()
        self.facts = facts
        self.device = device

    @torch.no_grad()
    def listen(self, wav: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
        """Samples [T] → features [T / 320, D]."""
        samples = torch.from_numpy(wav)[None].to(self.device)
        pieces = [self.network(piece)[0].cpu() for piece in samples.split(_PIECE_SAMPLES, dim=1)]
        return torch.cat(pieces).numpy().astype("<f2")


def ssl_extractors(config: RunConfig, device: torch.device) -> dict[str, SslFeatureExtractor]:
    """The models whose features the cache is to hold: a frozen front end, a teacher.

    Raises:
        WeightsMissing: If one of them cannot be read.
    """
    listeners: dict[str, SslFeatureExtractor] = {}
    if not config.prepare.features:
        return listeners
    model, stage = config.model, config.factorizer
    if model.front_end == "hubert" and stage.freezes("front_end") and not is_description(model.hubert_path):
        front_end = HubertFrontEnd(model.hubert_path)
        front_end.load_pretrained(model.hubert_path)
        listeners["front_end"] = SslFeatureExtractor(
            front_end, {"path": model.hubert_path, "width": front_end.width}, device
        )
    if stage.teacher_weight:
        teacher = Teacher(stage.teacher, stage.teacher_layer)
        facts = {"path": stage.teacher, "layer": stage.teacher_layer, "width": teacher.width}
        listeners["teacher"] = SslFeatureExtractor(teacher, facts, device)
    return listeners
