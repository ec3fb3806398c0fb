"""The excitation of the vocoder: a pulse train at the decoded pitch, and noise.

Harmonic-plus-noise source as in neural source-filter models (Wang et al. 2019): what regression averages away in
the mel, the harmonics, comes from here exactly.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from siren_cli.config import SAMPLE_RATE_HZ

NOISE_BLOCK_SAMPLES = 2**16
"""4.1 s: nobody hears such a noise begin anew."""

_NOISE_SEED = 68
_STEADY_SAMPLES = 256
_STEADY_ROUNDS = 8
"""Window of the short-time spectra that noise is made steady in, 16 ms, and how often; longer and more is no better."""


class Source(NamedTuple):
    """What the vocoder filters: `harmonics` and `noise`, samples [B, T] of unit power (harmonics where voiced)."""

    harmonics: Tensor
    noise: Tensor


def stretch(x: Tensor, hop_samples: int) -> Tensor:
    """Linear interpolation of frames [B, F] to samples [B, F * hop]; frame k stands at sample k * hop."""
    following = torch.cat([x[:, 1:], x[:, -1:]], dim=1)
    ramp = torch.arange(hop_samples, device=x.device, dtype=x.dtype) / hop_samples
    return (x[..., None] + (following - x)[..., None] * ramp).reshape(len(x), -1)


def pitch_to_turns(pitch: Tensor, hop_samples: int) -> Tensor:
    """Phase of the fundamental in turns, counted from the first sample.

    Args:
        pitch: ln(F0 / Hz) per frame [B, F].
        hop_samples: Samples per frame.

    Returns:
        Turns [B, F * hop] as float64, not wrapped.
    """
    return (stretch(pitch.double(), hop_samples).exp() / SAMPLE_RATE_HZ).cumsum(dim=1)


def harmonics_of(pitch: Tensor, voiced: Tensor, turns: Tensor, hop_samples: int) -> Tensor:
    """Sum of all harmonics below 8 kHz, equal amplitudes, unit power where voiced.

    The sum over k = 1 ... K of cos(k p) is sin((K + 1/2) p) / (2 sin(p / 2)) - 1/2 (Dirichlet kernel).

    Args:
        pitch: ln(F0 / Hz) per frame [B, F].
        voiced: Gate per frame [B, F], 0 ... 1.
        turns: Phase per sample [B, F * hop], float64.
        hop_samples: Samples per frame.

    Returns:
        Samples [B, F * hop].
    """
    count = torch.floor(SAMPLE_RATE_HZ / 2 / stretch(pitch.double(), hop_samples).exp())
    half_angle = math.pi * turns.remainder(1.0)
    denominator = half_angle.sin()
    near_pulse = denominator.abs() < 1e-4
    kernel = ((2 * count + 1) * half_angle).sin() / (2 * denominator.masked_fill(near_pulse, 1.0)) - 0.5
    kernel = torch.where(near_pulse, count, kernel)
    return (kernel * (2.0 / count).sqrt() * stretch(voiced.double(), hop_samples)).float()


def training_source(pitch: Tensor, voicing: Tensor, hop_samples: int) -> Source:
    """The source of crops: phase from 0, noise from the global generator.

    Args:
        pitch: ln(F0 / Hz) per frame [B, F].
        voicing: Logit per frame [B, F].
        hop_samples: Samples per frame.
    """
    harmonics = harmonics_of(pitch, (voicing > 0).float(), pitch_to_turns(pitch, hop_samples), hop_samples)
    return Source(harmonics, torch.randn_like(harmonics))


def steady_noise(start: int, stop: int) -> Tensor:
    """Samples `start` to `stop` of an endless noise [1, stop - start] of unit power, the same in every call.

    The short-time spectrum of Gaussian noise swells and fades at random, and with it all that is whispered or hissed;
    what is measured between a recording and its copy as well (STOI: 0.003). This noise is as white, without that: one
    block, repeated without a seam, whose short-time magnitudes were made equal again and again (Griffin & Lim 1984).
    """
    return _steady_block()[torch.arange(start, stop) % NOISE_BLOCK_SAMPLES][None]


@functools.lru_cache(maxsize=1)
def _steady_block() -> Tensor:
    """`NOISE_BLOCK_SAMPLES` samples that go on with the first, the same with any number of threads."""
    noise = torch.randn(NOISE_BLOCK_SAMPLES, generator=torch.Generator().manual_seed(_NOISE_SEED)).double()
    window = torch.hann_window(_STEADY_SAMPLES, dtype=torch.float64)
    hop, edge = _STEADY_SAMPLES // 4, _STEADY_SAMPLES
    for _ in range(_STEADY_ROUNDS):
        around = torch.cat([noise[-edge:], noise, noise[:edge]])[None]
        spectrum = short_time_spectrum(around, _STEADY_SAMPLES, hop, window)
        even = spectrum / spectrum.abs().clamp_min(torch.finfo(torch.float32).tiny)
        noise = overlap_add(even, _STEADY_SAMPLES, hop, window)[0, edge:-edge]
    return (noise / float(np.sqrt(np.square(noise.numpy()).mean()))).float()


def short_time_spectrum(wav: Tensor, fft_samples: int, hop_samples: int, window: Tensor) -> Tensor:
    """STFT [B, F, bins] (complex) of samples [B, F * hop]; frame k is centred on sample k * hop."""
    padded = F.pad(wav, (fft_samples // 2, fft_samples // 2 - hop_samples))
    frames = padded.unfold(-1, fft_samples, hop_samples)
    return torch.fft.rfft(frames * window)


def overlap_add(spectrum: Tensor, fft_samples: int, hop_samples: int, window: Tensor) -> Tensor:
    """Inverse of `short_time_spectrum` [B, F, bins] → [B, F * hop], with the same window for synthesis.

    With a Hann window and a hop of a quarter, the squared windows add up to 1.5 everywhere but at the ends.
    """
    frames = torch.fft.irfft(spectrum, n=fft_samples) * window
    total = (frames.shape[1] - 1) * hop_samples + fft_samples
    added = F.fold(frames.transpose(1, 2), (1, total), (1, fft_samples), stride=(1, hop_samples))[:, 0, 0]
    start = fft_samples // 2
    return added[:, start : start + frames.shape[1] * hop_samples] / 1.5
