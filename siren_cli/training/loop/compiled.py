"""Training with its blocks compiled: the same arithmetic in fewer passes over memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn
from torch._dynamo.exc import BackendCompilerFailed

from siren_cli.errors import ConfigError
from siren_cli.model.layers import FrameStack

_SHAPES = 64
"""Stacks of all widths, lengths and types share one function to compile, more often than torch allows by itself."""


def compile_stacks(model: nn.Module) -> None:
    """Has the stacks of blocks in a model compiled when each is first used, for every shape that it meets."""
    torch._dynamo.config.recompile_limit = _SHAPES
    for module in model.modules():
        if isinstance(module, FrameStack):
            module.compile(dynamic=False)


@contextlib.contextmanager
def compiler_needed() -> Iterator[None]:
    """Within this context compiled modules run.

    Raises:
        ConfigError: If there is no compiler for this device.
    """
    try:
        yield
    except BackendCompilerFailed as error:
        reason = " ".join(str(error).split())[:160]
        raise ConfigError(
            f"the setting compiled=True needs a C++ compiler ({reason}); install one, or give --set compiled=False"
        ) from error


def uncompiled() -> contextlib.AbstractContextManager[None]:
    """Within this context nothing is compiled; for shapes that are met seldom."""
    return torch.compiler.set_stance("force_eager")
