"""Phases `vocoder` and `joint` of training: mel, pitch and voicing → wav, from true mels, then from decoded ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from siren_cli.audio.pitch import HOP_SAMPLES
from siren_cli.model.decoder import PITCH_CENTRE, Speech
from siren_cli.model.excitation import training_source
from siren_cli.model.siren import SirenModel
from siren_cli.training.config import TrainConfig
from siren_cli.training.data.batches import Batch, Crops
from siren_cli.training.data.filterbank import correlation_of
from siren_cli.training.loop.run_log import MediaLog, SectionTimer
from siren_cli.training.losses.discriminators import Adversary
from siren_cli.training.losses.perceptual import PerceptualNetwork
from siren_cli.training.losses.waveform import (
    MultiResolutionStftLoss,
    MultiScaleMelLoss,
    adversary_loss,
    feature_matching,
    generator_loss,
)

_CERTAIN = 8.0
"""Logit of certain voicing."""

_DISCRIMINATOR_FRAMES = 40
"""Length of the discriminators' input in frames of 10 ms."""


class VocoderPhase:
    """Losses and figures of the vocoder.

    The spectral loss counts from the first step, the adversarial loss from `adversarial_from_step` on. The perceptual
    loss of phones and speaker is optional (`listener_phone_weight`, `listener_speaker_weight`). So is the envelope
    correlation (`correlation_weight`).
    """

    name = "vocoder"

    def __init__(self, model: SirenModel, train: Crops, dev: Crops, config: TrainConfig) -> None:
        self.model = model
        self.train = train
        self.dev = dev
        self.config = config
        self.trained = nn.ModuleDict({"vocoder": model.vocoder})
        self.perceptual: PerceptualNetwork | None = None
        if config.has_listener:
            self.perceptual = PerceptualNetwork(model.config.mel_bins, len(train.by_speaker))
            self.trained["listener"] = self.perceptual
        self.adversary = Adversary(config.discriminators, config.discriminator_width)
        self.correlation = correlation_of(model.config) if config.correlation_weight else None
        self.mel_loss = MultiScaleMelLoss()
        self.stft_loss = MultiResolutionStftLoss()
        self.timer = SectionTimer()
        self._discriminator_inputs: tuple[Tensor, Tensor] | None = None

    def batch(self, step: int, part: tuple[int, int] = (0, 1)) -> Batch:
        """Draw the batch of a step, or a part of it."""
        config = self.config
        return self.train.batch(
            step, config.batch, config.crop_frames, config.voice_frames, config.voice_elsewhere, config.voice_own, part
        )

    def speech(self, batch: Batch) -> Speech:
        """Return the vocoder's input for a batch: here the true envelope and pitch."""
        return true_speech(batch.envelope, batch.pitch)

    def loss(self, batch: Batch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Compute the total loss, and its parts as numbers."""
        speech = self.speech(batch)
        decoded = self.model.vocoder(speech, training_source(speech.pitch, speech.voicing, HOP_SAMPLES))
        self.mel_loss.to(decoded.device)
        with torch.autocast(decoded.device.type, enabled=False):
            spectral = self.mel_loss(decoded, batch.wav)
        parts = {"spectral": float(spectral.detach())}
        total = self.config.spectral_weight * spectral
        if self.config.stft_weight:
            with torch.autocast(decoded.device.type, enabled=False):
                stft = self.stft_loss.to(decoded.device)(decoded, batch.wav)
            parts["stft"] = float(stft.detach())
            total = total + self.config.stft_weight * stft
        if self.perceptual is not None or self.correlation is not None:
            total = total + self._spectrum_losses(decoded, batch, step, parts)
        if step >= self.config.adversarial_from_step:
            first = int(torch.randint(0, batch.mel.shape[1] - _DISCRIMINATOR_FRAMES + 1, ())) * HOP_SAMPLES
            cut = slice(first, first + _DISCRIMINATOR_FRAMES * HOP_SAMPLES)
            real_wav, fake_wav = batch.wav[:, cut], decoded[:, cut]
            self._discriminator_inputs = (real_wav, fake_wav.detach())
            with self.timer("discriminators"):
                fake_scores, fake_features = self.adversary(fake_wav)
                with torch.no_grad():
                    _, real_features = self.adversary(real_wav)
            fooling = generator_loss(self.config.adversarial_loss, fake_scores)
            matching = feature_matching(real_features, fake_features)
            parts |= {"fooling": float(fooling.detach()), "matching": float(matching.detach())}
            total = total + self.config.adversarial_weight * fooling + self.config.feature_weight * matching
        return total, parts

    def _spectrum_losses(self, decoded: Tensor, batch: Batch, step: int, parts: dict[str, float]) -> Tensor:
        """Compute the losses on the mel of decoded samples: envelope correlation and perceptual loss.

        In the perceptual warm-up the perceptual network trains instead.

        Args:
            decoded: Samples [B, T].
            batch: The true crops.
            step: Number of the step.
            parts: Losses by name; new ones are added.
        """
        config, network = self.config, self.perceptual
        losses: dict[str, tuple[float, Tensor]] = {}
        with torch.autocast(decoded.device.type, enabled=False):
            mel = self.model.mel(decoded)
            if self.correlation is not None:
                losses["correlation"] = config.correlation_weight, self.correlation(mel, batch.mel)
        true = batch._replace(envelope=batch.mel)
        if network is not None and step >= config.listener_from_step:
            phones, speaker = network.perceptual_loss(mel, true)
            losses["phone_heard"] = config.listener_phone_weight, phones
            losses["speaker_heard"] = config.listener_speaker_weight, speaker
        elif network is not None and step >= config.listener_from_step - config.listener_lessons:
            losses["lesson"] = 1.0, network.training_loss(true)
        parts |= {name: float(loss.detach()) for name, (_, loss) in losses.items()}
        return torch.stack([weight * loss for weight, loss in losses.values()]).sum() if losses else mel.new_zeros(())

    def take_discriminator_inputs(self) -> tuple[Tensor, Tensor]:
        """Return the true and the decoded samples of the last `loss`, once."""
        assert self._discriminator_inputs is not None, "loss comes first"
        inputs, self._discriminator_inputs = self._discriminator_inputs, None
        return inputs

    def adversary_loss(self, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Compute the discriminators' loss on samples from `take_discriminator_inputs`."""
        real_wav, fake_wav = inputs
        loss = adversary_loss(self.config.adversarial_loss, self.adversary(real_wav)[0], self.adversary(fake_wav)[0])
        return loss, {"adversary": float(loss.detach())}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Compute the spectral distance on the development clips."""
        batch, decoded = self._decode(self.config.evaluate_crops, 400)
        return {"spectral": float(self.mel_loss.to(decoded.device)(decoded, batch.wav))}

    @torch.no_grad()
    def show(self) -> MediaLog:
        """Return two development crops, true and decoded."""
        batch, decoded = self._decode(2, 400)
        wavs = {f"true/{i}": wav for i, wav in enumerate(batch.wav)}
        wavs |= {f"decoded/{i}": wav for i, wav in enumerate(decoded)}
        mels = self.model.mel(decoded)
        return MediaLog({"mel/true": batch.mel[0], "mel/decoded": mels[0]}, wavs)

    def _decode(self, size: int, frames: int) -> tuple[Batch, Tensor]:
        """Decode development crops, the same in every call."""
        device = next(self.model.vocoder.parameters()).device
        batch = self.dev.batch(0, size, frames).to(device)
        torch.manual_seed(0)
        speech = self.speech(batch)
        return batch, self.model.vocoder(speech, training_source(speech.pitch, speech.voicing, HOP_SAMPLES))


class JointPhase(VocoderPhase):
    """Losses and figures of the vocoder on decoded mels with true pitch, which share one frame grid.

    A `true_share` of the crops keeps its true mel; so the vocoder stays good at sharp mels.
    """

    name = "joint"

    @torch.no_grad()
    def speech(self, batch: Batch) -> Speech:
        """Return mels decoded from 1 or 2 stages, with true pitch and voicing; some mels are true in training."""
        model = self.model
        _, latents = model.factorizer.semantic(self._features(batch))
        voice = model.factorizer.voice.codes_to_voice(model.factorizer.voice(batch.voice_mel))
        counts = torch.randint(1, model.config.stages + 1, (len(latents),), device=latents.device)
        quantised, _ = model.quantizer(latents, counts)
        _, speech = model.decoder(quantised, voice)
        truth = true_speech(batch.envelope, batch.pitch)
        mel = speech.mel.float()
        if self.config.true_share and self.trained.training:
            true = torch.rand(len(mel), device=mel.device) < self.config.true_share
            mel = torch.where(true[:, None, None], truth.mel, mel)
        return Speech(mel, truth.pitch, truth.voicing)

    def _features(self, batch: Batch) -> Tensor:
        return batch.mel if self.model.front_end is None else self.model.front_end(batch.wav)


def true_speech(mel: Tensor, pitch: Tensor) -> Speech:
    """Build the `Speech` of a recording: mel, pitch held through unvoiced frames, certain voicing.

    Args:
        mel: Envelope [B, F, M].
        pitch: ln(F0 / Hz) [B, F], 0 where unvoiced.
    """
    voiced = pitch > 0
    frames = torch.arange(pitch.shape[1], device=pitch.device).expand_as(pitch)
    last = torch.where(voiced, frames, -1).cummax(dim=1).values
    held = torch.where(last >= 0, pitch.gather(1, last.clamp_min(0)), torch.full_like(pitch, PITCH_CENTRE))
    return Speech(mel, held, torch.where(voiced, _CERTAIN, -_CERTAIN))
