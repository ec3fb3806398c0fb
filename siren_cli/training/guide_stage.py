"""Fourth stage of training: what the search for indices is guided by; all else stays as it is."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from siren_cli.errors import ConfigError
from siren_cli.model.build import SirenModel
from siren_cli.training.augment import degrade
from siren_cli.training.config import TrainConfig
from siren_cli.training.data import Batch, Crops, phones_at_50_hz
from siren_cli.training.factorizer_stage import speech_losses
from siren_cli.training.logbook import Clock, Show
from siren_cli.training.spectrum_listener import phone_loss


class GuideStage:
    """Losses and figures of the guide: clean spectra, pitch and voicing from noisy spectra, phones from features.

    The phones are read off what the trained semantic branch and speech decoder compute, in noise as well, and with one
    stage as with two.
    """

    name = "guide"

    def __init__(self, model: SirenModel, train: Crops, dev: Crops, config: TrainConfig) -> None:
        if model.guide is None:
            raise ConfigError("the model has no guide to train; give model.guide_width, or leave out stage guide")
        self.model = model
        self.guide = model.guide
        self.train = train
        self.dev = dev
        self.config = config
        self.trained = nn.ModuleDict({"guide": model.guide})
        self.clock = Clock()

    def batch(self, step: int, part: tuple[int, int] = (0, 1)) -> Batch:
        """The batch of a step, or a part of it."""
        config = self.config
        return self.train.batch(
            step, config.batch, config.crop_frames, config.voice_frames, config.voice_elsewhere, config.voice_own, part
        )

    def loss(self, batch: Batch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Total loss, and its parts as numbers."""
        del step
        config = self.config
        mel = self._in_noise(batch.mel)
        counts = torch.randint(1, self.model.config.stages + 1, (len(mel),), device=mel.device)
        encoder_features, decoder_features = self._features(batch, mel, counts)
        losses = speech_losses(self.guide(mel), batch, torch.ones(len(mel), device=mel.device))
        losses["phones_said"] = phone_loss(self.guide.phones_said(encoder_features), batch)
        losses["phones_heard"] = phone_loss(self.guide.phones_heard(decoder_features), batch)
        total = (
            losses["mel"]
            + config.delta_weight * losses["delta"]
            + config.pitch_weight * losses["pitch"]
            + config.voicing_weight * losses["voicing"]
            + config.phone_encoder_weight * losses["phones_said"]
            + config.phone_decoder_weight * losses["phones_heard"]
        )
        return total, {name: float(value.detach()) for name, value in losses.items()}

    def _in_noise(self, mel: Tensor) -> Tensor:
        """A share of mels [B, F, M] in noise or a narrow band."""
        mc = self.model.config
        return degrade(mel, self.config.noise_share, mc.mel_mean, mc.mel_std, mc.mel_floor)

    @torch.no_grad()
    def _features(self, batch: Batch, mel: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Phonetic features of encoder and decoder [B, F50, D50], of so many stages [B], for a mel [B, F, M]."""
        model = self.model
        features = mel if model.front_end is None else self._front_end(batch)
        encoder_features, latents = model.factorizer.semantic(features)
        quantised, _ = model.quantizer(latents, counts)
        voice = model.factorizer.voice.codes_to_voice(model.factorizer.voice(batch.voice_mel))
        return encoder_features, model.decoder(quantised, voice)[0]

    def _front_end(self, batch: Batch) -> Tensor:
        """Features of the self-supervised front end [B, F50, D], from the cache if they are there."""
        assert self.model.front_end is not None, "asked for where there is one"
        features: Tensor = self.model.front_end(batch.wav) if batch.front_end is None else batch.front_end
        return features

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Figures on clean development clips: mel distance, pitch, voicing, share of phones read off the features."""
        frames = 640
        device = next(self.guide.parameters()).device
        batch = self.dev.batch(0, self.config.evaluate_crops, frames, frames, 0.0, voice_own=True).to(device)
        speech = self.guide(batch.mel)
        voiced = batch.pitch > 0
        ours, theirs = (x[voiced].float().cpu().numpy() for x in (speech.pitch, batch.pitch))
        figures = {
            "mel": float(F.l1_loss(speech.mel, batch.envelope)),
            "pitch_correlation": float(np.corrcoef(ours, theirs)[0, 1]),
            "voicing_error": float(((speech.voicing > 0) != voiced).float().mean()),
        }
        labels = phones_at_50_hz(batch.phones)
        spoken = labels > 0
        for stages in range(1, self.model.config.stages + 1):
            said, heard = self._features(batch, batch.mel, torch.full((len(labels),), stages, device=device))
            for name, scores in (
                ("said", self.guide.phones_said(said)),
                (f"heard_{stages}", self.guide.phones_heard(heard)),
            ):
                figures[f"phones_{name}"] = float((scores.argmax(-1) == labels)[spoken].float().mean())
        return figures

    @torch.no_grad()
    def show(self) -> Show:
        """The mel of a development crop, its envelope, and what the guide takes the envelope to be."""
        device = next(self.guide.parameters()).device
        batch = self.dev.batch(0, 1, 400).to(device)
        found = self.guide(batch.mel).mel[0]
        return Show({"mel/true": batch.mel[0], "mel/envelope": batch.envelope[0], "mel/guide": found})
