"""Weights as they are stored: large matrices in 8 bits a number, everything else in 16."""

from __future__ import annotations

import torch
from torch import Tensor

SCALE_SUFFIX = ".scale"
"""Ending of the name of a matrix's scales, one for each slice along its first dimension."""

COMPACT_NUMBERS = 16_384
"""Tensors of two dimensions or more with at least this many numbers are stored in 8 bits."""


def compact(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rounds the tensors of a model to what its file holds.

    Large ones become integers of -127 to 127 and float32 scales (symmetric, one scale a row: the largest number of
    a row is 127); an error of at most half a step is less than a hundredth of a row's size.

    Args:
        tensors: Name → floating tensor.

    Returns:
        Name → int8 tensor with its `.scale`, or float16 tensor; contiguous, on the CPU.
    """
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        numbers = tensor.detach().cpu().float()
        if numbers.ndim >= 2 and numbers.numel() >= COMPACT_NUMBERS:
            rows = numbers.flatten(1)
            scale = rows.abs().amax(dim=1).clamp_min(1e-12) / 127.0
            stored[name] = (rows / scale[:, None]).round().to(torch.int8).reshape(numbers.shape).contiguous()
            stored[name + SCALE_SUFFIX] = scale
        else:
            stored[name] = numbers.to(torch.float16).contiguous()
    return stored


def widen(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `compact`, as float32; a matrix without scales is taken as it is.

    Args:
        stored: What `compact` returned, or floating tensors of any kind.
    """
    tensors: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        scale = stored.get(name + SCALE_SUFFIX)
        if scale is not None:
            shape = (-1,) + (1,) * (tensor.ndim - 1)
            tensors[name] = tensor.float() * scale.reshape(shape)
        elif not (name.endswith(SCALE_SUFFIX) and name.removesuffix(SCALE_SUFFIX) in stored):
            tensors[name] = tensor.float()
    return tensors
