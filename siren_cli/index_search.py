"""Indices found by listening to where they lead: analysis by synthesis (CELP, Schroeder & Atal 1985).

The semantic branch guesses a frame's indices at once, and has learned to guess well on the average. Here the guess is
only the beginning: what the decoder makes of it is compared with what the recording says (`siren_cli.model.guide`), and
latents are moved, step by step, downhill in

    distance of spectra, pitch, voicing and phones + price of a bit · bits,

straight through the rounding (Bengio et al. 2013). Format and decoder are the same.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from siren_cli.config import MAX_EFFORT, SAMPLE_RATE_HZ
from siren_cli.errors import UsageError
from siren_cli.model.build import SirenModel
from siren_cli.model.decoder import Speech
from siren_cli.model.envelope_correlation import SEGMENT_FRAMES, EnvelopeCorrelation
from siren_cli.model.guide import Guide
from siren_cli.model.hearing import Spoken
from siren_format.packing import digits_to_indices
from siren_format.prior import NeuralPrior
from siren_format.prior_rows import prior_rows
from siren_format.tables import TOTAL

_DELTA, _CORRELATION, _PITCH, _VOICING, _PHONES = 0.3, 3.0, 3.0, 0.1, 1.5
"""What the parts of the distance count beside that of the log-mels; as in training (`TrainConfig`), about."""

_BIT = 0.07
"""What a bit a frame counts."""

_NEAR = 4.0
"""What a move counts: the guess knows more of noise and accents than the comparison does."""

_PACE, _MOMENTUM, _STEEPEST = 0.12, 0.7, 3.0
"""A step is this long in all numbers of a frame where the slope is usual, and at most `_STEEPEST` times so."""


class IndexSearch:
    """Moves the latents of recordings so that their indices decode to more of what was said.

    Args:
        model: With a guide.
        prior: The model's prior, which says what digits cost; None if it has none, and bits then count nothing.
        steps: How often the decoder is asked, 1 to `MAX_EFFORT`; each takes about as long as decoding without vocoder,
            twice.

    Raises:
        UsageError: If steps are out of range or the model has no guide.
    """

    def __init__(self, model: SirenModel, prior: NeuralPrior | None, steps: int) -> None:
        if not 1 <= steps <= MAX_EFFORT:
            raise UsageError(f"effort {steps} is out of range, expected 0 to {MAX_EFFORT}; correct it")
        if model.guide is None:
            raise UsageError(
                f"model {model.config.name} has no guide, which a search for indices needs; leave the effort at 0"
            )
        self._model = model
        self._guide: Guide = model.guide
        self._prior = prior
        self._steps = steps
        self._found: tuple[bytes, Tensor] | None = None
        filterbank = model.mel.filterbank.cpu().double()
        rising_hz = torch.linspace(0.0, SAMPLE_RATE_HZ / 2, len(filterbank), dtype=torch.float64)
        centres_hz = (filterbank * rising_hz[:, None]).sum(0) / filterbank.sum(0).clamp_min(1e-9)
        self._correlation = EnvelopeCorrelation(model.config, centres_hz.clamp_min(1.0).float())

    def moves(self, mel: Tensor, phonetic: Tensor, latents: Tensor, voice: Spoken, stages: int) -> Tensor:
        """Finds how far to move a stretch's latents, where they are about to be rounded.

        What was found last is kept: rate control asks for the same stretch again and again.

        Args:
            mel: Normalised log-mel [1, F100, M].
            phonetic: Phonetic features of the semantic branch [1, F50, D50].
            latents: Its latents [1, F, D].
            voice: What it will be decoded with.
            stages: 1 or 2.

        Returns:
            Moves [1, F, stages, N], for the quantiser's `latents_to_codes`.
        """
        key = _digest(stages, mel, latents, *(part for part in voice if part is not None))
        if self._found is None or self._found[0] != key:
            self._found = key, self._descend(mel, phonetic, latents, voice, stages)
        return self._found[1]

    def _descend(self, mel: Tensor, phonetic: Tensor, latents: Tensor, spoken: Spoken, stages: int) -> Tensor:
        """The best moves [1, F, stages, N] of all steps."""
        target = self._guide(mel)
        said = self._guide.phones_said(phonetic).softmax(dim=-1)
        with torch.inference_mode(False), torch.enable_grad():
            target = Speech(*(part.clone() for part in target))
            said, latents, voice = said.clone(), latents.clone(), spoken.clone()
            numbers = self._model.quantizer.numbers
            moved = torch.zeros(*latents.shape[:2], stages, numbers, device=latents.device, requires_grad=True)
            step, pace = _PACE * numbers**-0.5, torch.zeros_like(moved)
            best, found = float("inf"), moved.detach()
            for _ in range(self._steps):
                distance = self._distance(target, said, latents, voice, moved)
                if distance.item() < best:
                    best, found = distance.item(), moved.detach().clone()
                near = _NEAR * moved.square().sum((2, 3)).mean()
                (slope,) = torch.autograd.grad(distance + near, moved)
                usual = slope.square().mean((0, 1, 3), keepdim=True).sqrt() + 1e-9
                pace = _MOMENTUM * pace + (1 - _MOMENTUM) * (slope / usual).clamp(-_STEEPEST, _STEEPEST)
                moved = (moved - step * pace).detach().requires_grad_()
            if self._distance(target, said, latents, voice, moved).item() < best:
                found = moved.detach()
        return found

    def _distance(self, target: Speech, said: Tensor, latents: Tensor, voice: Spoken, moved: Tensor) -> Tensor:
        """How far from its target moved latents decode, the price of their indices included."""
        stages = moved.shape[2]
        counts = torch.full((1,), stages, device=latents.device)
        quantised, codes = self._model.quantizer.latents_to_codes(latents, counts, moved=moved)
        phonetic, speech = self._model.decoder(quantised, voice.vector)
        speech = voice.toned(speech)
        voiced = (target.voicing > 0).float()
        mel, true = speech.mel, target.mel
        total = F.l1_loss(mel, true) + _DELTA * F.l1_loss(mel.diff(dim=1), true.diff(dim=1))
        total = total + _PITCH * ((speech.pitch - target.pitch).abs() * voiced).sum() / voiced.sum().clamp_min(1)
        total = total + _VOICING * F.binary_cross_entropy_with_logits(speech.voicing, voiced)
        if mel.shape[1] >= SEGMENT_FRAMES:
            total = total + _CORRELATION * self._correlation(mel, true)
        heard = self._guide.phones_heard(phonetic).log_softmax(dim=-1)
        total = total + _PHONES * (said * (said.clamp_min(1e-6).log() - heard)).sum(-1).mean()
        return total if self._prior is None else total + _BIT * self._bits(self._prior, codes)

    def _bits(self, prior: NeuralPrior, codes: Tensor) -> Tensor:
        """Bits a frame of codes [1, F, Q, 4] in the context they are in, with the slope between the levels beside.

        Codes of codebooks carry no gradient: there, bits decide between steps and not where they lead.
        """
        fsq = self._model.quantizer.fsq
        digits = fsq.codes_to_digits(codes.detach())[0].cpu().numpy()
        price, slope = digit_prices(digits, prior)
        half = (fsq.levels // 2).float()
        slopes = torch.from_numpy(slope).to(codes.device) * half
        return float(price.sum(axis=(1, 2)).mean()) + (slopes * (codes - codes.detach())[0]).sum((1, 2)).mean()


def _digest(stages: int, *tensors: Tensor) -> bytes:
    """Names what a search begins with."""
    content = hashlib.sha256(bytes([stages]))
    for tensor in tensors:
        content.update(tensor.cpu().numpy().tobytes())
    return content.digest()


def digit_prices(
    digits: NDArray[np.int64], prior: NeuralPrior
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What every digit of a stretch costs, and how the price changes from the level below to the one above.

    Args:
        digits: [F, Q, 4].
        prior: What codes them.

    Returns:
        Bits [F, Q, 4], and bits a level [F, Q, 4].
    """
    rows = prior_rows(digits_to_indices(digits), prior)
    frames = np.arange(len(digits))
    price, slope = (np.empty(digits.shape, np.float32) for _ in range(2))
    for number, frequencies in enumerate(rows):
        place = (slice(None), *divmod(number, digits.shape[2]))
        bits = -np.log2(frequencies / TOTAL)
        own = digits[place]
        above, below = np.minimum(own + 1, bits.shape[1] - 1), np.maximum(own - 1, 0)
        price[place] = bits[frames, own]
        slope[place] = (bits[frames, above] - bits[frames, below]) / (above - below)
    return price, slope
