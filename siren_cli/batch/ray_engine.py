"""The Ray engine: the same work on the machines of a Ray cluster, which share a file system and have SIREN installed.

One Ray task a file. Ray starts a killed worker anew and tries its file again; a worker keeps its model for the files
that come after.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any

from siren_cli.batch.plan import Task
from siren_cli.batch.work import Outcome, Work, do_task
from siren_cli.errors import ExitStatus, UsageError

RETRIES = 3
_AHEAD = 4
"""Tasks handed to Ray for each of its CPUs: enough to keep them busy, few enough for a million files."""


def run_on_ray(work: Work, tasks: Sequence[Task], address: str | None) -> Iterator[Outcome]:
    """Does the tasks on a Ray cluster.

    Args:
        work: The settings.
        tasks: The files, with absolute paths.
        address: Of a running cluster, as `ray.init` takes it; None for that of `$RAY_ADDRESS`, or else for a new one
            on this machine that ends with the work.

    Yields:
        What became of each, as it ends.

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
        remote = ray.remote(num_cpus=1, max_retries=RETRIES)(do_task)
        settings = ray.put(work)
        ahead = _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        pending: dict[Any, Task] = {}
        waiting = iter(tasks)
        while True:
            while len(pending) < ahead and (task := next(waiting, None)) is not None:
                pending[remote.remote(settings, task)] = task
            if not pending:
                return
            for ready in ray.wait(list(pending))[0]:
                task = pending.pop(ready)
                try:
                    yield ray.get(ready)
                except RayError as error:
                    yield _of_lost_task(task, error)
    finally:
        ray.shutdown()


def _local_settings(address: str | None) -> dict[str, Any]:
    is_new = address is None and not os.environ.get("RAY_ADDRESS")
    return {"include_dashboard": False} if is_new else {}


def _of_lost_task(task: Task, error: Exception) -> Outcome:
    reason = " ".join(str(error).split())[:200]
    message = f"{task.source}: Ray gave up after {RETRIES} more tries ({reason}); see the cluster's logs"
    return Outcome(task.number, task.source, task.destination, "failed", ExitStatus.UNEXPECTED, message)
