"""Networks in float32, whatever default number format the calling program has set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def default_float32() -> Iterator[None]:
    """Makes float32 torch's default for new tensors, and restores the caller's default at the end.

    Used as a decorator or in a `with` statement.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
