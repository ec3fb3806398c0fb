"""`python -m tests.tools.bench.batch`: many files at once beside a shell loop, and how fast whole trees are read."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[2] / "data"
SIREN = Path(sys.executable).with_name("siren")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.bench.batch", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    parser.add_argument("--files", type=int, default=24, help="recordings for loop and batch (default 24)")
    parser.add_argument("--tree", type=int, default=10_000, help="coded files to look through (default 10000)")
    options = parser.parse_args()
    figures = measure(options.files, options.tree)
    print(json.dumps(figures, indent=1) if options.json else as_text(figures))


def measure(files: int, tree: int) -> dict[str, Any]:
    """Runs everything.

    Args:
        files: Recordings for the shell loop and the batch.
        tree: Coded files to look through.

    Returns:
        Files a minute and files a second, by name.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = sorted(DATA.glob("*.flac"))
        (folder / "in").mkdir()
        for number in range(files):
            shutil.copy(clips[number % len(clips)], folder / "in" / f"{number:04}.flac")
        figures: dict[str, Any] = {"files": files, "cores": len(os.sched_getaffinity(0)), "tree": tree}
        for command, source, suffix in (("encode", "in", "srn"), ("decode", "coded", "wav")):
            loop, batch = folder / f"{command}-loop", folder / ("coded" if command == "encode" else "out")
            loop.mkdir()
            script = (
                f'for f in "{folder / source}"/*; do n=$(basename "$f"); '
                f'"{SIREN}" {command} -q "$f" -o "{loop}/${{n%.*}}.{suffix}" || exit 1; done'
            )
            figures[f"{command}_loop"] = 60 * files / _seconds(["sh", "-c", script])
            figures[f"{command}_batch"] = (
                60 * files / _seconds([str(SIREN), command, "-q", str(folder / source), "-o", str(batch)])
            )
            if _contents(loop) != _contents(batch):
                raise RuntimeError(f"siren {command} of a folder and of its files one by one differ, expected the same")
        coded = sorted((folder / "coded").iterdir())
        for number in range(tree):
            place = folder / "tree" / f"{number // 500:03}"
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(coded[number % len(coded)], place / f"{number}.srn")
        for what in ("verify --fast", "info -r"):
            command_line = [str(SIREN), *what.split(), "--json", str(folder / "tree")]
            figures[what] = tree / _seconds(command_line)
        figures["verify"] = files / _seconds([str(SIREN), "verify", "-q", str(folder / "coded")])
        return figures


def as_text(figures: dict[str, Any]) -> str:
    """The figures as lines."""
    lines = [f"{figures['files']} recordings, {figures['cores']} cores; start of the processes included"]
    for command in ("encode", "decode"):
        loop, batch = figures[f"{command}_loop"], figures[f"{command}_batch"]
        lines.append(
            f"siren {command}: shell loop {loop:.0f} files a minute, one command {batch:.0f}, {batch / loop:.1f} times"
        )
    for what in ("verify --fast", "info -r"):
        lines.append(f"siren {what}: {figures[what]:.0f} files a second, of {figures['tree']}")
    lines.append(f"siren verify, indices included: {figures['verify']:.0f} files a second, of {figures['files']}")
    return "\n".join(lines)


def _seconds(command: list[str]) -> float:
    start_s = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start_s


def _contents(folder: Path) -> list[tuple[str, bytes]]:
    return sorted((path.name, path.read_bytes()) for path in folder.iterdir())


if __name__ == "__main__":
    main()
