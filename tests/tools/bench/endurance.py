"""`python -m tests.tools.bench.endurance`: memory and speed, a recording of three hours beside one of ten minutes.

Each is encoded and decoded by `siren` in a process of its own, one thread, from file to file. Speed is given per second
of processor time, which other work on the machine does not change much, without the start of the program, which a
recording of a second measures; memory is the most that was resident.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import soundfile

from siren_cli.config import SAMPLE_RATE_HZ
from tests.tools.bench.seams import recording

SHORT_MINUTES, LONG_MINUTES = 10, 180


@dataclass(frozen=True)
class Endured:
    """One command on one recording.

    Attributes:
        name: What was done.
        minutes: Length of the recording.
        processor_s: Processor time, user and system, of the whole process.
        start_s: How much of that a recording of a second takes.
        peak_bytes: Most resident memory.
        output_bytes: Size of what it wrote.
    """

    name: str
    minutes: int
    processor_s: float
    start_s: float
    peak_bytes: int
    output_bytes: int

    @property
    def times_real_time(self) -> float:
        """Seconds of sound per second of processor time."""
        return 60 * self.minutes / (self.processor_s - self.start_s)


def write_recording(path: Path, seconds: int) -> None:
    """Writes ten minutes of speech again and again, a FLAC file that never is in memory as a whole."""
    part = recording(600)
    with soundfile.SoundFile(path, "w", SAMPLE_RATE_HZ, 1, format="FLAC") as file:
        left = seconds * SAMPLE_RATE_HZ
        while left > 0:
            file.write(part[:left])
            left -= len(part)


def measure(words: list[str], output: Path) -> tuple[float, int]:
    """Runs `siren` once.

    Args:
        words: The command line, but for its output.
        output: Where it writes.

    Returns:
        Processor time in s, user and system, and the most resident memory in bytes.

    Raises:
        RuntimeError: If it fails.
    """
    command = [sys.executable, "-m", "siren_cli", *words, "--quiet", "--threads", "1", "-o", str(output)]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    _, wait_status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(wait_status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit status {process.returncode}, expected 0; run it by hand")
    # Kibibytes on Linux, bytes on macOS (getrusage(2)).
    peak_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return usage.ru_utime + usage.ru_stime, peak_bytes


def run(lengths_minutes: list[int]) -> list[Endured]:
    """Encodes and decodes a recording of each length."""
    found = []
    start_s: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        original, coded, again = (Path(folder) / f"recording{suffix}" for suffix in (".flac", ".srn", ".wav"))
        commands = {"encode": (["encode", str(original), "--effort", "0", "--force"], coded),
                    "decode": (["decode", str(coded), "--force"], again)}  # fmt: skip
        for minutes in [0, *lengths_minutes]:
            seconds = 60 * minutes or 1
            write_recording(original, seconds)
            for name, (words, output) in commands.items():
                processor_s, peak_bytes = measure(words, output)
                start_s.setdefault(name, processor_s)
                size_bytes = output.stat().st_size
                found.append(Endured(name, minutes, processor_s, start_s[name], peak_bytes, size_bytes))
            if soundfile.info(again).frames != seconds * SAMPLE_RATE_HZ:
                raise RuntimeError(f"{seconds} s came out as {soundfile.info(again).duration} s; find out why")
    return found[len(commands) :]


def as_text(found: list[Endured]) -> str:
    """The table in Markdown; ratios are to the same command on the first recording."""
    lines = ["| | minutes | peak memory | | times real time | | output |", "|---|---:|---:|---:|---:|---:|---:|"]
    for one in found:
        first = next(other for other in found if other.name == one.name)
        lines.append(
            f"| {one.name} | {one.minutes} | {one.peak_bytes / 1e6:.0f} MB | {one.peak_bytes / first.peak_bytes:.2f} "
            f"| {one.times_real_time:.0f} | {one.times_real_time / first.times_real_time:.2f} "
            f"| {one.output_bytes / 1e6:.3f} MB |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.bench.endurance", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, nargs="+", default=[SHORT_MINUTES, LONG_MINUTES], help="lengths")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line instead of a table")
    options = parser.parse_args()
    found = run(options.minutes)
    print("\n".join(json.dumps(asdict(one)) for one in found) if options.json else as_text(found))


if __name__ == "__main__":
    main()
