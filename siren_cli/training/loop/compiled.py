"""Compilation of the blocks for training (`torch.compile`): the same arithmetic in fewer passes over memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn
from torch._dynamo.exc import BackendCompilerFailed

from siren_cli.errors import ConfigError
from siren_cli.model.layers import FrameStack

_SHAPES = 64
"""Recompilation limit: stacks of all widths, lengths and types share one compiled function."""


def compile_stacks(model: nn.Module) -> None:
    """Mark the stacks of blocks in a model for compilation; each compiles on first use of a shape."""
    torch._dynamo.config.recompile_limit = _SHAPES
    for module in model.modules():
        if isinstance(module, FrameStack):
            module.compile(dynamic=False)


@contextlib.contextmanager
def compiler_needed() -> Iterator[None]:
    """Context for running compiled modules.

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
    """Context without compilation, for rare shapes."""
    return torch.compiler.set_stance("force_eager")
