"""Phase `guide` of training: predictor of the search targets; all other networks are frozen."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from siren_cli.errors import ConfigError
from siren_cli.model.siren import SirenModel
from siren_cli.training.config import TrainConfig
from siren_cli.training.data.augment import add_noise, mix_babble
from siren_cli.training.data.batches import Batch, Crops, phones_at_50_hz
from siren_cli.training.loop.run_log import MediaLog, SectionTimer
from siren_cli.training.losses.perceptual import phone_loss
from siren_cli.training.phases.factorizer import speech_losses


class GuidePhase:
    """Losses and figures of the guide (target predictor).

    The guide predicts clean spectra, pitch and voicing from noisy spectra. It also classifies phones on features of the
    frozen speech decoder. These come from noisy inputs, and one or two stages.
    """

    name = "guide"

    def __init__(self, model: SirenModel, train: Crops, dev: Crops, config: TrainConfig) -> None:
        if model.guide is None:
            raise ConfigError("the model has no guide to train; give model.guide_width, or leave out phase guide")
        self.model = model
        self.guide = model.guide
        self.train = train
        self.dev = dev
        self.config = config
        self.trained = nn.ModuleDict({"guide": model.guide})
        self.timer = SectionTimer()

    def batch(self, step: int, part: tuple[int, int] = (0, 1)) -> Batch:
        """Draw the batch of a step, or a part of it."""
        config = self.config
        return self.train.batch(
            step, config.batch, config.crop_frames, config.voice_frames, config.voice_elsewhere, config.voice_own, part
        )

    def loss(self, batch: Batch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Compute the total loss, and its parts as numbers."""
        del step
        config = self.config
        mel, branch_input = self._noisy_input(batch)
        counts = torch.randint(1, self.model.config.stages + 1, (len(mel),), device=mel.device)
        encoder_features, decoder_features = self._features(batch, branch_input, counts)
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
    def _noisy_input(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Compute noisy or band-limited mels [B, F, M], and the input of the semantic branch.

        For a self-supervised front end, noise is added to the samples alone.
        """
        config, mc, wav, mel = self.config, self.model.config, batch.wav, batch.mel
        if config.babble_share:
            with torch.autocast(wav.device.type, enabled=False):
                wav = mix_babble(wav, config.babble_share)
                mel = self.model.mel(wav)
        if self.model.front_end is not None:
            return mel, self.model.front_end(wav) if config.babble_share else self._clean_input(batch)
        mel = add_noise(mel, config.noise_share, mc.mel_mean, mc.mel_std, mc.mel_floor)
        return mel, mel

    def _clean_input(self, batch: Batch) -> Tensor:
        """Compute the clean input of the semantic branch; features of a front end may come from the cache."""
        front_end = self.model.front_end
        if front_end is None:
            return batch.mel
        features: Tensor = front_end(batch.wav) if batch.front_end is None else batch.front_end
        return features

    @torch.no_grad()
    def _features(self, batch: Batch, branch_input: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Compute phonetic features of encoder and decoder [B, F50, D50].

        Args:
            batch: Crops with their voices.
            branch_input: Input of the semantic branch.
            counts: Number of stages of each crop [B].
        """
        model = self.model
        encoder_features, latents = model.factorizer.semantic(branch_input)
        quantised, _ = model.quantizer(latents, counts)
        voice = model.factorizer.voice.codes_to_voice(model.factorizer.voice(batch.voice_mel))
        return encoder_features, model.decoder(quantised, voice)[0]

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Compute figures on clean development clips: mel distance, pitch, voicing and phone accuracy."""
        frames = 640
        device = next(self.guide.parameters()).device
        batch = self.dev.batch(0, self.config.evaluate_crops, frames, frames, 0.0, voice_own=True).to(device)
        features, _ = self.model.factorizer.semantic(self._clean_input(batch))
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
            _, decoder_features = self._features(batch, self._clean_input(batch), counts)
            right = self.guide.phones_heard(decoder_features).argmax(-1) == labels
            figures[f"phones_heard_{stages}"] = float(right[spoken].float().mean())
        return figures

    @torch.no_grad()
    def show(self) -> MediaLog:
        """Return the mel of a development crop, its envelope, and the envelope predicted by the guide."""
        device = next(self.guide.parameters()).device
        batch = self.dev.batch(0, 1, 400).to(device)
        features, _ = self.model.factorizer.semantic(self._clean_input(batch))
        predicted = self.guide(batch.mel, features).mel[0]
        return MediaLog({"mel/true": batch.mel[0], "mel/envelope": batch.envelope[0], "mel/guide": predicted})
