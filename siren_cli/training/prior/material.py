"""Training data of the prior: indices and voices of the training split, augmented with offsets and silence."""

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
"""Hours of speech for the prior: about six minutes of encoding on one core."""

_MIN_SAMPLES = 2 * FRAME_SAMPLES
_SILENT_EVERY = 6
_VOICE_EVERY = 3
"""Every third recording gives a voice: two or three thousand are enough for a few hundred frequencies."""

_SILENCE_SAMPLES = (SAMPLE_RATE_HZ // 2, 4 * SAMPLE_RATE_HZ)
_STEADY_FRAMES = 6
"""Least run of equal frames that counts as silence and may be lengthened."""

_LONGEST_FRAMES = 90


def fitting_material(
    model: SirenModel, cache: Cache, device: torch.device, *, seed: int, bf16: bool, report: Callable[[str], None]
) -> tuple[list[NDArray[np.int16]], NDArray[np.int64]]:
    """Encode the training split.

    Every recording is encoded with several offsets (`shifted_indices`), since speech is not aligned to frames of
    160 ms; without them a prior overfits. Some recordings have digital silence before, after or inside, for up to a
    quarter of a minute; it should cost few bits.

    Args:
        model: On the device, in evaluation mode, with weights as stored.
        cache: Its training data.
        device: Device of the model.
        seed: Seed of offsets and silences.
        bf16: Autocast to bfloat16.
        report: Called with a line at the end.

    Returns:
        Indices [F, Q] of every recording and offset, and the digits of every third voice [N, 28].
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
    """Estimate the voice of a recording of the cache, at the nominal level: digits [28]."""
    chunk = wav[: CHUNK_FRAMES * FRAME_SAMPLES]
    samples = torch.from_numpy(np.pad(chunk, (0, -len(chunk) % FRAME_SAMPLES)))[None].to(device)
    return np.array(codes_to_digits(draw(model, hear(model, samples)).tolist()))


def voices_of(model: SirenModel, cache: Cache, device: torch.device) -> NDArray[np.int64]:
    """Estimate the voices of every third recording of `fitting_material`: digits [N, 28]."""
    spans = _evenly(cache.split("train"), FIT_HOURS)[::_VOICE_EVERY]
    return np.stack([voice_of(model, wav_of(cache, span), device) for span in spans])


def _evenly(spans: list[Span], hours: float) -> list[Span]:
    """Choose every n-th recording, so that about `hours` remain."""
    total_hours = sum(span.frames for span in spans) * HOP_SAMPLES / SAMPLE_RATE_HZ / 3600
    return spans[:: max(1, round(total_hours / hours))]


def _varied(wav: NDArray[np.float32], rng: np.random.Generator, *, is_silent: bool) -> NDArray[np.float32]:
    """Cut up to 40 ms from the start of a recording, and optionally insert silence before, after or inside."""
    if len(wav) >= _MIN_SAMPLES:
        wav = wav[int(rng.integers(FRAME_SAMPLES // SHIFTS)) :]
    if is_silent:
        silence = int(rng.integers(*_SILENCE_SAMPLES))
        where = (0, len(wav), int(rng.integers(len(wav) + 1)))[int(rng.integers(3))]
        wav = np.concatenate([wav[:where], np.zeros(silence, np.float32), wav[where:]])
    return wav


def _lengthened(indices: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int16]:
    """Lengthen the longest run of equal frames in indices [F, Q], if it is long enough to be silence."""
    is_new = np.any(indices[1:] != indices[:-1], axis=1)
    bounds = np.concatenate([[0], np.flatnonzero(is_new) + 1, [len(indices)]])
    lengths = np.diff(bounds)
    longest = int(lengths.argmax())
    if lengths[longest] < _STEADY_FRAMES:
        return indices
    more = int(rng.integers(_LONGEST_FRAMES))
    return np.insert(indices, bounds[longest], np.repeat(indices[bounds[longest]][None], more, axis=0), axis=0)
