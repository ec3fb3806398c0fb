"""The voice encoder: which of its levels files use."""

from __future__ import annotations

import pytest
import torch

from siren_cli.config import ModelConfig
from siren_cli.errors import ConfigError
from siren_cli.model.voice import VoiceEncoder


def _encoder(used: int) -> VoiceEncoder:
    torch.manual_seed(3)
    config = ModelConfig(voice_width=16, voice_fine=8, voice_fine_used=used, timbre=True)
    return VoiceEncoder(config).eval()


@pytest.mark.parametrize("used", [2, 4, 8])
@torch.inference_mode()
def test_recordings_use_the_middles_of_neighbouring_levels(used: int) -> None:
    encoder = _encoder(used)
    encoder.narrow.weight.mul_(6.0)
    mel = 2 * torch.randn(64, 48, 80)
    codes, heard = encoder(mel, rounded=False), encoder.hear(mel)
    numbers = (heard[:, :8] + 1) * 8
    part = 16 // used
    assert set(numbers.flatten().tolist()) == {float(part * i + part // 2) for i in range(used)}
    assert float((heard - codes)[:, :8].abs().max()) <= (part // 2 + 0.5) / 8 + 1e-6
    assert torch.equal(heard[:, 8:], codes[:, 8:])


@torch.inference_mode()
def test_all_levels_are_heard_as_they_are() -> None:
    encoder = _encoder(16)
    mel = torch.randn(2, 48, 80)
    assert torch.equal(encoder.hear(mel), encoder(mel, rounded=False))


def test_other_numbers_of_levels_are_refused() -> None:
    with pytest.raises(ConfigError, match="voice_fine_used is 3, expected 2, 4, 8 or 16"):
        ModelConfig(voice_fine_used=3)
