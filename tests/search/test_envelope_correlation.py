"""The correlation loss hears how band amplitudes move, and neither their level nor what is silent."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
import torch
from torch import Tensor

from siren_cli.config import ModelConfig
from siren_cli.model.features import LogMel
from siren_cli.search.envelope_correlation import EnvelopeCorrelation
from siren_cli.training.data.filterbank import correlation_of, fill_filterbank

CLIP = Path(__file__).parents[1] / "data" / "4446-2271-0016.flac"


@pytest.fixture(scope="module")
def mel() -> Tensor:
    """Four seconds of speech [1, 400, M]."""
    features = LogMel(ModelConfig())
    fill_filterbank(features)
    wav, _ = soundfile.read(CLIP, dtype="float32", frames=64_000)
    found: Tensor = features(torch.from_numpy(wav)[None])[:, :400]
    return found


@pytest.fixture(scope="module")
def loss() -> EnvelopeCorrelation:
    return correlation_of(ModelConfig())


def test_the_same_and_the_louder_are_alike(mel: Tensor, loss: EnvelopeCorrelation) -> None:
    assert abs(float(loss(mel, mel))) < 0.03
    assert abs(float(loss(mel + 0.5, mel))) < 0.03


def test_blur_and_other_speech_are_not(mel: Tensor, loss: EnvelopeCorrelation) -> None:
    blurs = [
        torch.nn.functional.avg_pool1d(mel.transpose(1, 2), size, 1, size // 2, count_include_pad=False).transpose(1, 2)
        for size in (5, 17, 41)
    ]
    found = [float(loss(blur, mel)) for blur in blurs]
    assert 0.05 < found[0] < found[1] < found[2] < 0.85 < float(loss(mel.flip(1), mel))


def test_what_is_silent_does_not_count(mel: Tensor, loss: EnvelopeCorrelation) -> None:
    silence = torch.full_like(mel, -1.5)
    noisy = silence + 0.1 * torch.randn(silence.shape, generator=torch.Generator().manual_seed(1))
    alone = float(loss(mel + 0.1, mel))
    assert abs(float(loss(torch.cat([mel + 0.1, noisy], 1), torch.cat([mel, silence], 1))) - alone) < 0.02


def test_its_gradient_makes_them_more_alike(mel: Tensor, loss: EnvelopeCorrelation) -> None:
    decoded = mel.mean(1, keepdim=True) + 0.3 * torch.randn(mel.shape, generator=torch.Generator().manual_seed(2))
    found = []
    for _ in range(10):
        decoded = decoded.detach().requires_grad_()
        unlike = loss(decoded, mel)
        (slope,) = torch.autograd.grad(unlike, decoded)
        found.append(float(unlike.detach()))
        decoded = decoded - 100 * slope
    assert found[0] > 0.9 and found[-1] < 0.5
    assert torch.isfinite(decoded).all()


def test_digital_silence_is_finite(loss: EnvelopeCorrelation) -> None:
    silence = torch.full((2, 100, 80), -1.53, requires_grad=True)
    found = loss(silence, silence.detach())
    found.backward()
    assert bool(torch.isfinite(found)) and silence.grad is not None and bool(torch.isfinite(silence.grad).all())
