"""First stage of training: features → indices → mel, pitch and voicing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from siren_cli.config import FSQ_LEVELS
from siren_cli.model.build import SirenModel
from siren_cli.model.decoder import Speech
from siren_cli.phones import PHONES
from siren_cli.training.augment import perturb
from siren_cli.training.config import TrainConfig
from siren_cli.training.data import Batch, Crops, phones_at_50_hz


class FactorizerStage:
    """Losses and figures of the factorizer, the quantiser and the speech decoder.

    Beside the regression of mel, pitch and voicing, a phone classifier reads the 50 Hz features before and after
    the quantiser: without it the bits go to what is loud, not to what is said. The classifiers are thrown away.
    """

    name = "factorizer"

    def __init__(self, model: SirenModel, train: Crops, dev: Crops, config: TrainConfig) -> None:
        self.model = model
        self.train = train
        self.dev = dev
        self.config = config
        width = model.config.widths[0]
        self.heads = nn.ModuleDict(
            {"encoder": nn.Linear(width, len(PHONES)), "decoder": nn.Linear(width, len(PHONES))}
        )
        self.trained = nn.ModuleDict(
            {
                "factorizer": model.factorizer,
                "quantizer": model.quantizer,
                "decoder": model.decoder,
                "heads": self.heads,
            }
        )
        if model.front_end is not None:
            self.trained["front_end"] = model.front_end

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        return self.train.batch(
            step, self.config.batch, self.config.crop_frames, voice_elsewhere=self.config.voice_elsewhere
        )

    def features(self, batch: Batch, heard: Tensor) -> Tensor:
        """What the semantic branch hears: the (perturbed) mel, or the front end's features of the wav."""
        return heard if self.model.front_end is None else self.model.front_end(batch.wav)

    def loss(self, batch: Batch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Total loss, and its parts as numbers."""
        config, model, mc = self.config, self.model, self.model.config
        heard = perturb(batch.mel, config.perturb, mc.mel_mean, mc.mel_std, mc.mel_floor)
        encoder_features, latents = model.factorizer.semantic(self.features(batch, heard))
        codes = model.factorizer.voice(batch.voice_mel)
        absent = torch.rand(len(codes), device=codes.device) < config.voice_absent
        voice = model.factorizer.voice.codes_to_voice(codes, absent)
        dropped = torch.rand(len(codes), device=codes.device) < config.stage_dropout
        counts = torch.where(dropped, 1, mc.stages)
        quantised, _ = model.quantizer(latents, counts)
        decoder_features, speech = model.decoder(quantised, voice)

        labels = phones_at_50_hz(batch.phones)
        losses = speech_losses(speech, batch)
        losses["phone_encoder"] = _phone_loss(self.heads["encoder"](encoder_features), labels)
        losses["phone_decoder"] = _phone_loss(self.heads["decoder"](decoder_features), labels)
        total = (
            losses["mel"]
            + config.delta_weight * losses["delta"]
            + config.pitch_weight * losses["pitch"]
            + config.voicing_weight * losses["voicing"]
            + config.phone_encoder_weight * losses["phone_encoder"]
            + config.phone_decoder_weight * losses["phone_decoder"]
        )
        return total, {name: float(value.detach()) for name, value in losses.items()}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Figures on the development clips, for every number of stages: mel distance (in standard deviations),
        frame phone accuracy of the decoder's own classifier, pitch correlation, voicing error, digit entropy.
        """
        figures: dict[str, float] = {}
        model = self.model
        frames = 640
        batch = self.dev.batch(0, 24, frames, voice_elsewhere=0.0)
        device = next(model.decoder.parameters()).device
        batch = batch.to(device)
        encoder_features, latents = model.factorizer.semantic(self.features(batch, batch.mel))
        labels = phones_at_50_hz(batch.phones)
        figures["phone_accuracy_encoder"] = _accuracy(self.heads["encoder"](encoder_features), labels)
        voice = model.factorizer.voice.codes_to_voice(model.factorizer.voice(batch.voice_mel))
        for stages in range(1, model.config.stages + 1):
            quantised, digits = model.quantizer(latents, torch.full((len(latents),), stages, device=device))
            decoder_features, speech = model.decoder(quantised, voice)
            voiced = batch.pitch > 0
            figures[f"mel_{stages}"] = float(F.l1_loss(speech.mel, batch.envelope))
            figures[f"phone_accuracy_{stages}"] = _accuracy(self.heads["decoder"](decoder_features), labels)
            figures[f"pitch_correlation_{stages}"] = float(
                np.corrcoef(
                    speech.pitch[voiced].float().cpu().numpy(), batch.pitch[voiced].float().cpu().numpy()
                )[0, 1]
            )
            figures[f"voicing_error_{stages}"] = float(((speech.voicing > 0) != voiced).float().mean())
            figures[f"entropy_share_{stages}"] = min(_entropy_shares(digits[:, :, stages - 1]))
        return figures


def speech_losses(speech: Speech, batch: Batch) -> dict[str, Tensor]:
    """Mel, mel delta, pitch (voiced frames, in nats) and voicing losses of decoded speech against a batch."""
    voiced = (batch.pitch > 0).float()
    delta = speech.mel[:, 1:] - speech.mel[:, :-1] - (batch.envelope[:, 1:] - batch.envelope[:, :-1])
    return {
        "mel": F.l1_loss(speech.mel, batch.envelope),
        "delta": delta.abs().mean(),
        "pitch": ((speech.pitch - batch.pitch).abs() * voiced).sum() / voiced.sum().clamp_min(1),
        "voicing": F.binary_cross_entropy_with_logits(speech.voicing, voiced),
    }


def _phone_loss(logits: Tensor, labels: Tensor) -> Tensor:
    known = labels >= 0
    losses = F.cross_entropy(logits.float().flatten(0, 1), labels.flatten().clamp_min(0), reduction="none")
    return (losses * known.flatten()).sum() / known.sum().clamp_min(1)


def _accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of frames with the right phone, silence left out."""
    spoken = labels > 0
    return float((logits.argmax(-1) == labels)[spoken].float().mean()) if bool(spoken.any()) else float("nan")


def _entropy_shares(digits: Tensor) -> list[float]:
    """Order-0 entropy of every digit [B, F, 4] as a share of log2 of its levels (bitrate utilisation)."""
    shares = []
    for number, levels in enumerate(FSQ_LEVELS):
        p = torch.bincount(digits[..., number].flatten(), minlength=levels).double()
        p = p[p > 0] / p.sum()
        shares.append(float(-(p * p.log2()).sum()) / math.log2(levels))
    return shares


def describe(figures: dict[str, Any]) -> str:
    """Figures in one line."""
    return "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
