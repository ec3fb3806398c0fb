"""The voice encoder: which of its levels recordings use."""

from __future__ import annotations

import pytest
import torch

from siren_cli.config import ModelConfig
from siren_cli.errors import ConfigError
from siren_cli.model.speaker import VoiceEncoder

IDENTITY = (*(tuple(range(16)) * 8), *(tuple(range(4)) * 12))
HALVED = (*((4,) * 8 + (12,) * 8) * 8, *((0, 0, 3, 3) * 12))


def _encoder(used: tuple[int, ...]) -> VoiceEncoder:
    torch.manual_seed(3)
    encoder = VoiceEncoder(ModelConfig(voice_width=16, voice_fine=8, voice_used=used, timbre=True)).eval()
    with torch.no_grad():
        encoder.narrow.weight.mul_(6.0)
    return encoder


@torch.inference_mode()
def test_recordings_use_the_levels_that_stand_for_theirs() -> None:
    encoder = _encoder(HALVED)
    mel = 2 * torch.randn(64, 48, 80)
    heard, own = encoder.draw(encoder(mel, rounded=False)), encoder(mel)
    assert torch.equal(heard[:, :8], torch.where(own[:, :8] < 0, -0.5, 0.5))
    assert torch.equal(heard[:, 8:], torch.where(own[:, 8:] < 0, -1.0, 0.5))
    assert set(heard.flatten().tolist()) == {-1.0, -0.5, 0.5}


@torch.inference_mode()
def test_all_levels_are_heard_as_they_are() -> None:
    mel = torch.randn(2, 48, 80)
    every, none = _encoder(IDENTITY), _encoder(())
    said = none(mel, rounded=False)
    assert torch.equal(none.draw(said), said)
    assert torch.equal(every.draw(said), none(mel))


@pytest.mark.parametrize(
    ("used", "message"),
    [
        (IDENTITY[:-1], "has 175 numbers, expected none or 176"),
        ((*IDENTITY[:-1], 4), "expected 0 to 15"),
        ((16, *IDENTITY[1:]), "no levels"),
    ],
)
def test_other_levels_are_refused(used: tuple[int, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ModelConfig(voice_fine=8, voice_used=used)
