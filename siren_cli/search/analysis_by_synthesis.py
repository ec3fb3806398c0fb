"""Indices found by listening to where they lead: analysis by synthesis (CELP, Schroeder & Atal 1985).

The semantic branch guesses a frame's indices at once, and has learned to guess well on the average. Here the guess is
only the beginning: for every frame other indices are tried in its place, what the decoder makes of each is compared
with what the recording says (`siren_cli.model.guide`, and the branch's own latents), and the one is kept that makes
least of

    distance of spectra, pitch, voicing and phones around the frame + price of a bit · bits + distance from the guess.

Frames are decided one after the other, in turns, since each changes what is best for its neighbours (iterated
conditional modes, Besag 1986). Format and decoder are the same.
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
from siren_format.prior import NeuralPrior
from siren_format.prior_rows import point_bits

_DELTA, _PITCH, _VOICING = 0.3, 3.0, 0.1
"""What the parts of the distance count beside that of the log-mels; as in training (`TrainConfig`), about."""

_CORRELATION = (10.0, 5.0)
"""What the correlation of band amplitudes counts with one stage and with two, where more of it costs phones."""

_PHONES = (2.0, 2.5)
"""What phones count with one stage and with two: one stage says more of them than of how amplitudes move."""

_IN_NOISE = 0.7, 1.5
"""What both count in noise of what they count in quiet: words can be told better there than how amplitudes move."""

_MEANT = 0.15, 0.5
"""Share that what latents decode to has in what should come back, in quiet and in noise, where the guide knows less."""

_NOISE_DB = 2.5, 4.5
"""Noise of so much is none, or as much as it can be: read speech has -1 to 0, and 4 to 30 at an SNR of 15 dB."""

_BIT = 0.1
"""What a bit counts, if bits are not to be saved."""

_SAVED = (2.0, 1.0)
"""What a weight of the rate makes it count more with one stage and with two, whose bits say less each."""

_NEAR = 1.0
"""What a squared step away from the guess counts: it knows more of noise and accents than the comparison does."""

_PROMISE_NEAR, _PROMISE_SLOPE = 1.5, 0.25
"""Which points are tried is told by distance from the guess, bits, and the slope of all else, which is too steep to be
followed as far as another point.
"""

_APART = 3
"""Frames so far apart are decided at once: each is judged by itself and its neighbours."""

_AT_ONCE = 2_048
"""Frames decoded at once, for memory."""


@dataclass(frozen=True)
class Wanted:
    """What a stretch should come back as: `speech` and posteriors of phones [1, F50, 40], spoken by `voice`.

    `noise` is 0 to 1, how noisy the stretch is (`_noise_in`).
    """

    speech: Speech
    phones: Tensor
    voice: Spoken
    noise: float = 0.0


class IndexSearch:
    """Looks for indices that decode to more of what was said.

    Args:
        model: With a guide.
        prior: The model's prior, which says what indices cost; None if it has none, and bits then count nothing.
        effort: How many other indices are tried in place of those of a frame, 1 to `MAX_EFFORT`, shared between its
            stages, of each one at least: in one round, from 4 a stage on in two and from 24 on in three, in each as
            many as in the others.
        rate_weight: How much bits are to be saved, 0 (not at all) to 1.

    Raises:
        UsageError: If the effort is out of range or the model has no guide.
    """

    def __init__(self, model: SirenModel, prior: NeuralPrior | None, effort: int, rate_weight: float = 0.0) -> None:
        if not 1 <= effort <= MAX_EFFORT:
            raise UsageError(f"effort {effort} is out of range, expected 0 to {MAX_EFFORT}; correct it")
        if model.guide is None:
            raise UsageError(
                f"model {model.config.name} has no guide, which a search for indices needs; leave the effort at 0"
            )
        self._model = model
        self._guide: Guide = model.guide
        self._prior = prior
        self._effort, self._rate_weight = effort, rate_weight
        filterbank = model.mel.filterbank.cpu().double()
        rising_hz = torch.linspace(0.0, SAMPLE_RATE_HZ / 2, len(filterbank), dtype=torch.float64)
        centres_hz = (filterbank * rising_hz[:, None]).sum(0) / filterbank.sum(0).clamp_min(1e-9)
        self._correlation = EnvelopeCorrelation(model.config, centres_hz.clamp_min(1.0).float())

    def find(self, mel: Tensor, phonetic: Tensor, latents: Tensor, voice: Spoken, stages: int) -> Tensor:
        """Finds the indices of a stretch.

        Args:
            mel: Normalised log-mel [1, F100, M].
            phonetic: Phonetic features of the semantic branch [1, F50, D50].
            latents: Its latents [1, F, D].
            voice: What it will be decoded with.
            stages: 1 or 2.

        Returns:
            Indices [1, F, stages].
        """
        wanted = self._wanted(mel, phonetic, latents, voice)
        indices = self._model.quantizer.latents_to_indices(latents, stages)
        effort = max(1, self._effort // stages)
        rounds = 1 if effort < 4 else 2 if effort < 24 else 3
        for _ in range(rounds):
            for stage in range(stages):
                indices = self._improved(indices, stage, effort // rounds, latents, wanted)
        return indices

    def _wanted(self, mel: Tensor, phonetic: Tensor, latents: Tensor, voice: Spoken) -> Wanted:
        """What a stretch should come back as, by two witnesses: the guide, and the latents if they need no indices.

        Of spectrum, pitch and voicing it is their mean, the guide's counting less in noise, and of phones the product
        of both posteriors (Hinton 2002, products of experts), for what the decoder can say was heard by both.
        """
        guide, model = self._guide, self._model
        heard = guide(mel, phonetic)
        counts = torch.full((len(latents),), model.config.stages, device=latents.device)
        unrounded, _ = model.quantizer.latents_to_codes(latents, counts, rounded=False)
        features, meant = model.decoder(unrounded, voice.vector)
        noise = _noise_in(mel, heard.mel, model.config.mel_std)
        share = _between(_MEANT, noise)
        speech = Speech(
            heard.mel.lerp(voice.toned(meant).mel, share),
            heard.pitch.lerp(meant.pitch, share),
            heard.voicing.sigmoid().lerp(meant.voicing.sigmoid(), share).logit(1e-4),
        )
        scores = guide.phones_said(phonetic).log_softmax(-1) + guide.phones_heard(features).log_softmax(-1)
        return Wanted(speech, scores.softmax(dim=-1), voice, noise)

    def _improved(self, indices: Tensor, stage: int, tried: int, latents: Tensor, wanted: Wanted) -> Tensor:
        """Indices [1, F, Q] whose `stage` has had so many others tried in place of every one."""
        quantizer = self._model.quantizer
        slopes = self._slopes(indices, stage, wanted)
        bits = torch.zeros_like(slopes)
        if self._prior is not None:
            bits = torch.from_numpy(point_bits(indices[0].cpu().numpy(), self._prior, stage)).to(slopes)
        left = quantizer.first_left(latents)[0]
        for before in range(stage):
            left = left - quantizer.said(indices[0, :, before], before)
        away = quantizer.point_distances(left, stage)
        bits = bits * (_BIT + _SAVED[indices.shape[2] - 1] * self._rate_weight)
        price = _NEAR * away + bits
        promise = _PROMISE_NEAR * away + bits + _PROMISE_SLOPE * slopes
        others = promise.topk(tried, dim=-1, largest=False).indices
        for first in range(min(_APART, len(left))):
            places = torch.arange(first, len(left), _APART, device=left.device)
            choices = torch.cat([indices[0, places, stage, None], others[places]], dim=1).T
            trials = indices.expand(len(choices), -1, -1).clone()
            trials[:, places, stage] = choices
            if stage + 1 < indices.shape[2]:  # the next stage says what is left over then
                rest = left[places] - quantizer.said(choices[1:], stage)
                follow = quantizer.nearest(rest, stage + 1)
                trials[1:, places, stage + 1] = torch.where(
                    choices[1:] == choices[0], trials[1:, places, stage + 1], follow
                )
            costs = torch.cat([self._costs(some, wanted) for some in trials.split(max(1, _AT_ONCE // len(left)))])
            around = F.pad(costs, (1, 1)).unfold(1, 3, 1).sum(-1)[:, places]
            best = (around + price[places].gather(1, choices.T).T).argmin(0)
            indices = indices.clone()
            indices[0, places] = trials[best, places]
        return indices

    def _slopes(self, indices: Tensor, stage: int, wanted: Wanted) -> Tensor:
        """How the costs of a stretch would change if an index of a stage were another, were they linear, [F, 1000]."""
        quantizer = self._model.quantizer
        with torch.inference_mode(False), torch.enable_grad():
            wanted = Wanted(
                Speech(*(part.clone() for part in wanted.speech)), wanted.phones.clone(), wanted.voice.clone(),
                wanted.noise,
            )  # fmt: skip
            latents = quantizer.indices_to_latents(indices).clone().requires_grad_()
            (slope,) = torch.autograd.grad(self._costs_of(latents, indices.shape[2], wanted).sum(), latents)
        every = torch.zeros(1, POINTS, stage + 1, dtype=torch.int64, device=indices.device)
        every[0, :, stage] = torch.arange(POINTS)
        found: Tensor = slope[0].float() @ quantizer.indices_to_latents(every)[0].float().T
        return found - found.gather(1, indices[0, :, stage, None])

    def _costs(self, indices: Tensor, wanted: Wanted) -> Tensor:
        """How far from what is wanted every frame of indices [B, F, Q] decodes, [B, F]."""
        return self._costs_of(self._model.quantizer.indices_to_latents(indices), indices.shape[2], wanted)

    def _costs_of(self, latents: Tensor, stages: int, wanted: Wanted) -> Tensor:
        """The same of latents [B, F, D] that were quantised in so many stages."""
        with torch.autocast(latents.device.type, torch.bfloat16, enabled=_bfloat16_is_faster(latents.device)):
            phonetic, speech = self._model.decoder(latents, wanted.voice.vector.expand(len(latents), -1))
        mel, target = wanted.voice.toned(speech).mel, wanted.speech
        frames = latents.shape[1]

        def per_frame(x: Tensor) -> Tensor:
            return x.unflatten(1, (frames, -1)).flatten(2).mean(-1)

        voiced = (target.voicing > 0).float()
        change = F.pad((mel.diff(dim=1) - target.mel.diff(dim=1)).abs(), (0, 0, 0, 1))
        off = (speech.pitch - target.pitch).abs() * voiced / voiced.mean().clamp_min(0.01)
        voicing = F.binary_cross_entropy_with_logits(speech.voicing, voiced.expand_as(speech.voicing), reduction="none")
        heard = self._guide.phones_heard(phonetic.float()).log_softmax(dim=-1)
        misheard = (wanted.phones * (wanted.phones.clamp_min(1e-6).log() - heard)).sum(-1)
        moves, phones = (
            counts[stages - 1] * _between((1.0, noisy), wanted.noise)
            for counts, noisy in zip((_CORRELATION, _PHONES), _IN_NOISE, strict=True)
        )
        return (
            per_frame((mel - target.mel).abs())
            + _DELTA * per_frame(change)
            + moves * per_frame(self._correlation.along(mel, target.mel))
            + _PITCH * per_frame(off)
            + _VOICING * per_frame(voicing)
            + phones * per_frame(misheard)
        )


def _between(ends: tuple[float, float], noise: float) -> float:
    """What is one number in quiet and another in noise, where there is so much of it, 0 to 1."""
    quiet, noisy = ends
    return quiet + noise * (noisy - quiet)


def _noise_in(heard: Tensor, spoken: Tensor, mel_std: float) -> float:
    """How noisy a recording is, from 0 in quiet to 1.

    Told by how far it is above the speech in it while that is faint.

    Args:
        heard: Its normalised log-mel [1, F, M].
        spoken: That of the speech that the guide hears in it [1, F, M].
        mel_std: What log-mels were divided by, in nats of amplitude.
    """
    above_db, level = (heard - spoken)[0].mean(-1) * mel_std * 20 / math.log(10), spoken[0].mean(-1)
    faint = level.argsort()[: max(1, len(level) * 2 // 5)]
    none_db, most_db = _NOISE_DB
    return min(1.0, max(0.0, (float(above_db[faint].mean()) - none_db) / (most_db - none_db)))


def _bfloat16_is_faster(device: torch.device) -> bool:
    """Whether a processor multiplies bfloat16 itself, which decodes the trials some 1.6 times as fast.

    What is kept hardly changes, since trials are compared with each other, and files that are read elsewhere never
    depend on it.
    """
    capabilities = getattr(torch.cpu, "get_capabilities", None)  # not every supported torch tells
    return device.type == "cpu" and capabilities is not None and bool(capabilities().get("avx512_bf16"))
