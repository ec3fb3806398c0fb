"""How long commands take from nothing, and the most memory they hold."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One command: median wall-clock time and median peak of its resident memory."""

    name: str
    seconds: float
    peak_bytes: int


def measure_commands(clip: Path, short_clip: Path, repeats: int) -> list[Run]:
    """Times whole processes: bare Python, SIREN's commands, `import torch`.

    Call it before this process itself grows: Linux counts the memory of the parent towards the peak of a child.

    Args:
        clip: The recording whose encoding and decoding is measured for memory.
        short_clip: A recording of 3 s, encoded cold.
        repeats: Runs of each command; the first, which fills the file cache, is not counted.

    Returns:
        The runs, bare Python first.

    Raises:
        FileNotFoundError: If `siren` is not installed beside this Python.
        RuntimeError: If a command fails.
    """
    siren = Path(sys.executable).with_name("siren")
    if not siren.exists():
        raise FileNotFoundError(f"{siren}: not found, expected SIREN's command beside Python; run `make setup`")
    with tempfile.TemporaryDirectory() as folder:
        coded, decoded = Path(folder) / "clip.srn", Path(folder) / "clip.wav"
        encode = [str(siren), "encode", "--quiet", "--force", "--threads", "1", "-o", str(coded)]
        decode = [str(siren), "decode", "--quiet", "--force", "--threads", "1", "-o", str(decoded), str(coded)]
        commands: list[tuple[str, Sequence[str]]] = [
            ("python -c pass", [sys.executable, "-c", "pass"]),
            ("siren --version", [str(siren), "--version"]),
            ("python -c 'import torch'", [sys.executable, "-c", "import torch"]),
            ("siren encode, 3 s clip, cold", [*encode, str(short_clip)]),
            ("siren encode, 10 s clip, cold", [*encode, str(clip)]),
            ("siren decode, 10 s clip, cold", decode),
            ("siren info", [str(siren), "info", str(coded)]),
        ]
        return [_measure(name, command, repeats) for name, command in commands]


def _measure(name: str, command: Sequence[str], repeats: int) -> Run:
    seconds, peaks_bytes = [], []
    for turn in range(repeats + 1):
        start_s = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, wait_status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(wait_status)  # Popen must not wait for it again
        spent_s = time.perf_counter() - start_s
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: exit status {process.returncode}, expected 0; run it by hand")
        if turn > 0:
            seconds.append(spent_s)
            # Kibibytes on Linux, bytes on macOS (getrusage(2)).
            peaks_bytes.append(usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
    return Run(name, statistics.median(seconds), int(statistics.median(peaks_bytes)))
