"""Kills a batch at random moments, again and again, and looks at what it leaves."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path


@dataclass
class Figures:
    """What came of it.

    Attributes:
        kills: Batches killed while they ran.
        ended: Batches that had ended before they were killed.
        files: Results looked at, after every kill.
        wrong: Of those, how many were not whole and as an undisturbed batch makes them.
        lost: Results that were whole after one kill and gone or changed after a later one.
        leftovers: Temporary files that killed processes left, under names of their own.
    """

    kills: int = 0
    ended: int = 0
    files: int = 0
    wrong: int = 0
    lost: int = 0
    leftovers: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{field.name} {getattr(self, field.name)}" for field in fields(self))


def kill_at_random(
    command: Sequence[str],
    output: Path,
    expected: Mapping[str, bytes],
    *,
    kills: int,
    longest_s: float,
    seed: int,
    environment: Mapping[str, str] | None = None,
) -> Figures:
    """Starts a batch that goes on where it was, and kills it with SIGKILL, until it has been killed so many times.

    It goes on until at least one result has been looked at, however busy the machine is.

    Half of the time its workers are killed with it, else the main process alone. Whenever the batch is complete, its
    output is emptied and it starts anew.

    Args:
        command: The batch.
        output: Folder of its results.
        expected: What it makes, by path below the output.
        kills: How many times.
        longest_s: Longest time between the first file that a batch writes and its end, s.
        seed: Of the random moments.
        environment: Of the batch.

    Returns:
        What came of it.
    """
    moments = random.Random(seed)
    figures = Figures()
    whole: set[str] = set()
    while figures.kills < kills or not figures.files:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=environment
        )
        before = _names(output)
        while process.poll() is None and _names(output) == before:
            time.sleep(0.002)  # until it writes its first file: what it does before that does no harm
        time.sleep(moments.uniform(0.0, longest_s))
        if process.poll() is None:
            figures.kills += 1
        else:
            figures.ended += 1
        if moments.random() < 0.5:
            process.kill()
            process.wait()
            time.sleep(0.05)  # let the workers find out
        _kill_group(process.pid)
        process.wait()
        found = results(output)
        figures.files += len(found)
        figures.wrong += sum(data != expected.get(name) for name, data in found.items())
        figures.lost += len(whole - found.keys())
        figures.leftovers += remove_temporary_files(output)
        whole = {name for name, data in found.items() if data == expected.get(name)}
        if whole == expected.keys():
            for name in whole:
                (output / name).unlink()
            whole = set()
    return figures


def _names(output: Path) -> set[str]:
    return {name for _, _, names in os.walk(output) for name in names}


def results(output: Path) -> dict[str, bytes]:
    """Every file under its final name, by path below the output."""
    files = (path for path in output.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in files}


def remove_temporary_files(output: Path) -> int:
    """Removes hidden files, and says how many there were."""
    found = [path for path in output.rglob(".*") if path.is_file()]
    for path in found:
        path.unlink()
    return len(found)


def _kill_group(number: int) -> None:
    try:
        os.killpg(number, signal.SIGKILL)
    except ProcessLookupError:
        return
