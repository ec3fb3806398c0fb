"""Ray engine: work on a Ray cluster whose machines share a file system and have SIREN installed.

Each file is one Ray task. Ray restarts a killed worker; this module retries its file. The worker may have written the
result before it died: that result is replaced, but never an older file. A worker keeps its model for later files.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from siren_cli.batch.plan import Task
from siren_cli.batch.work import Outcome, Work, do_task
from siren_cli.errors import ExitStatus, UsageError

RETRIES = 3
_AHEAD = 4
"""Pending Ray tasks for each CPU: enough to keep it busy, few enough for a million files."""


@dataclass(frozen=True)
class _Try:
    """Pending Ray task, with the state of its destination before, and the number of lost workers."""

    task: Task
    was_there: bool
    losses: int = 0


def run_on_ray(work: Work, tasks: Sequence[Task], address: str | None) -> Iterator[Outcome]:
    """Run the tasks on a Ray cluster.

    Args:
        work: The settings.
        tasks: The files, with absolute paths.
        address: Address of a running cluster, as for `ray.init`; None for `$RAY_ADDRESS`, or else for a new cluster on
            this machine that ends with the work.

    Yields:
        The outcome of each, as it ends.

    Raises:
        UsageError: If Ray is not installed or there is no cluster at the address.
    """
    try:
        import ray
        from ray.exceptions import RayError
    except ImportError as error:
        raise UsageError(f"--engine ray needs Ray ({error}); install it with pip install 'siren-codec[ray]'") from error
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **_local_settings(address))
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UsageError(f"no Ray cluster at {address!r} ({error}); check --ray-address") from error
    try:
        remote = ray.remote(num_cpus=1, max_retries=0)(do_task)
        settings, replacing = ray.put(work), ray.put(replace(work, force=True, resume=False))  # type: ignore[type-var]
        ahead = _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        pending: dict[Any, _Try] = {}
        lost: deque[_Try] = deque()
        waiting = iter(tasks)
        while True:
            while len(pending) < ahead:
                if lost:
                    attempt = lost.popleft()
                elif (task := next(waiting, None)) is not None:
                    attempt = _Try(task, os.path.lexists(task.destination))
                else:
                    break
                is_own = attempt.losses and not attempt.was_there
                pending[remote.remote(replacing if is_own else settings, attempt.task)] = attempt
            if not pending:
                return
            for ready in ray.wait(list(pending))[0]:
                attempt = pending.pop(ready)
                try:
                    yield ray.get(ready)
                except RayError as error:
                    if attempt.losses < RETRIES:
                        lost.append(replace(attempt, losses=attempt.losses + 1))
                    else:
                        yield _of_lost_task(attempt.task, error)
    finally:
        ray.shutdown()


def _local_settings(address: str | None) -> dict[str, Any]:
    is_new = address is None and not os.environ.get("RAY_ADDRESS")
    return {"include_dashboard": False} if is_new else {}


def _of_lost_task(task: Task, error: Exception) -> Outcome:
    reason = " ".join(str(error).split())[:200]
    message = f"{task.source}: Ray gave up after {RETRIES} more tries ({reason}); see the cluster's logs"
    return Outcome(task.number, task.source, task.destination, "failed", ExitStatus.UNEXPECTED, message)
