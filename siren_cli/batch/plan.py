"""Plan of a batch: its tasks and their destinations. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from siren_cli.errors import SirenError, UsageError

if TYPE_CHECKING:
    from siren_cli.files.finding import Found


@dataclass(frozen=True)
class Task:
    """Task: one input file and its output file.

    Attributes:
        number: Position in the batch, from 0.
        source: Path of the input.
        destination: Path of the output.
    """

    number: int
    source: str
    destination: str


@dataclass(frozen=True)
class Refused:
    """Refused input and its error."""

    number: int
    source: str
    error: SirenError


@dataclass
class Plan:
    """Plan of a batch.

    Attributes:
        tasks: Files to work on.
        refused: Inputs with errors.
        passed_over: Number of files of other kinds in the folders.
    """

    tasks: list[Task] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    passed_over: int = 0


def make_plan(inputs: Iterable[Found | None], output: str | None, suffix: str) -> Plan:
    """Plan the destination of every input.

    Args:
        inputs: Result of `named`, or `Found` of a list's paths.
        output: Folder of the results; None to put each beside its input.
        suffix: Suffix of the results.

    Returns:
        The plan. If several inputs have the same destination, all of them are refused.
    """
    plan = Plan()
    by_target: dict[str, list[Task]] = {}
    for number, found in enumerate(inputs):
        if found is None:
            plan.passed_over += 1
        elif found.error is not None:
            plan.refused.append(Refused(number, found.path, found.error))
        else:
            place = found.path if output is None else os.path.join(output, found.name)
            destination = os.path.splitext(place)[0] + suffix
            by_target.setdefault(os.path.normpath(destination), []).append(Task(number, found.path, destination))
    for tasks in by_target.values():
        apart = {os.path.realpath(task.source): task for task in reversed(tasks)}
        if len(apart) == 1:
            plan.tasks.extend(apart.values())
            continue
        for task in sorted(apart.values(), key=lambda task: task.number):
            other = next(one for one in apart.values() if one is not task)
            error = UsageError(
                f"{task.source}: would become {task.destination}, and so would {other.source}; rename one of them"
            )
            plan.refused.append(Refused(task.number, task.source, error))
    return plan
