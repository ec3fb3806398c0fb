"""Work on one file of a batch, in any process; errors of the file become its outcome."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, Protocol

from siren_cli.batch.plan import Task
from siren_cli.errors import ExitStatus, OutputExists, OutputUnwritable, SirenError
from siren_cli.files.streams import reason_of, require_writable
from siren_cli.srn.file import refusal
from siren_format.errors import FormatError

if TYPE_CHECKING:
    from siren_cli.codec import Codec
    from siren_cli.voices.library import Voices

_OLDER = "the output is older than the input and was kept; give --force to renew it"

PARTLY_LOST = "part of the recording is lost and silent"
"""Note of a damaged file whose sound parts are decoded."""

Status = Literal["done", "skipped", "failed"]


@dataclass(frozen=True)
class Outcome:
    """Outcome of one file.

    Attributes:
        number: Number of its task.
        source: Path of the input.
        destination: Path of the output; None without one.
        status: Done, skipped or failed.
        exit_status: 0, or the exit status of a command for this file alone.
        message: Error message; empty without an error.
        facts: Facts as in `siren encode --json` or `siren decode --json`, if it is done.
        notes: Conversions of the recording, and warnings about the result.
    """

    number: int
    source: str
    destination: str | None
    status: Status
    exit_status: int = 0
    message: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Work(Protocol):
    """Settings of a command, which can be sent to another process."""

    @property
    def force(self) -> bool:
        """True if existing results are replaced."""

    @property
    def resume(self) -> bool:
        """True if complete existing results are kept."""

    @property
    def suffix(self) -> str:
        """Suffix of the results."""

    def is_done(self, task: Task) -> bool:
        """Return True if a complete result of these settings exists; raise `OutputExists` for one of other settings."""

    def run(self, task: Task, *, force: bool) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Make the result and write it atomically; return its facts and notes."""


def failure(number: int, source: str, destination: str | None, error: SirenError) -> Outcome:
    """Build the outcome of a file with an error.

    Args:
        number: Number of its task.
        source: Path of the input.
        destination: Path of the output; None without one.
        error: The error.

    Returns:
        The outcome.
    """
    return Outcome(number, source, destination, "failed", int(error.exit_status), str(error))


def look_at(work: Work, task: Task) -> Outcome | None:
    """Check the destination of a file: an existing result may mean that it is skipped or refused.

    Args:
        work: The settings.
        task: The file.

    Returns:
        Its outcome; None if there is work.
    """
    if work.force or not os.path.lexists(task.destination):
        return None
    error = OutputExists(f"{task.destination}: exists already; give --force to replace it or --resume to keep it")
    if not work.resume:
        return failure(task.number, task.source, task.destination, error)
    try:
        if not os.path.exists(task.destination) or not work.is_done(task):
            return None
    except OutputExists as other:
        return failure(task.number, task.source, task.destination, other)
    notes = (_OLDER,) if _is_older(task.destination, task.source) else ()
    return Outcome(task.number, task.source, task.destination, "skipped", notes=notes)


def do_task(work: Work, task: Task) -> Outcome:
    """Work on one file, unless another process has done it.

    Args:
        work: The settings.
        task: The file.

    Returns:
        Its outcome.
    """
    if (known := look_at(work, task)) is not None:
        return known
    started_s = perf_counter()
    try:
        make_folder(os.path.dirname(task.destination))
        force = work.force or os.path.exists(task.destination)
        require_writable(task.destination, force=force, source=task.source)
        facts, notes = work.run(task, force=force)
    except OutputExists as error:
        # Another process wrote it in the meantime.
        return look_at(work, task) or failure(task.number, task.source, task.destination, error)
    except FormatError as error:
        return failure(task.number, task.source, task.destination, refusal(task.source, error))
    except SirenError as error:
        named = error if task.source in str(error) else type(error)(f"{task.source}: {error}")
        return failure(task.number, task.source, task.destination, named)
    except MemoryError:
        message = f"{task.source}: out of memory; free some, give fewer --jobs, or split the recording"
        return Outcome(task.number, task.source, task.destination, "failed", ExitStatus.UNEXPECTED, message)
    except Exception as error:  # noqa: BLE001 - one file that nobody foresaw must not end the others
        message = f"{task.source}: unexpected error: {type(error).__name__}: {error}; please report it"
        return Outcome(task.number, task.source, task.destination, "failed", ExitStatus.UNEXPECTED, message)
    elapsed_s = perf_counter() - started_s
    status = ExitStatus.PARTLY_LOST if PARTLY_LOST in notes else ExitStatus.OK
    facts = {**facts, "elapsed_s": elapsed_s}
    return Outcome(task.number, task.source, task.destination, "done", status, "", facts, notes)


def make_folder(folder: str) -> None:
    """Make a folder and its parents, if missing.

    Args:
        folder: Path; empty for the working folder.

    Raises:
        OutputUnwritable: If it cannot be made.
    """
    try:
        os.makedirs(folder or ".", exist_ok=True)
    except OSError as error:
        raise OutputUnwritable(f"{folder}: cannot be made ({reason_of(error)}); write elsewhere") from error


@lru_cache(maxsize=4)
def codec_of(model: str | None, device: str, threads: int | None) -> Codec:
    """Load the codec of this process, once.

    Args:
        model: As `siren_cli.load` takes it.
        device: As `siren_cli.load` takes it.
        threads: As `siren_cli.load` takes it.
    """
    from siren_cli import codec

    return codec.load_codec(model, device=device, threads=threads)


@lru_cache(maxsize=4)
def voices_of(model: str | None, device: str, threads: int | None) -> Voices:
    """Build the voice finder of this process, once; arguments as for `codec_of`."""
    from siren_cli.voices.library import voices_for

    return voices_for(codec_of(model, device, threads), model, lambda text: None)


def _is_older(destination: str, source: str) -> bool:
    try:
        return os.path.getmtime(destination) < os.path.getmtime(source)
    except OSError:
        return False
