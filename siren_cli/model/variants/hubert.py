"""An optional front end: features of a self-supervised speech model, read through transformers."""

from __future__ import annotations

import json

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from siren_cli.errors import WeightsMissing

_NOT_SIZES = ("architectures", "dtype", "model_type", "torch_dtype", "transformers_version")


def is_description(path: str) -> bool:
    """Whether a config's `hubert_path` is no path but the model's sizes."""
    return path.startswith("{")


class HubertFrontEnd(nn.Module):
    """wav [B, T] → features [B, T / 320, D] of a HuBERT-like model (Hsu et al. 2021; DistilHuBERT, Chang et al. 2022).

    `path` is a local directory or a hub name such as `ntu-spml/distilhubert`, or the sizes themselves, as
    `description` gives them: a model that is exported has those, so that it depends on nothing outside its folder.
    The weights are saved with the rest of the model.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        from transformers import AutoConfig, HubertConfig, HubertModel

        try:
            config = HubertConfig(**json.loads(path)) if is_description(path) else AutoConfig.from_pretrained(path)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:160]
            raise WeightsMissing(
                f"hubert_path {path!r} is not a HuBERT model ({reason}); give its directory"
            ) from error
        self.hubert = HubertModel(config)
        self.width: int = config.hidden_size
        sizes = {name: value for name, value in config.to_diff_dict().items() if name not in _NOT_SIZES}
        self.description: str = json.dumps(sizes)

    def load_pretrained(self, path: str) -> None:
        """Fills the front end with the pretrained weights (once, before training).

        Raises:
            WeightsMissing: If they cannot be read.
        """
        from transformers import HubertModel
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        try:
            self.hubert = HubertModel.from_pretrained(path)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:160]
            raise WeightsMissing(
                f"hubert_path {path!r} has no readable weights ({reason}); give its directory"
            ) from error

    def forward(self, wav: Tensor) -> Tensor:
        """Features [B, T / 320, D] for T a multiple of 320; padded so that frame k is centred near sample 320 k."""
        frames = wav.shape[-1] // 320
        x: Tensor = self.hubert(F.pad(wav, (40, 400 - 320 + 40))).last_hidden_state
        return (
            x[:, :frames] if x.shape[1] >= frames else torch.cat([x, x[:, -1:].expand(-1, frames - x.shape[1], -1)], 1)
        )
