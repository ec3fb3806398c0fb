"""Phase `factorizer` of training: features → indices → mel, pitch and voicing."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from siren_cli.errors import ConfigError, DataError
from siren_cli.model.decoder import Speech
from siren_cli.model.siren import SirenModel
from siren_cli.phones import PHONES
from siren_cli.training.config import TrainConfig
from siren_cli.training.data.augment import add_noise, apply_vtlp, augment_timbre, augment_timbre_wav, warp_time
from siren_cli.training.data.batches import Batch, Crops, phones_at_50_hz
from siren_cli.training.data.filterbank import correlation_of
from siren_cli.training.data.ssl_features import Teacher
from siren_cli.training.data.units import UNITS
from siren_cli.training.loop.run_log import MediaLog, SectionTimer
from siren_cli.training.losses.auxiliary import ctc_loss, distillation_loss, entropy_shares, level_usage_loss
from siren_cli.training.losses.discriminators import MelDiscriminator
from siren_cli.training.losses.perceptual import PerceptualNetwork, phone_loss
from siren_cli.training.losses.rate import EntropyEstimator
from siren_cli.training.losses.speaker import speaker_mean_loss
from siren_cli.training.losses.waveform import adversary_loss, feature_matching, generator_loss

_DISCRIMINATOR_FRAMES = 128
"""Length of the discriminator's input in frames of 10 ms."""

_PERCEPTUAL_FRAMES = 256
"""Length of the perceptual network's input in frames of 10 ms.

Whole crops would cost half as much as all other networks.
"""


class FactorizerPhase:
    """Losses and figures of the factorizer, the quantiser and the speech decoder.

    The main loss is the regression of mel, pitch and voicing. Phone classifiers on the 50 Hz features, before and after
    the quantiser, steer bits to intelligible detail. They are not exported. With an `adversarial_weight`, a mel
    discriminator counters the blur of regression.
    """

    name = "factorizer"

    def __init__(self, model: SirenModel, train: Crops, dev: Crops, config: TrainConfig) -> None:
        self.model = model
        self.train = train
        self.dev = dev
        if model.config.codebook_width:  # the codebooks are fitted to the semantic branch as it is
            config = dataclasses.replace(config, freeze=(*config.freeze, "factorizer.semantic"))
        self.config = config
        width = model.config.widths[0]
        self.timer = SectionTimer()
        model.decoder.leave_out(config.decoder_dropout)
        if config.time_warp and (model.front_end is not None or config.teacher_weight):
            raise ConfigError(
                "time_warp moves spectra and not samples, expected no self-supervised front end or teacher beside it; "
                "leave one of them out"
            )
        heads = {"encoder": nn.Linear(width, len(PHONES)), "decoder": nn.Linear(width, len(PHONES))}
        if config.ctc_weight:
            heads["ctc"] = nn.Linear(width, UNITS[config.ctc_units])
        self.teacher: Teacher | None = None
        if config.teacher_weight:
            kept = train.cache.ssl_sources.get("teacher")
            if kept and (kept["path"], kept["layer"]) != (config.teacher, config.teacher_layer):
                raise DataError(
                    f"the cache holds teacher {kept['path']!r}, layer {kept['layer']}, expected {config.teacher!r}, "
                    f"layer {config.teacher_layer}; run phase prepare again"
                )
            if kept:
                teacher_width = int(kept["width"])
            else:
                self.teacher = Teacher(config.teacher, config.teacher_layer)
                teacher_width = self.teacher.width
            heads["teacher"] = nn.Linear(width, teacher_width)
        self.heads = nn.ModuleDict(heads)
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
            kept = train.cache.ssl_sources.get("front_end")
            if kept and config.freezes("front_end") and kept["path"] != model.config.hubert_path:
                raise DataError(
                    f"the cache holds features of {kept['path']!r}, expected {model.config.hubert_path!r}; run phase "
                    "prepare again"
                )
        self.correlation = correlation_of(model.config) if config.correlation_weight else None
        self.perceptual: PerceptualNetwork | None = None
        if config.has_listener:
            self.perceptual = PerceptualNetwork(model.config.mel_bins, len(train.by_speaker))
            self.trained["listener"] = self.perceptual
        if config.rate_weight:
            self.trained["price"] = EntropyEstimator()
        self.adversary = MelDiscriminator(config.discriminator_width) if config.adversarial_weight else None
        self._discriminator_inputs: tuple[Tensor, Tensor] | None = None

    def batch(self, step: int, part: tuple[int, int] = (0, 1)) -> Batch:
        """Draw the batch of a step, or a part of it."""
        config = self.config
        return self.train.batch(
            step, config.batch, config.crop_frames, config.voice_frames, config.voice_elsewhere, config.voice_own, part
        )

    def features(self, batch: Batch, *, changed: bool = False) -> Tensor:
        """Compute the input of the semantic branch: the mel, or the front end's features of the samples.

        Features of a frozen front end may come from the cache. A trained front end runs without dropout and masks,
        which use a random generator of their own.

        Args:
            batch: Crops.
            changed: Augment the input, as in training.
        """
        share, mc = self.config.perturb if changed else 0.0, self.model.config
        if self.model.front_end is None:
            mel = augment_timbre(batch.mel, share, mc.mel_mean, mc.mel_std, mc.mel_floor)
            return self._add_noise(mel) if changed else mel
        if batch.front_end is not None and self.config.freezes("front_end"):
            return batch.front_end
        return self.model.front_end.eval()(augment_timbre_wav(batch.wav, share))

    def _add_noise(self, mel: Tensor) -> Tensor:
        """Add noise to a share of mels [B, F, M], or limit their band; targets stay clean."""
        share, mc = self.config.noise_share, self.model.config
        return add_noise(mel, share, mc.mel_mean, mc.mel_std, mc.mel_floor) if share else mel

    def loss(self, batch: Batch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Compute the total loss, and its parts as numbers."""
        config, model, mc = self.config, self.model, self.model.config
        batch = apply_vtlp(batch, config.other_speakers, mc.mel_mean, mc.mel_std, mc.mel_floor)
        if config.time_warp:
            batch = warp_time(batch, config.time_warp)
        encoder_features, latents = model.factorizer.semantic(self.features(batch, changed=True))
        codes = model.factorizer.voice(self._add_noise(batch.voice_mel))
        absent = torch.rand(len(codes), device=codes.device) < config.voice_absent
        voice = model.factorizer.voice.codes_to_voice(codes, absent)
        dropped = torch.rand(len(codes), device=codes.device) < config.stage_dropout
        counts = torch.where(dropped, 1, mc.stages)
        quantised, frame_codes = model.quantizer.latents_to_codes(latents, counts)
        decoder_features, speech = model.decoder(quantised, voice)

        losses = speech_losses(speech, batch, torch.where(counts > 1, 1.0, config.pitch_first_stage))
        losses["phone_encoder"] = phone_loss(self.heads["encoder"](encoder_features), batch)
        losses["phone_decoder"] = phone_loss(self.heads["decoder"](decoder_features), batch)
        total = (
            losses["mel"]
            + config.mean_weight * losses["mean"]
            + config.delta_weight * losses["delta"]
            + config.pitch_weight * losses["pitch"]
            + config.voicing_weight * losses["voicing"]
            + config.phone_encoder_weight * losses["phone_encoder"]
            + config.phone_decoder_weight * losses["phone_decoder"]
        )
        if self.correlation is not None:
            losses["correlation"] = self.correlation(speech.mel, batch.envelope)
            total = total + config.correlation_weight * losses["correlation"]
        if model.decoder.timbre is not None and config.timbre_weight:
            losses["timbre"] = speaker_mean_loss(model.decoder.timbre(voice), batch, absent, mc.mel_std)
            total = total + config.timbre_weight * losses["timbre"]
        if config.ctc_weight:
            losses["ctc"] = ctc_loss(self.heads["ctc"](decoder_features), batch, config.ctc_units)
            total = total + config.ctc_weight * losses["ctc"]
        if config.teacher_weight:
            losses["teacher"] = distillation_loss(
                self.heads["teacher"](decoder_features), self._teacher_features(batch)
            )
            total = total + config.teacher_weight * losses["teacher"]
        if self.perceptual is not None and step >= config.listener_from_step:
            crop, frames = _random_crop(batch)
            phones, speaker = self.perceptual.perceptual_loss(speech.mel[:, frames], crop)
            losses |= {"phone_heard": phones, "speaker_heard": speaker}
            total = total + config.listener_phone_weight * phones + config.listener_speaker_weight * speaker
        elif self.perceptual is not None and step >= config.listener_from_step - config.listener_lessons:
            losses["lesson"] = self.perceptual.training_loss(_random_crop(batch)[0])
            total = total + losses["lesson"]
        if config.evenness_weight and step >= config.evenness_from_step:
            losses["idle"] = level_usage_loss(frame_codes, config.evenness_floor)
            total = total + config.evenness_weight * losses["idle"]
        if config.rate_weight and step >= config.rate_from_step:
            first, second = self.trained["price"](frame_codes, counts)
            losses["bits"] = first + second
            total = total + config.rate_weight * (first + config.rate_second_stage * second)
        if self.adversary is not None and step >= config.adversarial_from_step:
            fooling, matching = self._adversarial_losses(self.adversary, batch.envelope, speech.mel)
            losses |= {"fooling": fooling, "matching": matching}
            total = total + config.adversarial_weight * fooling + config.feature_weight * matching
        return total, {name: float(value.detach()) for name, value in losses.items()}

    def _adversarial_losses(
        self, discriminator: MelDiscriminator, real: Tensor, decoded: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compute the generator loss and the feature matching loss of decoded spectra [B, F, M]."""
        frames = min(_DISCRIMINATOR_FRAMES, real.shape[1])
        first = int(torch.randint(0, real.shape[1] - frames + 1, ()))
        real, decoded = real[:, first : first + frames], decoded[:, first : first + frames]
        self._discriminator_inputs = (real, decoded.detach())
        with self.timer("discriminators"):
            fake_scores, fake_features = discriminator(decoded)
            with torch.no_grad():
                _, real_features = discriminator(real)
        return generator_loss(self.config.adversarial_loss, fake_scores), feature_matching(real_features, fake_features)

    def take_discriminator_inputs(self) -> tuple[Tensor, Tensor]:
        """Return the true and the decoded spectra of the last `loss`, once."""
        assert self._discriminator_inputs is not None, "loss comes first"
        inputs, self._discriminator_inputs = self._discriminator_inputs, None
        return inputs

    def adversary_loss(self, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Compute the discriminator's loss on spectra from `take_discriminator_inputs`."""
        assert self.adversary is not None, "there are inputs"
        real, decoded = inputs
        loss = adversary_loss(self.config.adversarial_loss, self.adversary(real)[0], self.adversary(decoded)[0])
        return loss, {"adversary": float(loss.detach())}

    def _teacher_features(self, batch: Batch) -> Tensor:
        """Read the teacher's features of a batch from the cache, or compute them."""
        if self.teacher is not None:
            return self.teacher.to(batch.wav.device)(batch.wav)
        assert batch.teacher is not None, "the cache has them, or there is a teacher"
        return batch.teacher

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Compute figures on the development clips, for every number of stages.

        They are mel distance (in standard deviations), frame phone accuracy of the decoder's classifier, pitch
        correlation, voicing error and digit entropy.
        """
        figures: dict[str, float] = {}
        model = self.model
        frames = 640
        batch = self.dev.batch(0, self.config.evaluate_crops, frames, frames, 0.0, voice_own=True)
        device = next(model.decoder.parameters()).device
        batch = batch.to(device)
        encoder_features, latents = model.factorizer.semantic(self.features(batch))
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
                np.corrcoef(speech.pitch[voiced].float().cpu().numpy(), batch.pitch[voiced].float().cpu().numpy())[0, 1]
            )
            figures[f"mean_{stages}"] = float(F.l1_loss(speech.mel.mean(1), batch.envelope.mean(1)))
            figures[f"voicing_error_{stages}"] = float(((speech.voicing > 0) != voiced).float().mean())
            shares = entropy_shares(digits[:, :, stages - 1])
            figures[f"entropy_share_{stages}"] = min(shares)
            if "price" in self.trained:
                codes = model.quantizer.fsq.digits_to_codes(digits[:, :, :stages])
                counts = torch.full((len(codes),), stages, device=device)
                figures[f"bits_{stages}"] = float(self.trained["price"](codes, counts).sum())
            figures |= {f"entropy_share_{stages}_digit_{number}": share for number, share in enumerate(shares)}
        return figures

    @torch.no_grad()
    def show(self) -> MediaLog:
        """Return the mel of a development crop: true, envelope, and decoded from every number of stages."""
        model = self.model
        device = next(model.decoder.parameters()).device
        batch = self.dev.batch(0, 1, 400, 400, 0.0, voice_own=True).to(device)
        _, latents = model.factorizer.semantic(self.features(batch))
        voice = model.factorizer.voice.codes_to_voice(model.factorizer.voice(batch.voice_mel))
        mels = {"mel/true": batch.mel[0], "mel/envelope": batch.envelope[0]}
        for stages in range(1, model.config.stages + 1):
            quantised, _ = model.quantizer(latents, torch.full((1,), stages, device=device))
            mels[f"mel/stages_{stages}"] = model.decoder(quantised, voice)[1].mel[0]
        return MediaLog(mels)


def speech_losses(speech: Speech, batch: Batch, melody: Tensor) -> dict[str, Tensor]:
    """Compute the losses of mel, its mean over time, its delta, pitch and voicing.

    Args:
        speech: Decoded.
        batch: Targets.
        melody: Weight of each crop's pitch [B].

    Returns:
        Loss by name; pitch in nats, over voiced frames.
    """
    voiced = (batch.pitch > 0).float()
    delta = speech.mel[:, 1:] - speech.mel[:, :-1] - (batch.envelope[:, 1:] - batch.envelope[:, :-1])
    return {
        "mel": F.l1_loss(speech.mel, batch.envelope),
        "mean": F.l1_loss(speech.mel.mean(1), batch.envelope.mean(1)),
        "delta": delta.abs().mean(),
        "pitch": ((speech.pitch - batch.pitch).abs() * voiced * melody[:, None]).sum() / batch.counts[0].clamp_min(1),
        "voicing": F.binary_cross_entropy_with_logits(speech.voicing, voiced),
    }


def _random_crop(batch: Batch) -> tuple[Batch, slice]:
    """Cut a random piece of a batch's envelopes and phones for the perceptual network; return its frames too."""
    total = batch.envelope.shape[1]
    frames = min(_PERCEPTUAL_FRAMES, total)
    first = 2 * int(torch.randint(0, (total - frames) // 2 + 1, ()))
    cut = slice(first, first + frames)
    crop = batch._replace(
        envelope=batch.envelope[:, cut], phones=batch.phones[:, cut], counts=batch.counts * frames / total
    )
    return crop, cut


def _accuracy(logits: Tensor, labels: Tensor) -> float:
    """Frame accuracy of phones, without silence."""
    spoken = labels > 0
    return float((logits.argmax(-1) == labels)[spoken].float().mean()) if bool(spoken.any()) else float("nan")
