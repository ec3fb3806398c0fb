"""Analysis by synthesis: the encoder decodes alternative indices and keeps those that match the recording best.

The encoder's initial indices are right on average. For one recording better ones exist. This search minimises, over
indices of all frames,

    distance of spectra, pitch, voicing and phones around the frame + weight · bits + distance from the initial index

(CELP, Schroeder & Atal 1985), one frame after the other (iterated conditional modes, Besag 1986). File format and
decoder stay the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from siren_cli.config import MAX_EFFORT, SAMPLE_RATE_HZ
from siren_cli.errors import UsageError
from siren_cli.model.decoder import Speech
from siren_cli.model.guide import Guide
from siren_cli.model.quantizer import POINTS
from siren_cli.model.siren import SirenModel
from siren_cli.model.speaker_coding import Spoken
from siren_cli.search.envelope_correlation import EnvelopeCorrelation
from siren_cli.search.phone_predictor import PhonePredictor
from siren_format.prior import NeuralPrior
from siren_format.prior_rows import point_bits

DELTA_WEIGHT, PITCH_WEIGHT, VOICING_WEIGHT = 0.3, 3.0, 0.1
"""Weights of the terms beside the log-mel distance, about those of training (`TrainConfig`)."""

CORRELATION_WEIGHT = (10.0, 5.0)
"""Weight of the correlation of band amplitudes with one stage and with two. More of it costs phones."""

PHONE_WEIGHT = (10.0, 5.0)
"""Weight of the phone divergence with one stage and with two, chosen by word errors of the development speakers."""

NOISE_FACTORS = 0.7, 1.5
"""Multipliers on the correlation and phone terms for noisy input."""

LATENT_TARGET_MIX = 0.15, 0.5
"""Weight of the unquantised decoder output in the search target: (clean, noisy). The rest comes from the guide."""

NOISE_RANGE_DB = 2.5, 4.5
"""Noise estimate mapped to 0 and 1. Read speech measures -1 to 0 dB; 15 dB SNR measures 4 to 30 dB."""

BIT_WEIGHT = 0.1
"""Weight of a bit at rate weight 0."""

RATE_LAMBDA = (10.0, 2.0)
"""Weight of a bit that a rate weight of 1 adds, with one stage and with two."""

DISTANCE_WEIGHT = 0.3
"""Weight of a squared step away from the initial index, chosen by word errors of the development speakers."""

CANDIDATE_DISTANCE_WEIGHT, CANDIDATE_SLOPE_WEIGHT = (6.0, 3.0), 0.25
"""Candidates are ranked by distance from the initial index (with one stage, with two), bit cost and a down-weighted
gradient. The gradient is not reliable over a whole codebook step: near candidates lose fewer words.
"""

UPDATE_STRIDE = 3
"""Frames this far apart are updated at once. Each is judged by itself and its two neighbours."""

BATCH_FRAMES = 2_048
"""Frames decoded at once; bounds memory."""


@dataclass(frozen=True)
class SearchTarget:
    """Target of the search for one chunk.

    Attributes:
        speech: Spectrum, pitch and voicing.
        phones: Phone posteriors [1, F50, 40].
        voice: Speaker conditioning of the decoder.
        noise: Noise estimate, 0 (clean) to 1 (noisy).
    """

    speech: Speech
    phones: Tensor
    voice: Spoken
    noise: float = 0.0


class AnalysisBySynthesis:
    """Encoder search for indices whose decoded speech matches the recording.

    Args:
        model: With a guide.
        prior: Bit costs of indices. Without a prior bits cost nothing.
        phones: Phone predictor, for the target.
        effort: Candidates tried per frame, 1 to `MAX_EFFORT`, shared between the stages, at least one each. They are
            tried in one round, from 4 per stage in two, from 24 per stage in three rounds of equal size.
        rate_weight: Trade-off of quality for bits, 0 (none) to 1.

    Raises:
        UsageError: If the effort is out of range or the model has no guide.
    """

    def __init__(
        self,
        model: SirenModel,
        prior: NeuralPrior | None,
        phones: PhonePredictor,
        effort: int,
        rate_weight: float = 0.0,
    ) -> None:
        if not 1 <= effort <= MAX_EFFORT:
            raise UsageError(f"effort {effort} is out of range, expected 0 to {MAX_EFFORT}; correct it")
        if model.guide is None:
            raise UsageError(
                f"model {model.config.name} has no guide, which a search for indices needs; leave the effort at 0"
            )
        self._model = model
        self._guide: Guide = model.guide
        self._prior, self._phones = prior, phones
        self._effort, self._rate_weight = effort, rate_weight
        filterbank = model.mel.filterbank.cpu().double()
        rising_hz = torch.linspace(0.0, SAMPLE_RATE_HZ / 2, len(filterbank), dtype=torch.float64)
        centres_hz = (filterbank * rising_hz[:, None]).sum(0) / filterbank.sum(0).clamp_min(1e-9)
        self._correlation = EnvelopeCorrelation(model.config, centres_hz.clamp_min(1.0).float())

    def find(self, wav: Tensor, mel: Tensor, phonetic: Tensor, latents: Tensor, voice: Spoken, stages: int) -> Tensor:
        """Find the indices of one chunk.

        Args:
            wav: Samples [1, T] at the nominal level, whole frames.
            mel: Normalised log-mel [1, F100, M].
            phonetic: Encoder features [1, F50, D50].
            latents: Encoder latents [1, F, D].
            voice: Speaker conditioning of the decoder.
            stages: 1 or 2.

        Returns:
            Indices [1, F, stages].
        """
        target = self._target(wav, mel, phonetic, latents, voice)
        indices = self._model.quantizer.latents_to_indices(latents, stages)
        effort = max(1, self._effort // stages)
        rounds = 1 if effort < 4 else 2 if effort < 24 else 3
        for _ in range(rounds):
            for stage in range(stages):
                indices = self._improve(indices, stage, effort // rounds, latents, target)
        return indices

    def _target(self, wav: Tensor, mel: Tensor, phonetic: Tensor, latents: Tensor, voice: Spoken) -> SearchTarget:
        """Target of the search.

        Spectrum, pitch and voicing are a weighted mean of the guide's prediction and of the decoder's output for
        latents that are not quantised. Noise lowers the guide's weight. Phones are the phone predictor's posteriors.
        """
        guide, model = self._guide, self._model
        clean = guide(mel, phonetic)
        counts = torch.full((len(latents),), model.config.stages, device=latents.device)
        unquantised, _ = model.quantizer.latents_to_codes(latents, counts, rounded=False)
        _, decoded = model.decoder(unquantised, voice.vector)
        noise = noise_estimate(mel, clean.mel, model.config.mel_std)
        share = _interpolate(LATENT_TARGET_MIX, noise)
        speech = Speech(
            clean.mel.lerp(voice.toned(decoded).mel, share),
            clean.pitch.lerp(decoded.pitch, share),
            clean.voicing.sigmoid().lerp(decoded.voicing.sigmoid(), share).logit(1e-4),
        )
        return SearchTarget(speech, self._phones(wav).softmax(dim=-1), voice, noise)

    def _improve(self, indices: Tensor, stage: int, tried: int, latents: Tensor, target: SearchTarget) -> Tensor:
        """Try `tried` candidates for every index of one stage; return the improved indices [1, F, Q]."""
        quantizer = self._model.quantizer
        slopes = self._slopes(indices, stage, target)
        bits = torch.zeros_like(slopes)
        if self._prior is not None:
            bits = torch.from_numpy(point_bits(indices[0].cpu().numpy(), self._prior, stage)).to(slopes)
        left = quantizer.first_left(latents)[0]
        for before in range(stage):
            left = left - quantizer.said(indices[0, :, before], before)
        away = quantizer.point_distances(left, stage)
        bits = bits * (BIT_WEIGHT + RATE_LAMBDA[indices.shape[2] - 1] * self._rate_weight)
        price = DISTANCE_WEIGHT * away + bits
        promise = CANDIDATE_DISTANCE_WEIGHT[indices.shape[2] - 1] * away + bits + CANDIDATE_SLOPE_WEIGHT * slopes
        others = promise.topk(tried, dim=-1, largest=False).indices
        for first in range(min(UPDATE_STRIDE, len(left))):
            places = torch.arange(first, len(left), UPDATE_STRIDE, device=left.device)
            choices = torch.cat([indices[0, places, stage, None], others[places]], dim=1).T
            trials = indices.expand(len(choices), -1, -1).clone()
            trials[:, places, stage] = choices
            if stage + 1 < indices.shape[2]:  # the next stage codes the new residual
                rest = left[places] - quantizer.said(choices[1:], stage)
                follow = quantizer.nearest(rest, stage + 1)
                trials[1:, places, stage + 1] = torch.where(
                    choices[1:] == choices[0], trials[1:, places, stage + 1], follow
                )
            costs = torch.cat([self._costs(some, target) for some in trials.split(max(1, BATCH_FRAMES // len(left)))])
            around = F.pad(costs, (1, 1)).unfold(1, 3, 1).sum(-1)[:, places]
            best = (around + price[places].gather(1, choices.T).T).argmin(0)
            indices = indices.clone()
            indices[0, places] = trials[best, places]
        return indices

    def _slopes(self, indices: Tensor, stage: int, target: SearchTarget) -> Tensor:
        """First-order change of the cost for every replacement of an index of one stage, [F, 1000]."""
        quantizer = self._model.quantizer
        with torch.inference_mode(False), torch.enable_grad():
            target = SearchTarget(
                Speech(*(part.clone() for part in target.speech)), target.phones.clone(), target.voice.clone(),
                target.noise,
            )  # fmt: skip
            latents = quantizer.indices_to_latents(indices).clone().requires_grad_()
            (slope,) = torch.autograd.grad(self._costs_of(latents, indices.shape[2], target).sum(), latents)
        every = torch.zeros(1, POINTS, stage + 1, dtype=torch.int64, device=indices.device)
        every[0, :, stage] = torch.arange(POINTS)
        found: Tensor = slope[0].float() @ quantizer.indices_to_latents(every)[0].float().T
        return found - found.gather(1, indices[0, :, stage, None])

    def _costs(self, indices: Tensor, target: SearchTarget) -> Tensor:
        """Distance from the target for every frame of indices [B, F, Q], [B, F]."""
        return self._costs_of(self._model.quantizer.indices_to_latents(indices), indices.shape[2], target)

    def _costs_of(self, latents: Tensor, stages: int, target: SearchTarget) -> Tensor:
        """Distance from the target for latents [B, F, D] quantised in `stages` stages, [B, F]."""
        with torch.autocast(latents.device.type, torch.bfloat16, enabled=bfloat16_is_faster(latents.device)):
            phonetic, speech = self._model.decoder(latents, target.voice.vector.expand(len(latents), -1))
        mel, goal = target.voice.toned(speech).mel, target.speech
        frames = latents.shape[1]

        def per_frame(x: Tensor) -> Tensor:
            return x.unflatten(1, (frames, -1)).flatten(2).mean(-1)

        voiced = (goal.voicing > 0).float()
        change = F.pad((mel.diff(dim=1) - goal.mel.diff(dim=1)).abs(), (0, 0, 0, 1))
        off = (speech.pitch - goal.pitch).abs() * voiced / voiced.mean().clamp_min(0.01)
        voicing = F.binary_cross_entropy_with_logits(speech.voicing, voiced.expand_as(speech.voicing), reduction="none")
        predicted = self._guide.phones_heard(phonetic.float()).log_softmax(dim=-1)
        divergence = (target.phones * (target.phones.clamp_min(1e-6).log() - predicted)).sum(-1)
        moves, phones = (
            counts[stages - 1] * _interpolate((1.0, noisy), target.noise)
            for counts, noisy in zip((CORRELATION_WEIGHT, PHONE_WEIGHT), NOISE_FACTORS, strict=True)
        )
        return (
            per_frame((mel - goal.mel).abs())
            + DELTA_WEIGHT * per_frame(change)
            + moves * per_frame(self._correlation.along(mel, goal.mel))
            + PITCH_WEIGHT * per_frame(off)
            + VOICING_WEIGHT * per_frame(voicing)
            + phones * per_frame(divergence)
        )


def _interpolate(ends: tuple[float, float], noise: float) -> float:
    """Linear interpolation between a value for clean input and one for noisy input, at noise 0 to 1."""
    quiet, noisy = ends
    return quiet + noise * (noisy - quiet)


def noise_estimate(recorded: Tensor, clean: Tensor, mel_std: float) -> float:
    """Noise estimate of a recording, 0 (clean) to 1 (noisy).

    It is the level of the recording above the predicted clean speech, over the 40 % of frames with the least speech.

    Args:
        recorded: Normalised log-mel of the recording [1, F, M].
        clean: Normalised log-mel of the speech that the guide predicts [1, F, M].
        mel_std: Divisor of the normalisation, in nats of amplitude.
    """
    above_db, level = (recorded - clean)[0].mean(-1) * mel_std * 20 / math.log(10), clean[0].mean(-1)
    faint = level.argsort()[: max(1, len(level) * 2 // 5)]
    none_db, most_db = NOISE_RANGE_DB
    return min(1.0, max(0.0, (float(above_db[faint].mean()) - none_db) / (most_db - none_db)))


def bfloat16_is_faster(device: torch.device) -> bool:
    """Test for native bfloat16 multiplication, which makes trial decoding 1.6 times as fast.

    Trials are only compared with each other, so the result hardly changes. Decoding of files never depends on it.
    """
    capabilities = getattr(torch.cpu, "get_capabilities", None)  # not every supported torch tells
    return device.type == "cpu" and capabilities is not None and bool(capabilities().get("avx512_bf16"))
