"""The semantic branch: blocks that hear again are told what 6.25 Hz found, and begin as if there were none."""

from __future__ import annotations

import pytest
import torch

from siren_cli.config import ModelConfig
from siren_cli.errors import ConfigError
from siren_cli.model.encoder import SemanticBranch


def _branches() -> tuple[SemanticBranch, SemanticBranch]:
    """One that hears once and one that hears again, of the same weights."""
    torch.manual_seed(7)
    configs = (ModelConfig.tiny(encoder_blocks=(2, 1, 1, 1), codebook_width=20, heard_again=count) for count in (0, 1))
    once, again = (SemanticBranch(config, 80, 100).eval() for config in configs)
    missing = again.load_state_dict(once.state_dict(), strict=False).missing_keys
    assert all(name.startswith("told.") for name in missing) and missing
    return once, again


@torch.inference_mode()
def test_what_was_found_is_told_to_blocks_that_hear_again_and_to_nobody_else() -> None:
    once, again = _branches()
    mel = torch.randn(2, 64, 80)
    _, phonetic, found = once.hear(mel)
    for ours, theirs in zip(again.hear(mel), once.hear(mel), strict=True):
        torch.testing.assert_close(ours, theirs)  # nothing is told before it was trained

    assert again.told is not None
    torch.nn.init.normal_(again.told[1].weight)
    _, told, found_again = again.hear(mel)
    torch.testing.assert_close(found_again, found)
    assert told.shape == phonetic.shape == (2, 32, 16)
    assert not torch.allclose(told, phonetic)


@torch.inference_mode()
def test_what_is_told_reaches_as_far_as_attention_at_6_hz() -> None:
    once, again = _branches()
    assert again.told is not None
    torch.nn.init.normal_(again.told[1].weight)
    mel = torch.randn(1, 640, 80)
    other = mel.clone()
    other[:, 480:] = torch.randn(1, 160, 80)
    other[:, 480:] += (mel - other)[:, 480:].mean(dim=1, keepdim=True)  # the mean that both lose is the same
    near = 640 // 4  # 50 Hz, a second and a half before what differs
    assert torch.allclose(once.hear(mel)[1][:, near], once.hear(other)[1][:, near], atol=1e-5)
    assert not torch.allclose(again.hear(mel)[1][:, near], again.hear(other)[1][:, near], atol=1e-5)


@pytest.mark.parametrize("count", [-1, 3])
def test_blocks_that_are_not_there_cannot_hear_again(count: int) -> None:
    with pytest.raises(ConfigError, match=f"heard_again is {count}, expected 0 to 2"):
        ModelConfig.tiny(encoder_blocks=(2, 1, 1, 1), heard_again=count)


def _speech_like(frames: int) -> torch.Tensor:
    """Log-mel [1, F, 80] of loud stretches with short pauses in room tone."""
    torch.manual_seed(3)
    loud = (torch.arange(frames) // 30 % 3 != 2).float()[:, None]
    return (0.3 * torch.randn(frames, 80) + 2.0 * loud - 1.5)[None]


@torch.inference_mode()
def test_the_mean_is_that_of_all_frames_of_ordinary_speech() -> None:
    _, branch = _branches()
    mel = _speech_like(400)
    torch.testing.assert_close(branch.without_mean(mel), mel - mel.mean(1, keepdim=True))


@pytest.mark.parametrize("quiet", [-5.5, -2.2])
@pytest.mark.parametrize("place", ["before", "behind", "between"])
@torch.inference_mode()
def test_silence_and_faint_noise_do_not_move_the_mean(quiet: float, place: str) -> None:
    _, branch = _branches()
    mel = _speech_like(400)
    noise = quiet + 0.05 * torch.randn(1, 2_000, 80)
    cut = {"before": 0, "behind": 400, "between": 200}[place]
    padded = torch.cat([mel[:, :cut], noise, mel[:, cut:]], 1)
    shifted = branch.without_mean(padded)
    own = torch.cat([shifted[:, :cut], shifted[:, cut + 2_000 :]], 1)
    assert (own - branch.without_mean(mel)).abs().max() < 0.5
    assert (padded - padded.mean(1, keepdim=True) - shifted).abs().max() > 1.0


@torch.inference_mode()
def test_silence_alone_loses_its_own_mean() -> None:
    _, branch = _branches()
    assert branch.without_mean(torch.full((1, 64, 80), -2.6)).abs().max() < 1e-6
