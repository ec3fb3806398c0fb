"""Worker pool of an evaluation."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from siren_cli.errors import DataError
from siren_cli.evaluation.workers import worker
from siren_cli.evaluation.workers.worker import EvaluationPlan

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables for the threads of the libraries below NumPy and torch, read when these are loaded."""


@contextmanager
def worker_pool(
    plan: EvaluationPlan, jobs: int
) -> Iterator[Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]]:
    """Start a pool of processes with one thread each; one job runs in this process with its own threads.

    Args:
        plan: Settings of the workers.
        jobs: Number of processes.

    Yields:
        A `map` for functions of `siren_cli.evaluation.workers.worker`; results keep the order of the tasks.

    Raises:
        DataError: If a process is ended from outside.
    """
    if jobs == 1:
        worker.start_process(plan)
        yield map
        return
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))  # one thread per process
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, context, _start, (replace(plan, threads=1),))
    try:
        yield pool.map
        pool.shutdown()
    except BrokenProcessPool as error:
        raise DataError(
            "a process of the evaluation was ended from outside, perhaps for want of memory; what was done is kept: "
            "run it again, with fewer --jobs"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _start(plan: EvaluationPlan) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles Ctrl-C
    worker.start_process(plan)
