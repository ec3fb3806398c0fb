"""What runs beside the steps of training: drawing the next batch, and listening for a request to end."""

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
    """A phase of training, as far as it draws batches."""

    config: TrainConfig

    def batch(self, step: int, part: tuple[int, int] = (0, 1)) -> Batch:
        """A part of the batch of a step."""


class Prefetcher:
    """Draws the next part of a batch while the present one is trained on."""

    def __init__(self, phase: BatchSource) -> None:
        self.phase = phase
        self.waiting: dict[tuple[int, tuple[int, int]], Future[Batch]] = {}

    def __enter__(self) -> Prefetcher:
        self.pool = ThreadPoolExecutor(1)
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.shutdown(cancel_futures=True)

    def batch(self, step: int, part: tuple[int, int]) -> Batch:
        """The part of the batch of a step; the one that follows is begun."""
        future = self.waiting.pop((step, part), None)
        batch = future.result() if future else self.phase.batch(step, part)
        number, parts = part
        share = self.phase.config.accumulate
        following = (step, (number + 1, parts)) if (number + 1) % share else (step + 1, (number + 1 - share, parts))
        self.waiting = {following: self.pool.submit(self.phase.batch, *following)}
        return batch


@contextlib.contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Within this context the first Ctrl-C or SIGTERM sets the event; the second raises KeyboardInterrupt."""
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
