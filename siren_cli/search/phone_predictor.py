"""Phone predictor: wav → phone posteriors at 50 Hz, from Whisper features. The search of the encoder aims at them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from siren_cli.errors import WeightsDamaged
from siren_cli.model.int8 import widen
from siren_cli.phones import PHONES
from siren_cli.registry.weights import read_encoder_file
from siren_cli.search.whisper_encoder import WhisperEncoder

ENCODER_NAME, CLASSIFIER_NAME = "whisper-base/encoder.safetensors", "phone_classifier.safetensors"
"""Files of the package with the weights of the two networks."""

_CONTEXT_STEPS, _GROUPS = 5, 4


class PhoneClassifier(nn.Module):
    """Whisper features → phone logits: a linear layer, a grouped convolution over 100 ms, a linear layer.

    Args:
        features: Width of the features, D.
        width: Channels between the layers.
    """

    def __init__(self, features: int = 512, width: int = 320) -> None:
        super().__init__()
        self.narrow = nn.Linear(features, width)
        self.around = nn.Conv1d(width, width, _CONTEXT_STEPS, padding=_CONTEXT_STEPS // 2, groups=_GROUPS)
        self.logits = nn.Linear(width, len(PHONES))

    def forward(self, features: Tensor) -> Tensor:
        """Features [B, F50, D] → logits [B, F50, 40]."""
        x = F.gelu(self.narrow(features))
        x = F.gelu(self.around(x.mT)).mT
        logits: Tensor = self.logits(x)
        return logits


class PhonePredictor(nn.Module):
    """Whisper encoder and phone classifier, one after the other.

    No decoder needs it: it tells the encoder what the recording's phones are.
    """

    def __init__(self, encoder: WhisperEncoder, classifier: PhoneClassifier) -> None:
        super().__init__()
        self.encoder = encoder
        self.classifier = classifier

    def forward(self, wav: Tensor) -> Tensor:
        """Predicts phones.

        Args:
            wav: Samples [B, T] at 16 kHz and the nominal level, whole frames.

        Returns:
            Logits [B, T / 320, 40], in the order of `siren_cli.phones.PHONES`.
        """
        logits: Tensor = self.classifier(self.encoder(wav))
        return logits


def build_phone_predictor(encoder: dict[str, Tensor], classifier: dict[str, Tensor]) -> PhonePredictor:
    """Builds the predictor of Whisper base.

    Args:
        encoder: Tensors of `WhisperEncoder` as `siren_cli.model.int8` stores them.
        classifier: Those of `PhoneClassifier`.

    Raises:
        WeightsDamaged: If names or shapes differ from what the networks call for.
    """
    with torch.device("meta"):
        model = PhonePredictor(WhisperEncoder(), PhoneClassifier())
    try:
        model.encoder.load_state_dict(widen(encoder), assign=True)
        model.classifier.load_state_dict(widen(classifier), assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsDamaged(f"{ENCODER_NAME} or {CLASSIFIER_NAME} does not fit ({reason}); reinstall SIREN") from error
    return model.eval()


def load_phone_predictor(device: torch.device) -> PhonePredictor:
    """Loads the packaged phone predictor.

    Raises:
        WeightsMissing: If the installation lacks a file of it.
        WeightsDamaged: If a file is not what the manifest says.
    """
    encoder, classifier = read_encoder_file(ENCODER_NAME), read_encoder_file(CLASSIFIER_NAME)
    return build_phone_predictor(encoder, classifier).to(device)
