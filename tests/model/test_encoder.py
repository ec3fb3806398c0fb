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
