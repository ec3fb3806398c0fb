"""The whole model, built from a config, and its weights as plain named tensors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from siren_cli.config import ModelConfig
from siren_cli.errors import WeightsDamaged
from siren_cli.model.decoder import SpeechDecoder
from siren_cli.model.encoder import InformationFactorizer
from siren_cli.model.features import LogMel
from siren_cli.model.guide import Guide
from siren_cli.model.int8 import compact, widen
from siren_cli.model.quantizer import ResidualCodebooks
from siren_cli.model.spectral_correction import Tone
from siren_cli.model.variants.fsq import ResidualFSQ
from siren_cli.model.variants.hifigan import HifiGanVocoder
from siren_cli.model.variants.hubert import HubertFrontEnd
from siren_cli.model.vocoder import VocosVocoder

Quantizer = ResidualFSQ | ResidualCodebooks
"""Latents ⇄ indices, one way or the other."""


_RETIRED = ("guide.said.",)
"""Leading parts of names in weights files whose networks are gone."""


class SirenModel(nn.Module):
    """All parts in the order of the data flow; `siren_cli.codec` runs them.

    ```
    wav ─► mel ─► factorizer.semantic ─► quantizer ─► decoder ─► vocoder ─► wav
            └───► factorizer.voice ───────────────────┘
    ```
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.mel = LogMel(config)
        self.front_end = HubertFrontEnd(config.hubert_path) if config.front_end == "hubert" else None
        width, rate_hz = (self.front_end.width, 50) if self.front_end else (config.mel_bins, 100)
        self.factorizer = InformationFactorizer(config, width, rate_hz)
        self.quantizer = _quantizer(config)
        self.decoder = SpeechDecoder(config)
        self.vocoder = VocosVocoder(config) if config.vocoder == "vocos" else HifiGanVocoder(config)
        self.guide = Guide(config) if config.guide_width else None
        self.tone = Tone(config.voice_fine, config.mel_bins) if config.voice_tone else None


def _quantizer(config: ModelConfig) -> Quantizer:
    if config.codebook_width:
        return ResidualCodebooks(config.codebook_width, config.widths[-1], config.stages)
    return ResidualFSQ(config.widths[-1], config.stages)


def build(config: ModelConfig, tensors: dict[str, Tensor] | None = None) -> SirenModel:
    """Builds the model and, given tensors, fills it strictly.

    Args:
        config: Sizes and choices.
        tensors: What `weights_of` returned, or floating tensors; None leaves random values.

    Raises:
        WeightsDamaged: If names or shapes differ from what the config calls for.
    """
    if tensors is None:
        return SirenModel(config).eval()
    with torch.device("meta"):  # no memory yet: drawing random numbers would take longer than reading the file
        model = SirenModel(config)
    try:
        kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(_RETIRED)}
        model.load_state_dict(widen(kept), strict=True, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsDamaged(f"the weights do not fit config.json ({reason}); restore both from one model") from error
    return model.eval()


def weights_of(model: SirenModel) -> dict[str, Tensor]:
    """The tensors that `build` takes: parameters as `compact` stores them, buffers in float16."""
    stored = compact(dict(model.named_parameters()))
    buffers = {name: tensor for name, tensor in model.state_dict().items() if name not in stored}
    return stored | {name: tensor.detach().cpu().half().contiguous() for name, tensor in buffers.items()}
