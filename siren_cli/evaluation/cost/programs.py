"""Cost of a whole program: time to its first byte, total time, peak memory.

The module is a program itself: `python -m siren_cli.evaluation.cost.programs TASK.json RESULT.json`. Linux counts the
parent's memory towards the peak of a program. The programs are therefore started from this small process, not from one
that holds networks.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ProgramCost:
    """Cost of a program, medians over runs.

    Attributes:
        first_byte_s: Time from start to the first byte on standard output; the total time if there is none.
        seconds: Total time.
        peak_bytes: Peak resident memory.
    """

    first_byte_s: float
    seconds: float
    peak_bytes: int


def program_cost(command: Sequence[str], repeats: int) -> ProgramCost:
    """Run a program several times.

    Args:
        command: Program and arguments.
        repeats: Runs that count, after one warm-up run that fills the file cache.

    Returns:
        The cost.

    Raises:
        RuntimeError: If it fails.
    """
    runs = [_run(command) for _ in range(repeats + 1)][1:]
    return ProgramCost(
        statistics.median(run.first_byte_s for run in runs),
        statistics.median(run.seconds for run in runs),
        int(statistics.median(run.peak_bytes for run in runs)),
    )


def _run(command: Sequence[str]) -> ProgramCost:
    # An installed Python program has its byte code. Without it, every start would compile the sources.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    read_end, write_end = os.pipe()
    started_s = time.perf_counter()
    with open(read_end, "rb", buffering=0) as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=write_end, stderr=subprocess.DEVNULL, env=environment
        )
        os.close(write_end)
        output.read(1)
        first_byte_s = time.perf_counter() - started_s
        while output.read(1 << 16):
            pass
    _, wait_status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(wait_status)  # already waited for
    seconds = time.perf_counter() - started_s
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit status {process.returncode}, expected 0; run it by hand")
    # Kibibytes on Linux, bytes on macOS (getrusage(2)).
    return ProgramCost(first_byte_s, seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def program_costs(commands: Sequence[Sequence[str]], repeats: int) -> list[ProgramCost]:
    """Run `program_cost` for each command, in a small process of its own.

    Raises:
        RuntimeError: If a command fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        task, result = Path(folder, "task.json"), Path(folder, "result.json")
        task.write_text(json.dumps([commands, repeats]))
        subprocess.run([sys.executable, "-m", "siren_cli.evaluation.cost.programs", task, result], check=True)
        found = json.loads(result.read_text())
    if "failed" in found:
        raise RuntimeError(found["failed"])
    return [ProgramCost(**cost) for cost in found["costs"]]


def main(task: Path, result: Path) -> None:
    """Measure the commands of a task file and write the result file."""
    commands, repeats = json.loads(task.read_text())
    try:
        found: dict[str, Any] = {"costs": [asdict(program_cost(command, repeats)) for command in commands]}
    except (OSError, RuntimeError) as error:
        found = {"failed": str(error)}
    result.write_text(json.dumps(found))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
