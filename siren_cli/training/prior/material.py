"""Material that the prior is fitted to: indices and voices of the training split, made to vary as files do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from siren_cli.audio.pitch import HOP_SAMPLES
from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.model.siren import SirenModel
from siren_cli.model.speaker_coding import draw, hear
from siren_cli.streaming.chunking import CHUNK_FRAMES
from siren_cli.training.data.batches import Cache, Span
from siren_cli.training.data.indices import SHIFTS, shifted_indices, wav_of
from siren_format.limits import FRAME_SAMPLES
from siren_format.voice import codes_to_digits

FIT_HOURS = 15.0
"""Speech that the prior is fitted to, hours: about six minutes of encoding on one core."""

_MIN_SAMPLES = 2 * FRAME_SAMPLES
_SILENT_EVERY = 6
_VOICE_EVERY = 3
"""Recordings whose voices are heard: two or three thousand are enough for a few hundred frequencies."""

_SILENCE_SAMPLES = (SAMPLE_RATE_HZ // 2, 4 * SAMPLE_RATE_HZ)
_STEADY_FRAMES = 6
"""As many frames alike are silence; more of the same may be put among them."""

_LONGEST_FRAMES = 90


def fitting_material(
    model: SirenModel, cache: Cache, device: torch.device, *, seed: int, bf16: bool, report: Callable[[str], None]
) -> tuple[list[NDArray[np.int16]], NDArray[np.int64]]:
    """Encodes the training split.

    Every recording is encoded from several beginnings (`shifted_indices`), since nothing aligns speech to frames of
    160 ms: without that, a prior learns the recordings by heart. Some have digital silence before, after or in them,
    for up to a quarter of a minute, which should cost next to nothing.

    Args:
        model: On the device, in evaluation mode, with the weights that are stored.
        cache: Its training data.
        device: Where to run the factorizer.
        seed: Of beginnings and silences.
        bf16: Whether to multiply matrices in bfloat16.
        report: Called with a line when it is done.

    Returns:
        Indices [F, Q] of every recording from every beginning, and the digits of every third voice [N, 28].
    """
    rng = np.random.default_rng(seed)
    found: list[NDArray[np.int16]] = []
    voices = []
    spans = _evenly(cache.split("train"), FIT_HOURS)
    for number, span in enumerate(spans):
        wav = wav_of(cache, span)
        if number % _VOICE_EVERY == 0:
            voices.append(voice_of(model, wav, device))
        is_silent = number % _SILENT_EVERY == 0
        for indices in shifted_indices(model, _varied(wav, rng, is_silent=is_silent), device, bf16=bf16):
            found.append(_lengthened(indices, rng) if is_silent else indices)
    frames = sum(map(len, found))
    report(f"encoded {len(spans)} recordings of the training split from {SHIFTS} beginnings each, {frames} frames")
    return found, np.stack(voices)


@torch.inference_mode()
def voice_of(model: SirenModel, wav: NDArray[np.float32], device: torch.device) -> NDArray[np.int64]:
    """Digits [28] of the voice of a recording of the cache, where all are at the nominal level."""
    heard = wav[: CHUNK_FRAMES * FRAME_SAMPLES]
    samples = torch.from_numpy(np.pad(heard, (0, -len(heard) % FRAME_SAMPLES)))[None].to(device)
    return np.array(codes_to_digits(draw(model, hear(model, samples)).tolist()))


def voices_of(model: SirenModel, cache: Cache, device: torch.device) -> NDArray[np.int64]:
    """Digits [N, 28] of the voices of every third of the recordings that `fitting_material` encodes."""
    spans = _evenly(cache.split("train"), FIT_HOURS)[::_VOICE_EVERY]
    return np.stack([voice_of(model, wav_of(cache, span), device) for span in spans])


def _evenly(spans: list[Span], hours: float) -> list[Span]:
    """Every n-th recording, so that about `hours` remain."""
    total_hours = sum(span.frames for span in spans) * HOP_SAMPLES / SAMPLE_RATE_HZ / 3600
    return spans[:: max(1, round(total_hours / hours))]


def _varied(wav: NDArray[np.float32], rng: np.random.Generator, *, is_silent: bool) -> NDArray[np.float32]:
    """A recording begun up to 40 ms late, perhaps with silence before, after or in it."""
    if len(wav) >= _MIN_SAMPLES:
        wav = wav[int(rng.integers(FRAME_SAMPLES // SHIFTS)) :]
    if is_silent:
        silence = int(rng.integers(*_SILENCE_SAMPLES))
        where = (0, len(wav), int(rng.integers(len(wav) + 1)))[int(rng.integers(3))]
        wav = np.concatenate([wav[:where], np.zeros(silence, np.float32), wav[where:]])
    return wav


def _lengthened(indices: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int16]:
    """Indices [F, Q] with the longest stretch of frames alike made longer, if it is long enough to be silence."""
    is_new = np.any(indices[1:] != indices[:-1], axis=1)
    bounds = np.concatenate([[0], np.flatnonzero(is_new) + 1, [len(indices)]])
    lengths = np.diff(bounds)
    longest = int(lengths.argmax())
    if lengths[longest] < _STEADY_FRAMES:
        return indices
    more = int(rng.integers(_LONGEST_FRAMES))
    return np.insert(indices, bounds[longest], np.repeat(indices[bounds[longest]][None], more, axis=0), axis=0)
