"""Local engine: a pool of worker processes on this machine, each with one model. Standard library only.

If a worker dies, for instance without memory, it is replaced and its file is tried once more. Other files are not
affected.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection, get_context
from typing import Any

from siren_cli.batch.plan import Task
from siren_cli.batch.work import Outcome, Work, do_task
from siren_cli.errors import ExitStatus

_ATTEMPTS = 2
_FILES_PER_WORKER = 8
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def jobs_for(files: int) -> int:
    """Choose the number of workers: one a core, but none for a few files, as a worker takes seconds to start.

    Args:
        files: Number of files.
    """
    return max(1, min(available_cores(), files // _FILES_PER_WORKER))


def available_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_here(work: Work, tasks: Sequence[Task]) -> Iterator[Outcome]:
    """Run the tasks one after another in this process.

    Args:
        work: The settings.
        tasks: The files.

    Yields:
        The outcome of each.
    """
    for task in tasks:
        yield do_task(work, task)


def run_in_workers(work: Work, tasks: Sequence[Task], jobs: int) -> Iterator[Outcome]:
    """Run the tasks in a worker pool, the largest files first so that no core idles at the end.

    Args:
        work: The settings.
        tasks: The files.
        jobs: Number of processes.

    Yields:
        The outcome of each, as it ends.
    """
    waiting = deque((task, 1) for task in sorted(tasks, key=_size_bytes, reverse=True))
    workers: list[_Worker] = []
    try:
        while waiting or any(worker.task is not None for worker in workers):
            while waiting and len(workers) < jobs:
                workers.append(_Worker(work))
            for worker in workers:
                if waiting and worker.task is None:
                    worker.give(*waiting.popleft())
            for ready in connection.wait([worker.pipe for worker in workers if worker.task is not None]):
                worker = next(worker for worker in workers if worker.pipe is ready)
                task, attempt = worker.task, worker.attempt
                assert task is not None
                try:
                    outcome = worker.take()
                except (EOFError, OSError):
                    workers.remove(worker)
                    status = worker.end()
                    if attempt < _ATTEMPTS:
                        waiting.append((task, attempt + 1))
                        continue
                    outcome = _of_dead_worker(task, status)
                yield outcome
    finally:
        for worker in workers:
            worker.end()


def serve(pipe: connection.Connection, work: Work) -> None:
    """Run tasks until the pipe ends; the main function of a worker.

    Args:
        pipe: Pipe of tasks and outcomes; if it ends, for instance with the parent process, the worker ends.
        work: The settings.
    """
    signal.signal(signal.SIGTERM, _stop)
    with suppress(KeyboardInterrupt):
        with suppress(EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
            while True:
                pipe.send(do_task(work, pipe.recv()))
        # The pipe's end and the signal may come together; a late signal must not interrupt the cleanup.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _stop(signal_number: int, frame: object) -> None:
    """End the worker by an exception, so that its temporary file is removed."""
    raise KeyboardInterrupt


@contextmanager
def _as_workers_start() -> Iterator[None]:
    """Context in which started processes use one thread for every library, and ignore Ctrl-C.

    Ctrl-C reaches every process of the terminal; the parent process handles it for all.
    """
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update({name: os.environ.get(name, "1") for name in _THREAD_VARIABLES})
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        for name, value in before.items():
            if value is None:
                del os.environ[name]


class _Worker:
    """Worker process and its current task."""

    def __init__(self, work: Work) -> None:
        # A forked process would inherit locks of torch without their threads; a spawned one starts clean.
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.task: Task | None = None
        self.attempt = 0
        self._process = context.Process(target=serve, args=(theirs, work), daemon=True)
        with _as_workers_start():
            self._process.start()
        theirs.close()

    def give(self, task: Task, attempt: int) -> None:
        """Send a task; if the process is dead, `take` raises."""
        self.task, self.attempt = task, attempt
        with suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send(task)

    def take(self) -> Outcome:
        """Receive the outcome of the task; raise EOFError or OSError if the process has died."""
        outcome: Outcome = self.pipe.recv()
        self.task = None
        return outcome

    def end(self) -> int:
        """Stop the process and return its exit status, negative for a signal."""
        self.pipe.close()
        if self._process.is_alive() and self.task is not None:
            self._process.terminate()
        self._process.join()
        status: Any = self._process.exitcode
        self._process.close()
        return int(status)


def _of_dead_worker(task: Task, status: int) -> Outcome:
    ended = f"signal {-status}" if status < 0 else f"exit status {status}"
    message = (
        f"{task.source}: the process that worked on it ended by {ended}, {_ATTEMPTS} times; "
        "free memory, give fewer --jobs, or leave the file out"
    )
    return Outcome(task.number, task.source, task.destination, "failed", ExitStatus.UNEXPECTED, message)


def _size_bytes(task: Task) -> int:
    try:
        return os.path.getsize(task.source)
    except OSError:
        return 0
