"""Stage `semantic` of training: features → latents of what a frame of 160 ms says and sounds like, in noise as well."""

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
"""Of a frame's melody: one for each 40 ms."""

_PITCH_SCALE = 4.0
_SAMPLES = 40
_RIDGE = 1e-4
_SAMPLE_STEPS = 1_000_000_000
"""Batches that the bases are fitted to; no training comes as far as these steps."""


class Bases(nn.Module):
    """What latents are to be: principal components of phone posteriors and spectra, and melody, of every frame.

    Of K numbers the first six tenths are of the square roots of the posteriors of 8 steps of 20 ms [320], then come
    those of the envelope less its mean [16 × M], in units in which both parts vary as much, and `PITCH_NUMBERS` of the
    logarithm of the pitch less its mean, 0 where nothing is voiced.
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
        """Finds the components, those of the phones in labels.

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
        """What the latents [B, F6, K] of a batch are to be, whose clean posteriorgram [B, F6, 320] is given."""
        said = (posteriorgram - self.said_mean) @ self.said.T
        seen = (_patches(batch.envelope) - self.seen_mean) @ self.seen.T
        voiced = (batch.pitch > 0).float()
        mean = (batch.pitch * voiced).sum(1, keepdim=True) / voiced.sum(1, keepdim=True).clamp_min(1)
        melody = ((batch.pitch - mean) * voiced).unflatten(1, (-1, PITCH_NUMBERS, 2 * FRAME_STEPS // PITCH_NUMBERS))
        return torch.cat([said, seen, _PITCH_SCALE * melody.mean(-1)], dim=-1)

    @torch.inference_mode()
    def recover(self, model: SirenModel, crops: Crops, frames: int) -> None:
        """Finds what the latents of a trained model are of: those that tell them best, by least squares."""
        branch = model.factorizer.semantic.eval()
        assert branch.head is not None, "its latents are what is recovered"
        given: dict[str, list[Tensor]] = {"said": [], "seen": []}
        told = []
        for number in range(_SAMPLES):
            batch = crops.batch(_SAMPLE_STEPS + number, 10, frames)
            scores, latents = branch.head(*branch.hear(batch.mel.to(self.said.device)))
            given["said"].append(branch.head.posteriorgram(scores).flatten(0, 1))
            given["seen"].append(_patches(batch.envelope.to(latents)).flatten(0, 1))
            told.append(latents.flatten(0, 1))
        for (name, samples), part in zip(given.items(), self.parts, strict=False):
            x, y = torch.cat(samples).double(), torch.cat(told)[:, part].double()
            mean, offset = x.mean(0), y.mean(0)
            gram = (x - mean).T @ (x - mean)
            gram += _RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
            basis = torch.linalg.solve(gram, (x - mean).T @ (y - offset)).T
            getattr(self, name).copy_(basis)
            getattr(self, f"{name}_mean").copy_(mean - torch.linalg.pinv(basis) @ offset)

    @torch.no_grad()
    def start(self, head: LatentHead) -> None:
        """Has a head say of posteriors and spectra what it should, to begin with."""
        said, seen, _ = self.parts
        head.said.weight.zero_()[said] = self.said
        head.seen.weight.zero_()[seen] = self.seen
        head.found.weight.mul_(0.05)
        head.found.bias.zero_()[said] = -self.said @ self.said_mean
        head.found.bias[seen] = -self.seen @ self.seen_mean


def latent_parts(numbers: int) -> tuple[slice, slice, slice]:
    """Which of so many latents speak of phones, of spectra and of melody.

    Raises:
        ConfigError: If there are too few.
    """
    if numbers < 4 * PITCH_NUMBERS:
        raise ConfigError(f"codebook_width is {numbers}, expected {4 * PITCH_NUMBERS} or more; correct it")
    said = numbers * 6 // 10
    return slice(0, said), slice(said, numbers - PITCH_NUMBERS), slice(numbers - PITCH_NUMBERS, numbers)


def _patches(envelope: Tensor) -> Tensor:
    """Envelopes [B, F, M] less their means → frames of 160 ms [B, F6, 16 M]."""
    return (envelope - envelope.mean(1, keepdim=True)).unflatten(1, (-1, 2 * FRAME_STEPS)).flatten(2)


class SemanticPhase:
    """Losses and figures of the semantic branch: phones by labels, and latents as they would be without noise.

    Of recordings without labels the branch's own posteriors are what the latents are to say (self-training), and in
    noise those that it hears in quiet.
    """

    name = "semantic"

    def __init__(self, model: SirenModel, train: Crops, dev: Crops, config: TrainConfig) -> None:
        branch = model.factorizer.semantic
        if branch.head is None:
            raise ConfigError("the model has no codebooks; give model.codebook_width, or leave out stage semantic")
        self.model = model
        self.head = branch.head
        self.train = train
        self.dev = dev
        self.config = config
        bases = Bases(model.config.codebook_width, model.config.mel_bins)
        quantizer = model.quantizer
        assert isinstance(quantizer, ResidualCodebooks), "a model with a head has them"
        if quantizer.is_fitted:
            bases.recover(model, train, config.crop_frames)
        else:
            bases.fit(train, config.crop_frames)
            bases.start(branch.head)
        if config.place_weight and not quantizer.is_fitted:
            raise ConfigError(
                "place_weight asks where latents are quantised to, expected a model with fitted codebooks; give "
                "--from MODEL, or place_weight=0"
            )
        self.bases = bases
        self.heads = nn.ModuleDict({"bases": bases})
        self.trained = nn.ModuleDict({"factorizer": nn.ModuleDict({"semantic": branch}), "heads": self.heads})
        self.timer = SectionTimer()

    def batch(self, step: int, part: tuple[int, int] = (0, 1)) -> Batch:
        """The batch of a step, or a part of it."""
        return self.train.batch(step, self.config.batch, self.config.crop_frames, 4, 0.0, part=part)

    def loss(self, batch: Batch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Total loss, and its parts as numbers."""
        del step
        config, mc = self.config, self.model.config
        if config.babble_share:
            with torch.no_grad(), torch.autocast(batch.wav.device.type, enabled=False):
                batch = batch._replace(heard=self.model.mel(mix_babble(batch.wav, config.babble_share)))
        batch = apply_vtlp(batch, config.other_speakers, mc.mel_mean, mc.mel_std, mc.mel_floor)
        if config.time_warp:
            batch = warp_time(batch, config.time_warp)
        with torch.no_grad():
            wanted = self._wanted(self._heard(batch.mel)[0], batch)
        heard = batch.mel if batch.heard is None else batch.heard
        scores, latents = self._heard(add_noise(heard, config.noise_share, mc.mel_mean, mc.mel_std, mc.mel_floor))
        losses = {
            "phone_encoder": phone_loss(scores, batch),
            "latents": (latents - wanted).square().sum(-1).mean(),
        }
        total = config.phone_encoder_weight * losses["phone_encoder"] + config.latents_weight * losses["latents"]
        if config.place_weight:
            losses["places"] = self._risk(latents, wanted, phones_at_50_hz(batch.phones))
            total = total + config.place_weight * losses["places"]
        return total, {name: float(value.detach()) for name, value in losses.items()}

    def _heard(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of phones [B, F50, 40] and latents [B, F6, K] of log-mels [B, F, M]."""
        heard: tuple[Tensor, Tensor] = self.head(*self.model.factorizer.semantic.hear(mel))
        return heard

    def _wanted(self, scores: Tensor, batch: Batch) -> Tensor:
        """What the latents [B, F6, K] of a batch are to be, by scores of phones in its clean recordings."""
        with torch.autocast(scores.device.type, enabled=False):
            wanted: Tensor = self.bases(self.head.posteriorgram(scores), batch)
        return wanted

    def _risk(self, latents: Tensor, wanted: Tensor, labels: Tensor) -> Tensor:
        """What the places of latents [B, F6, K] are to cost, which say what is `wanted`, and phones [B, F50]."""
        quantizer, bases = self.model.quantizer, self.bases
        assert isinstance(quantizer, ResidualCodebooks), "a model with a head has them"
        with torch.autocast(latents.device.type, enabled=False):
            return quantisation_risk(quantizer, latents, wanted, labels, bases.said, bases.said_mean)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Figures on development clips: share of phones heard, in noise too, and of each part's variance in latents."""
        frames = 640
        batch = self.dev.batch(0, self.config.evaluate_crops, frames, 4, 0.0).to(next(self.head.parameters()).device)
        scores, latents = self._heard(batch.mel)
        wanted = self._wanted(scores, batch)
        labels = phones_at_50_hz(batch.phones)
        spoken = labels > 0
        figures = {"phone_accuracy_encoder": float((scores.argmax(-1) == labels)[spoken].float().mean())}
        if self.config.babble_share:
            with torch.random.fork_rng(devices=()):
                torch.manual_seed(0)
                heard = self.model.mel(mix_babble(batch.wav, 1.0))
            in_noise, _ = self._heard(heard)
            figures["phone_accuracy_noise"] = float((in_noise.argmax(-1) == labels)[spoken].float().mean())
        if self.config.place_weight:
            figures["places"] = float(self._risk(latents, wanted, labels))
        for name, part in zip(("phones", "spectrum", "melody"), latent_parts(latents.shape[-1]), strict=True):
            left = (latents[..., part] - wanted[..., part]).square().sum()
            mean = wanted[..., part].mean((0, 1))
            figures[f"said_of_{name}"] = float(1 - left / (wanted[..., part] - mean).square().sum().clamp_min(1e-9))
        return figures

    @torch.no_grad()
    def show(self) -> MediaLog:
        """A development crop: its mel, and what its latents say of its spectrum."""
        batch = self.dev.batch(0, 1, 400, 4, 0.0).to(next(self.head.parameters()).device)
        _, latents = self._heard(batch.mel)
        bases = self.bases
        part = latent_parts(latents.shape[-1])[1]
        seen = latents[..., part] @ torch.linalg.pinv(bases.seen).T + bases.seen_mean
        frames = seen.unflatten(-1, (2 * FRAME_STEPS, -1)).flatten(1, 2)
        return MediaLog({"mel/true": batch.mel[0], "mel/latents": (frames + batch.envelope.mean(1, keepdim=True))[0]})
