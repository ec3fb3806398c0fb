"""Prefetching of the next batch, and handling of interruptions."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from siren_cli.training.config import TrainConfig
from siren_cli.training.data.batches import Batch


class BatchSource(Protocol):
    """Source of batches: the part of a phase that the prefetcher needs."""

    config: TrainConfig

    def batch(self, step: int, part: tuple[int, int] = (0, 1)) -> Batch:
        """Draw a part of the batch of a step."""


class Prefetcher:
    """Prefetcher: draws the next part of a batch in a thread while training uses the present one."""

    def __init__(self, phase: BatchSource) -> None:
        self.phase = phase
        self.waiting: dict[tuple[int, tuple[int, int]], Future[Batch]] = {}

    def __enter__(self) -> Prefetcher:
        self.pool = ThreadPoolExecutor(1)
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.shutdown(cancel_futures=True)

    def batch(self, step: int, part: tuple[int, int]) -> Batch:
        """Return a part of the batch of a step, and start drawing the following one."""
        future = self.waiting.pop((step, part), None)
        batch = future.result() if future else self.phase.batch(step, part)
        number, parts = part
        share = self.phase.config.accumulate
        following = (step, (number + 1, parts)) if (number + 1) % share else (step + 1, (number + 1 - share, parts))
        self.waiting = {following: self.pool.submit(self.phase.batch, *following)}
        return batch


@contextlib.contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Context in which the first Ctrl-C or SIGTERM sets an event; the second raises KeyboardInterrupt."""
    event = threading.Event()
    before = {}

    def note(number: int, frame: object) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
