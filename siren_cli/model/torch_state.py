"""State of torch that belongs to the calling program: its default number format, its threads after a fork."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

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


@contextmanager
def inference() -> Iterator[None]:
    """Inference mode with float32 as torch's default, for the time of a call or a `with` statement."""
    with default_float32(), torch.inference_mode():
        yield


@contextmanager
def loading() -> Iterator[None]:
    """Leaves torch's random state and default number format as they were, for the time of loading a model."""
    _use_one_thread_after_fork()
    with torch.random.fork_rng(devices=[]), default_float32():
        yield


@lru_cache(maxsize=1)
def _use_one_thread_after_fork() -> None:
    """Has processes that are forked from this one compute on one thread.

    OpenMP's threads do not survive a fork, and a child that waits for them hangs.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))
