"""What is done with one file of a batch, in whatever process; it never raises what is wrong with the file alone."""

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
"""The note of a file that is decoded as far as it is sound."""

Status = Literal["done", "skipped", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Attributes:
        number: Of its task.
        source: Path of the input.
        destination: Path of the output; None if it was never to be one.
        status: What became of it.
        exit_status: 0, or what a command for this file alone would end with.
        message: Why it failed; empty if it did not.
        facts: What `siren encode --json` or `siren decode --json` says of a file, if it is done.
        notes: What had to be done to the recording first, or is odd about the result.
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
    """A command's settings, which can be sent to another process."""

    @property
    def force(self) -> bool:
        """Whether existing results are replaced."""

    @property
    def resume(self) -> bool:
        """Whether existing results are kept if they are whole."""

    @property
    def suffix(self) -> str:
        """Suffix of the results."""

    def is_done(self, task: Task) -> bool:
        """Whether a whole result of these settings is there; raises `OutputExists` if it is one of others."""

    def run(self, task: Task, *, force: bool) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Makes the result and writes it, whole or not at all; returns its facts, and notes."""


def failure(number: int, source: str, destination: str | None, error: SirenError) -> Outcome:
    """The outcome of a file that an error ended.

    Args:
        number: Of its task.
        source: Path of the input.
        destination: Path of the output, if there was to be one.
        error: The error.

    Returns:
        The outcome.
    """
    return Outcome(number, source, destination, "failed", int(error.exit_status), str(error))


def look_at(work: Work, task: Task) -> Outcome | None:
    """Says whether a file need not or must not be worked on, by what lies at its destination.

    Args:
        work: The settings.
        task: The file.

    Returns:
        Its outcome; None if there is work to do.
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
    """Does one file, unless another process has done it by now.

    Args:
        work: The settings.
        task: The file.

    Returns:
        What became of it.
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
        # Another process wrote it in the meantime: as good as if it had been there before.
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
    """Makes a folder and those above it, if it is not there.

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
    """The codec of this process, loaded when it is first needed.

    Args:
        model: As `siren_cli.load` takes it.
        device: As `siren_cli.load` takes it.
        threads: As `siren_cli.load` takes it.
    """
    from siren_cli import codec

    return codec.load_codec(model, device=device, threads=threads)


@lru_cache(maxsize=4)
def voices_of(model: str | None, device: str, threads: int | None) -> Voices:
    """The voices that the codec of this process can speak with; those found are kept. Arguments as for `codec_of`."""
    from siren_cli.voices.library import voices_for

    return voices_for(codec_of(model, device, threads), model, lambda text: None)


def _is_older(destination: str, source: str) -> bool:
    try:
        return os.path.getmtime(destination) < os.path.getmtime(source)
    except OSError:
        return False
