"""Stage `guide` of training: targets of the search for indices; all else stays as it is."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from siren_cli.errors import ConfigError
from siren_cli.model.siren import SirenModel
from siren_cli.training.config import TrainConfig
from siren_cli.training.data.augment import among_others, degrade
from siren_cli.training.data.batches import Batch, Crops, phones_at_50_hz
from siren_cli.training.loop.run_log import Clock, Show
from siren_cli.training.losses.perceptual import phone_loss
from siren_cli.training.stages.factorizer import speech_losses


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
        mel, heard = self._in_noise(batch)
        counts = torch.randint(1, self.model.config.stages + 1, (len(mel),), device=mel.device)
        encoder_features, decoder_features = self._features(batch, heard, counts)
        losses = speech_losses(self.guide(mel, encoder_features), batch, torch.ones(len(mel), device=mel.device))
        losses["phones_heard"] = phone_loss(self.guide.phones_heard(decoder_features), batch)
        total = (
            losses["mel"]
            + config.delta_weight * losses["delta"]
            + config.pitch_weight * losses["pitch"]
            + config.voicing_weight * losses["voicing"]
            + config.phone_decoder_weight * losses["phones_heard"]
        )
        return total, {name: float(value.detach()) for name, value in losses.items()}

    @torch.no_grad()
    def _in_noise(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mels [B, F, M], a share of them in noise or a narrow band, and what the semantic branch hears then.

        What a self-supervised front end hears has noise among the samples alone.
        """
        config, mc, wav, mel = self.config, self.model.config, batch.wav, batch.mel
        if config.babble_share:
            with torch.autocast(wav.device.type, enabled=False):
                wav = among_others(wav, config.babble_share)
                mel = self.model.mel(wav)
        if self.model.front_end is not None:
            return mel, self.model.front_end(wav) if config.babble_share else self._in_quiet(batch)
        mel = degrade(mel, config.noise_share, mc.mel_mean, mc.mel_std, mc.mel_floor)
        return mel, mel

    def _in_quiet(self, batch: Batch) -> Tensor:
        """What the semantic branch hears of a batch as it is, features of a front end from the cache if there are."""
        front_end = self.model.front_end
        if front_end is None:
            return batch.mel
        features: Tensor = front_end(batch.wav) if batch.front_end is None else batch.front_end
        return features

    @torch.no_grad()
    def _features(self, batch: Batch, heard: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Phonetic features of encoder and decoder [B, F50, D50], of so many stages [B], for what the branch hears."""
        model = self.model
        encoder_features, latents = model.factorizer.semantic(heard)
        quantised, _ = model.quantizer(latents, counts)
        voice = model.factorizer.voice.codes_to_voice(model.factorizer.voice(batch.voice_mel))
        return encoder_features, model.decoder(quantised, voice)[0]

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Figures on clean development clips: mel distance, pitch, voicing, share of phones read off the features."""
        frames = 640
        device = next(self.guide.parameters()).device
        batch = self.dev.batch(0, self.config.evaluate_crops, frames, frames, 0.0, voice_own=True).to(device)
        features, _ = self.model.factorizer.semantic(self._in_quiet(batch))
        speech = self.guide(batch.mel, features)
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
            counts = torch.full((len(labels),), stages, device=device)
            _, heard = self._features(batch, self._in_quiet(batch), counts)
            right = self.guide.phones_heard(heard).argmax(-1) == labels
            figures[f"phones_heard_{stages}"] = float(right[spoken].float().mean())
        return figures

    @torch.no_grad()
    def show(self) -> Show:
        """The mel of a development crop, its envelope, and what the guide takes the envelope to be."""
        device = next(self.guide.parameters()).device
        batch = self.dev.batch(0, 1, 400).to(device)
        features, _ = self.model.factorizer.semantic(self._in_quiet(batch))
        found = self.guide(batch.mel, features).mel[0]
        return Show({"mel/true": batch.mel[0], "mel/envelope": batch.envelope[0], "mel/guide": found})
