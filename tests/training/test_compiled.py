"""Compiled stacks compute the same as others; without a compiler there is an error."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from siren_cli.errors import ConfigError
from siren_cli.model.layers import FrameStack
from siren_cli.training.loop.compiled import compile_stacks, uncompiled
from tests.training.test_options import few

pytestmark = pytest.mark.slow


def test_compiled_stacks_give_the_same_and_learn_the_same() -> None:
    torch.manual_seed(0)
    stack = FrameStack(16, 1, 2, voice_width=8)
    x, voice = torch.randn(2, 12, 16), torch.randn(2, 8)
    results = []
    for _ in range(2):
        stack.zero_grad()
        out = stack(x, voice)
        out.square().mean().backward()
        results.append((out.detach(), stack.convs[0].widen.weight.grad.clone()))
        compile_stacks(stack)
    for before, after in zip(*results, strict=True):
        assert torch.allclose(before, after, atol=1e-5)
    with uncompiled():
        assert torch.equal(stack(x, voice), results[0][0])


def test_without_a_compiler_one_line_says_what_to_do(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch._dynamo.reset()
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", (None, "no-such-compiler"))
    monkeypatch.setattr(torch._inductor.config, "force_disable_caches", True)
    with pytest.raises(ConfigError, match="compiled=True needs a C\\+\\+ compiler .* give --set compiled=False"):
        few(tmp_path, recordings, "compiled=True")
