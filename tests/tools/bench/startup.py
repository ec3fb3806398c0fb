"""How long commands take from nothing, and the most memory they hold."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from siren_cli.evaluation.cost.programs import program_cost


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
    cost = program_cost(command, repeats)
    return Run(name, cost.seconds, cost.peak_bytes)
