"""Second and third stage of training: mel, pitch and voicing → wav, first from true mels, then from decoded ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from siren_cli.model.build import SirenModel
from siren_cli.model.decoder import PITCH_CENTRE, Speech
from siren_cli.model.source import training_source
from siren_cli.training.config import TrainConfig
from siren_cli.training.data import Batch, Crops
from siren_cli.training.discriminators import Adversary
from siren_cli.training.losses import SpectralDistance, adversary_hinge, feature_matching, generator_hinge
from siren_cli.training.prepare import HOP_SAMPLES

_CERTAIN = 8.0
_CUT_FRAMES = 40
"""Frames the discriminators look at: 0.4 s."""


class VocoderStage:
    """Spectral distance first; from `adversarial_from_step` on, discriminators judge as well."""

    name = "vocoder"

    def __init__(self, model: SirenModel, train: Crops, dev: Crops, config: TrainConfig) -> None:
        self.model = model
        self.train = train
        self.dev = dev
        self.config = config
        self.trained = nn.ModuleDict({"vocoder": model.vocoder})
        self.adversary = Adversary()
        self.distance = SpectralDistance()
        self._last: tuple[Tensor, Tensor] | None = None

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        return self.train.batch(step, self.config.batch, self.config.crop_frames)

    def speech(self, batch: Batch) -> Speech:
        """What the vocoder is given for a batch: here the truth."""
        return true_speech(batch.envelope, batch.pitch)

    def loss(self, batch: Batch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Total loss, and its parts as numbers."""
        speech = self.speech(batch)
        decoded = self.model.vocoder(speech, training_source(speech.pitch, speech.voicing, HOP_SAMPLES))
        with torch.autocast(decoded.device.type, enabled=False):
            spectral = self.distance(decoded, batch.wav)
        parts = {"spectral": float(spectral.detach())}
        total = self.config.spectral_weight * spectral
        if step >= self.config.adversarial_from_step:
            first = int(torch.randint(0, batch.mel.shape[1] - _CUT_FRAMES + 1, ())) * HOP_SAMPLES
            cut = slice(first, first + _CUT_FRAMES * HOP_SAMPLES)
            real_wav, fake_wav = batch.wav[:, cut], decoded[:, cut]
            self._last = (real_wav, fake_wav.detach())
            fake_scores, fake_features = self.adversary(fake_wav)
            with torch.no_grad():
                _, real_features = self.adversary(real_wav)
            fooling = generator_hinge(fake_scores)
            matching = feature_matching(real_features, fake_features)
            parts |= {"fooling": float(fooling.detach()), "matching": float(matching.detach())}
            total = total + self.config.adversarial_weight * fooling + self.config.feature_weight * matching
        return total, parts

    def adversary_loss(self) -> tuple[Tensor, dict[str, float]]:
        """The discriminators' loss on the crops that `loss` last decoded."""
        assert self._last is not None, "loss comes first"
        real_wav, fake_wav = self._last
        loss = adversary_hinge(self.adversary(real_wav)[0], self.adversary(fake_wav)[0])
        return loss, {"adversary": float(loss.detach())}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Spectral distance on the development clips."""
        device = next(self.model.vocoder.parameters()).device
        batch = self.dev.batch(0, 24, 400).to(device)
        speech = self.speech(batch)
        torch.manual_seed(0)
        source = training_source(speech.pitch, speech.voicing, HOP_SAMPLES)
        return {"spectral": float(self.distance(self.model.vocoder(speech, source), batch.wav))}


class JointStage(VocoderStage):
    """The vocoder learns the decoder's own mels, with the truth's pitch: same frame grid, so aligned by nature."""

    name = "joint"

    @torch.no_grad()
    def speech(self, batch: Batch) -> Speech:
        """Decoded mel of 1 or 2 stages, true pitch and voicing."""
        model = self.model
        _, latents = model.factorizer.semantic(batch.mel)
        voice = model.factorizer.voice.codes_to_voice(model.factorizer.voice(batch.voice_mel))
        counts = torch.randint(1, model.config.stages + 1, (len(latents),), device=latents.device)
        quantised, _ = model.quantizer(latents, counts)
        _, speech = model.decoder(quantised, voice)
        truth = true_speech(batch.envelope, batch.pitch)
        return Speech(speech.mel.float(), truth.pitch, truth.voicing)


def true_speech(mel: Tensor, pitch: Tensor) -> Speech:
    """`Speech` of a recording: its mel, its pitch carried through unvoiced frames, certain voicing.

    Args:
        mel: Envelope [B, F, M].
        pitch: ln(F0 / Hz) [B, F], 0 where unvoiced.
    """
    voiced = pitch > 0
    frames = torch.arange(pitch.shape[1], device=pitch.device).expand_as(pitch)
    last = torch.where(voiced, frames, -1).cummax(dim=1).values
    held = torch.where(last >= 0, pitch.gather(1, last.clamp_min(0)), torch.full_like(pitch, PITCH_CENTRE))
    return Speech(mel, held, torch.where(voiced, _CERTAIN, -_CERTAIN))
