"""Run of a batch: plan, engine, progress and exit status."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from siren_cli.batch.plan import Plan, Task, make_plan
from siren_cli.batch.report import Totals, outcome_facts, summary_rows
from siren_cli.batch.work import Outcome, Work, failure, look_at, make_folder
from siren_cli.errors import ExitStatus, OutputUnwritable, SirenError, UsageError
from siren_cli.files.atomic import remove_leftovers
from siren_cli.files.finding import AUDIO_SUFFIXES, CODED_SUFFIXES, Found, name_of_listed, named, read_list
from siren_cli.files.streams import STREAM
from siren_cli.terminal.console import note, show_json, show_rows
from siren_cli.terminal.progress import BatchDisplay

_FILE_SUFFIXES = AUDIO_SUFFIXES | CODED_SUFFIXES


@dataclass(frozen=True)
class BatchOptions:
    """Options of a batch, for every kind of work.

    Attributes:
        output: Folder of the results; None to put each beside its input.
        files_from: Path of a list of inputs, or `-`; None for none.
        jobs: Number of processes; None for the default.
        engine: `local` or `ray`.
        ray_address: Address of a running Ray cluster.
        as_json: Print one JSON object a file, and one for the totals.
        quiet: Print errors only.
    """

    output: str | None
    files_from: str | None
    jobs: int | None
    engine: str = "local"
    ray_address: str | None = None
    as_json: bool = False
    quiet: bool = False


def is_batch(
    sources: Sequence[str], options: BatchOptions, *, resume: bool = False, folder_is_one: bool = False
) -> bool:
    """Return True if a command line names a batch of files.

    Args:
        sources: Named files and folders.
        options: Its options.
        resume: True with `--resume`.
        folder_is_one: True if a named folder holds a single recording.

    Returns:
        True if it names several files, a folder of inputs or a folder for results.

    Raises:
        UsageError: If it names no input, or has options of a batch for one file.
    """
    if not sources and options.files_from is None:
        raise UsageError("no input given, expected a file, a folder, - or --files-from; name one, see --help")
    output = options.output
    to_folder = output is not None and output != STREAM and (output.endswith(os.sep) or os.path.isdir(output))
    if options.files_from is not None or len(sources) != 1:
        return True
    if not folder_is_one and (os.path.isdir(sources[0]) or to_folder):
        return True
    asked = {
        "--jobs": options.jobs is not None,
        "--resume": resume,
        "--engine ray": options.engine != "local",
        "--ray-address": options.ray_address is not None,
    }
    for name, is_given in asked.items():
        if is_given:
            raise UsageError(f"{name} is about many files, one was given; leave it out or name a folder")
    return False


def run_batch(
    work: Work, sources: Sequence[str], suffixes: frozenset[str], kind: type[SirenError], options: BatchOptions
) -> int:
    """Work on all files; errors of single files do not end the batch.

    Args:
        work: Work on each file.
        sources: Files and folders.
        suffixes: Suffixes of input files in folders.
        kind: Class of the error for an unreadable folder or list.
        options: Options of the batch.

    Returns:
        The exit status of the first failure, in the order of the inputs; 0 without failures.

    Raises:
        SirenError: If there are no files, or the output folder is not writable; no file is worked on then.
    """
    plan = _plan(work, sources, suffixes, kind, options)
    started_s = perf_counter()
    totals = Totals(len(plan.tasks) + len(plan.refused))
    interrupted = False
    with BatchDisplay(totals.files, quiet=options.quiet) as display:
        outcomes = _outcomes(work, plan, options)
        try:
            for outcome in outcomes:
                totals.take(outcome)
                display.show(totals.ended, totals.facts(perf_counter() - started_s, plan.passed_over))
                if outcome.status == "failed":
                    display.error(outcome.message)
                if options.as_json:
                    show_json(outcome_facts(outcome))
        except KeyboardInterrupt:
            interrupted = True
        finally:
            outcomes.close()
    facts = totals.facts(perf_counter() - started_s, plan.passed_over)
    _tell(totals, facts, plan, options)
    if interrupted:
        display.error("interrupted; what is done is whole, give --resume to go on")
        return ExitStatus.INTERRUPTED
    return totals.exit_status


def _plan(
    work: Work, sources: Sequence[str], suffixes: frozenset[str], kind: type[SirenError], options: BatchOptions
) -> Plan:
    if STREAM in sources:
        raise UsageError("- is one recording, expected files and folders here; give --files-from - for a list")
    if work.force and work.resume:
        raise UsageError("--force and --resume exclude each other; --resume keeps what is done, --force redoes it")
    if options.engine != "ray" and options.ray_address is not None:
        raise UsageError("--ray-address is about --engine ray; give that as well or leave it out")
    if options.engine == "ray" and options.jobs is not None:
        raise UsageError("--jobs is about the local engine, with Ray the cluster decides; leave it out")
    output = options.output
    if output == STREAM or (output is not None and os.path.lexists(output) and not os.path.isdir(output)):
        raise UsageError(f"{output}: is no folder, expected one for the results of many files; give -o FOLDER")
    if output is not None and not os.path.isdir(output) and os.path.splitext(output)[1].lower() in _FILE_SUFFIXES:
        raise UsageError(f"{output}: is the name of a file, expected a folder for many; give -o FOLDER, or end it in /")
    inputs: list[Found | None] = list(named(sources, suffixes, kind))
    if options.files_from is not None:
        inputs += [Found(path, name_of_listed(path)) for path in read_list(options.files_from, kind)]
    plan = make_plan(inputs, output, work.suffix)
    if not plan.tasks and not plan.refused:
        raise kind(
            f"{', '.join(sources)}: no file to work on, {plan.passed_over} of other kinds; "
            f"expected some of {' '.join(sorted(suffixes))}"
        )
    if output is not None:
        make_folder(output)
        if not os.access(output, os.W_OK | os.X_OK):
            raise OutputUnwritable(f"{output}: the folder is not writable; write elsewhere")
    return plan


def _outcomes(work: Work, plan: Plan, options: BatchOptions) -> Generator[Outcome, None, None]:
    """Yield the outcome of every file: first those without work, then the others as they end."""
    for refused in plan.refused:
        yield failure(refused.number, refused.source, None, refused.error)
    for folder in sorted({os.path.dirname(task.destination) or "." for task in plan.tasks}):
        remove_leftovers(folder)
    remaining: list[Task] = []
    for task in plan.tasks:
        known = look_at(work, task)
        if known is None:
            remaining.append(task)
        else:
            yield known
    if not remaining:
        return
    # The engines take a while to import, and one file needs none.
    if options.engine == "ray":
        from siren_cli.batch.ray_engine import run_on_ray

        yield from run_on_ray(work, [_absolute(task) for task in remaining], options.ray_address)
        return
    from siren_cli.batch.local import jobs_for, run_here, run_in_workers

    jobs = min(jobs_for(len(remaining)) if options.jobs is None else options.jobs, len(remaining))
    yield from run_here(work, remaining) if jobs == 1 else run_in_workers(work, remaining, jobs)


def _absolute(task: Task) -> Task:
    return replace(task, source=os.path.abspath(task.source), destination=os.path.abspath(task.destination))


def _tell(totals: Totals, facts: dict[str, object], plan: Plan, options: BatchOptions) -> None:
    for text, files in totals.notes.items():
        note(f"{_files(files)}: {text}", quiet=options.quiet)
    if plan.passed_over:
        note(f"{_files(plan.passed_over)} of other kinds left alone", quiet=options.quiet)
    if options.as_json:
        show_json({"summary": facts})
    elif not options.quiet:
        show_rows(summary_rows(facts))


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
