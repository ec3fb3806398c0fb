"""Phase `semantic` of training: features → latents of phones, spectrum and pitch of a 160 ms frame."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from siren_cli.errors import ConfigError, DataError
from siren_cli.model.encoder import FRAME_STEPS, LatentHead
from siren_cli.model.quantizer import ResidualCodebooks
from siren_cli.model.siren import SirenModel
from siren_cli.phones import PHONES
from siren_cli.training.config import TrainConfig
from siren_cli.training.data.augment import add_noise, apply_vtlp, mix_babble, warp_time
from siren_cli.training.data.batches import Batch, Crops, phones_at_50_hz
from siren_cli.training.loop.run_log import MediaLog, SectionTimer
from siren_cli.training.losses.perceptual import phone_loss
from siren_cli.training.losses.quantisation_risk import quantisation_risk

PITCH_NUMBERS = 4
"""Pitch latents of a frame, one for each 40 ms."""

_PITCH_SCALE = 4.0
_SAMPLES = 40
"""Batches that the bases are fitted to."""

_RIDGE = 1e-4
_SAMPLE_STEPS = 1_000_000_000
"""Step number of the first of these batches, beyond all training steps."""


class LatentBases(nn.Module):
    """Latent targets: principal components of phone posteriors and envelope, and pitch, of every frame.

    - The first six tenths of the K latents come from square roots of posteriors, 8 steps of 20 ms [320].
    - Then follow those of the envelope less its mean [16 × M], scaled to the same total variance.
    - The last `PITCH_NUMBERS` are ln F0 less its mean, 0 where unvoiced.
    """

    said: Tensor
    said_mean: Tensor
    seen: Tensor
    seen_mean: Tensor

    def __init__(self, numbers: int, mel_bins: int) -> None:
        super().__init__()
        steps = FRAME_STEPS * len(PHONES)
        self.parts = latent_parts(numbers)
        said, seen, _ = (part.stop - part.start for part in self.parts)
        self.register_buffer("said", torch.zeros(said, steps))
        self.register_buffer("said_mean", torch.zeros(steps))
        self.register_buffer("seen", torch.zeros(seen, 2 * FRAME_STEPS * mel_bins))
        self.register_buffer("seen_mean", torch.zeros(2 * FRAME_STEPS * mel_bins))

    @torch.no_grad()
    def fit(self, crops: Crops, frames: int) -> None:
        """Fit the components to envelopes and phone labels of random crops.

        Args:
            crops: Training data.
            frames: Length of a crop, 10 ms each.

        Raises:
            DataError: If there are no labels.
        """
        batches = [crops.batch(_SAMPLE_STEPS + number, 10, frames) for number in range(_SAMPLES)]
        steps = torch.cat([phones_at_50_hz(batch.phones) for batch in batches])
        labels = steps.unflatten(1, (-1, FRAME_STEPS)).flatten(0, 1)
        labels = labels[(labels >= 0).all(1)]
        if not len(labels):
            raise DataError(
                "no recording has phone labels, which codebooks are fitted to; give a manifest with phones, or "
                "model.codebook_width=0"
            )
        said = F.one_hot(labels, len(PHONES)).float().flatten(1)
        seen = torch.cat([_patches(batch.envelope).flatten(0, 1) for batch in batches])
        spread = {}
        for name, samples in (("said", said), ("seen", seen)):
            basis: Tensor = getattr(self, name)
            mean = samples.mean(0)
            _, vectors = np.linalg.eigh(np.cov((samples - mean).numpy().T))
            basis.copy_(torch.from_numpy(vectors[:, ::-1][:, : len(basis)].T.copy()))
            getattr(self, f"{name}_mean").copy_(mean)
            spread[name] = float(((samples - mean) @ basis.T).var(0).sum())
        self.seen.mul_((spread["said"] / spread["seen"]) ** 0.5)

    def forward(self, posteriorgram: Tensor, batch: Batch) -> Tensor:
        """Compute the targets [B, F6, K] of a batch from its clean posteriorgram [B, F6, 320]."""
        said = (posteriorgram - self.said_mean) @ self.said.T
        seen = (_patches(batch.envelope) - self.seen_mean) @ self.seen.T
        voiced = (batch.pitch > 0).float()
        mean = (batch.pitch * voiced).sum(1, keepdim=True) / voiced.sum(1, keepdim=True).clamp_min(1)
        melody = ((batch.pitch - mean) * voiced).unflatten(1, (-1, PITCH_NUMBERS, 2 * FRAME_STEPS // PITCH_NUMBERS))
        return torch.cat([said, seen, _PITCH_SCALE * melody.mean(-1)], dim=-1)

    @torch.inference_mode()
    def fit_to_model(self, model: SirenModel, crops: Crops, frames: int) -> None:
        """Fit the components to the latents of a trained model, by least squares."""
        branch = model.factorizer.semantic.eval()
        assert branch.head is not None, "latents are computed by the head"
        given: dict[str, list[Tensor]] = {"said": [], "seen": []}
        found = []
        for number in range(_SAMPLES):
            batch = crops.batch(_SAMPLE_STEPS + number, 10, frames)
            scores, latents = branch.head(*branch.hear(batch.mel.to(self.said.device)))
            given["said"].append(branch.head.posteriorgram(scores).flatten(0, 1))
            given["seen"].append(_patches(batch.envelope.to(latents)).flatten(0, 1))
            found.append(latents.flatten(0, 1))
        for (name, samples), part in zip(given.items(), self.parts, strict=False):
            x, y = torch.cat(samples).double(), torch.cat(found)[:, part].double()
            mean, offset = x.mean(0), y.mean(0)
            gram = (x - mean).T @ (x - mean)
            gram += _RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
            basis = torch.linalg.solve(gram, (x - mean).T @ (y - offset)).T
            getattr(self, name).copy_(basis)
            getattr(self, f"{name}_mean").copy_(mean - torch.linalg.pinv(basis) @ offset)

    @torch.no_grad()
    def init_head(self, head: LatentHead) -> None:
        """Initialise a head so that it computes the components of posteriors and envelope."""
        said, seen, _ = self.parts
        head.said.weight.zero_()[said] = self.said
        head.seen.weight.zero_()[seen] = self.seen
        head.found.weight.mul_(0.05)
        head.found.bias.zero_()[said] = -self.said @ self.said_mean
        head.found.bias[seen] = -self.seen @ self.seen_mean


def latent_parts(numbers: int) -> tuple[slice, slice, slice]:
    """Split K latents into those of phones, of the spectrum and of the pitch.

    Raises:
        ConfigError: If there are too few.
    """
    if numbers < 4 * PITCH_NUMBERS:
        raise ConfigError(f"codebook_width is {numbers}, expected {4 * PITCH_NUMBERS} or more; correct it")
    said = numbers * 6 // 10
    return slice(0, said), slice(said, numbers - PITCH_NUMBERS), slice(numbers - PITCH_NUMBERS, numbers)


def _patches(envelope: Tensor) -> Tensor:
    """Cut envelopes [B, F, M], less their means, into frames of 160 ms [B, F6, 16 M]."""
    return (envelope - envelope.mean(1, keepdim=True)).unflatten(1, (-1, 2 * FRAME_STEPS)).flatten(2)


class SemanticPhase:
    """Losses and figures of the semantic branch: phone cross-entropy, and distance of noisy latents to clean targets.

    The targets come from the branch's own posteriors on clean input (self-training); so labels are optional.
    """

    name = "semantic"

    def __init__(self, model: SirenModel, train: Crops, dev: Crops, config: TrainConfig) -> None:
        branch = model.factorizer.semantic
        if branch.head is None:
            raise ConfigError("the model has no codebooks; give model.codebook_width, or leave out phase semantic")
        self.model = model
        self.head = branch.head
        self.train = train
        self.dev = dev
        self.config = config
        bases = LatentBases(model.config.codebook_width, model.config.mel_bins)
        quantizer = model.quantizer
        assert isinstance(quantizer, ResidualCodebooks), "a model with a head has them"
        if quantizer.is_fitted:
            bases.fit_to_model(model, train, config.crop_frames)
        else:
            bases.fit(train, config.crop_frames)
            bases.init_head(branch.head)
        if config.place_weight and not quantizer.is_fitted:
            raise ConfigError(
                "place_weight needs codebooks, expected a model with fitted ones; give --from MODEL, or place_weight=0"
            )
        self.bases = bases
        self.heads = nn.ModuleDict({"bases": bases})
        self.trained = nn.ModuleDict({"factorizer": nn.ModuleDict({"semantic": branch}), "heads": self.heads})
        self.timer = SectionTimer()

    def batch(self, step: int, part: tuple[int, int] = (0, 1)) -> Batch:
        """Draw the batch of a step, or a part of it."""
        return self.train.batch(step, self.config.batch, self.config.crop_frames, 4, 0.0, part=part)

    def loss(self, batch: Batch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Compute the total loss, and its parts as numbers."""
        del step
        config, mc = self.config, self.model.config
        if config.babble_share:
            with torch.no_grad(), torch.autocast(batch.wav.device.type, enabled=False):
                batch = batch._replace(input_mel=self.model.mel(mix_babble(batch.wav, config.babble_share)))
        batch = apply_vtlp(batch, config.other_speakers, mc.mel_mean, mc.mel_std, mc.mel_floor)
        if config.time_warp:
            batch = warp_time(batch, config.time_warp)
        with torch.no_grad():
            targets = self._targets(self._encode(batch.mel)[0], batch)
        mel = batch.mel if batch.input_mel is None else batch.input_mel
        scores, latents = self._encode(add_noise(mel, config.noise_share, mc.mel_mean, mc.mel_std, mc.mel_floor))
        losses = {
            "phone_encoder": phone_loss(scores, batch),
            "latents": (latents - targets).square().sum(-1).mean(),
        }
        total = config.phone_encoder_weight * losses["phone_encoder"] + config.latents_weight * losses["latents"]
        if config.place_weight:
            losses["places"] = self._risk(latents, targets, phones_at_50_hz(batch.phones))
            total = total + config.place_weight * losses["places"]
        return total, {name: float(value.detach()) for name, value in losses.items()}

    def _encode(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Encode log-mels [B, F, M] to phone logits [B, F50, 40] and latents [B, F6, K]."""
        encoded: tuple[Tensor, Tensor] = self.head(*self.model.factorizer.semantic.hear(mel))
        return encoded

    def _targets(self, scores: Tensor, batch: Batch) -> Tensor:
        """Compute the latent targets [B, F6, K] of a batch from phone logits of its clean recordings."""
        with torch.autocast(scores.device.type, enabled=False):
            targets: Tensor = self.bases(self.head.posteriorgram(scores), batch)
        return targets

    def _risk(self, latents: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        """Compute the quantisation risk of latents [B, F6, K] against their targets and phone labels [B, F50]."""
        quantizer, bases = self.model.quantizer, self.bases
        assert isinstance(quantizer, ResidualCodebooks), "a model with a head has them"
        with torch.autocast(latents.device.type, enabled=False):
            return quantisation_risk(quantizer, latents, targets, labels, bases.said, bases.said_mean)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Compute figures on development clips: phone accuracy, in noise too, and explained variance of each part."""
        frames = 640
        batch = self.dev.batch(0, self.config.evaluate_crops, frames, 4, 0.0).to(next(self.head.parameters()).device)
        scores, latents = self._encode(batch.mel)
        targets = self._targets(scores, batch)
        labels = phones_at_50_hz(batch.phones)
        spoken = labels > 0
        figures = {"phone_accuracy_encoder": float((scores.argmax(-1) == labels)[spoken].float().mean())}
        if self.config.babble_share:
            with torch.random.fork_rng(devices=()):
                torch.manual_seed(0)
                noisy_mel = self.model.mel(mix_babble(batch.wav, 1.0))
            in_noise, _ = self._encode(noisy_mel)
            figures["phone_accuracy_noise"] = float((in_noise.argmax(-1) == labels)[spoken].float().mean())
        if self.config.place_weight:
            figures["places"] = float(self._risk(latents, targets, labels))
        for name, part in zip(("phones", "spectrum", "melody"), latent_parts(latents.shape[-1]), strict=True):
            residual = (latents[..., part] - targets[..., part]).square().sum()
            mean = targets[..., part].mean((0, 1))
            variance = (targets[..., part] - mean).square().sum()
            figures[f"said_of_{name}"] = float(1 - residual / variance.clamp_min(1e-9))
        return figures

    @torch.no_grad()
    def show(self) -> MediaLog:
        """Return the mel of a development crop, and the envelope reconstructed from its latents."""
        batch = self.dev.batch(0, 1, 400, 4, 0.0).to(next(self.head.parameters()).device)
        _, latents = self._encode(batch.mel)
        bases = self.bases
        part = latent_parts(latents.shape[-1])[1]
        seen = latents[..., part] @ torch.linalg.pinv(bases.seen).T + bases.seen_mean
        frames = seen.unflatten(-1, (2 * FRAME_STEPS, -1)).flatten(1, 2)
        return MediaLog({"mel/true": batch.mel[0], "mel/latents": (frames + batch.envelope.mean(1, keepdim=True))[0]})
