"""`python -m tests.tools.fuzz`: fuzzes the format's readers for a while, goes on where it left off, and reports."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.tools.fuzz.targets import INPUT_LIMIT_S, TARGETS, seeds_of

# Of all executions, how many each target gets: those without NumPy run some fifty times as fast.
SHARES = {
    "layout": 0.78, "packet-file": 0.15, "voice-file": 0.054, "stream": 0.01, "packet": 0.002, "reader": 0.002,
    "salvage": 0.002,
}  # fmt: skip
SLICE_RUNS = 250_000
_FIGURES = ("executions", "seconds", "peak_memory_mb", "slowest_s", "findings")


def main() -> int:
    """Runs slices until the executions are done; returns 1 if there is a finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.fuzz", description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000_000, help="executions in all, earlier ones included")
    parser.add_argument("--folder", type=Path, default=Path("cache/fuzz"), help="corpus, findings and record")
    options = parser.parse_args()
    record_path = options.folder / "record.json"
    record = json.loads(record_path.read_text()) if record_path.exists() else {}
    for name, share in SHARES.items():
        figures = record.setdefault(name, dict.fromkeys(_FIGURES, 0))
        while figures["executions"] < options.runs * share and not figures["findings"]:
            left = int(options.runs * share) - figures["executions"] + 1
            _add(figures, fuzz(name, options.folder, ["-runs=" + str(min(left, SLICE_RUNS))]))
            record_path.write_text(json.dumps(record, indent=1) + "\n")
    print(table(record))
    return 1 if any(figures["findings"] for figures in record.values()) else 0


def fuzz(name: str, folder: Path, options: list[str]) -> dict[str, Any]:
    """Runs one slice.

    Args:
        name: Of the target.
        folder: Where its corpus and its findings lie.
        options: How long, as libFuzzer has it.

    Returns:
        Executions, seconds, peak memory in MB, the slowest input in seconds, and findings.
    """
    target = TARGETS[name]
    corpus, seeds = folder / "corpus" / name, folder / "seeds" / name
    findings = folder / "findings"
    for place in (corpus, seeds, findings):
        place.mkdir(parents=True, exist_ok=True)
    for data in seeds_of(target):
        (seeds / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    # Linux counts the memory of a parent towards the peak of its child; a shell in between is a small parent.
    command = [
        "sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-m", "tests.tools.fuzz.child", name, *options,
        f"-max_len={target.max_bytes}", f"-rss_limit_mb={target.memory_mb}", f"-malloc_limit_mb={target.memory_mb}",
        f"-timeout={INPUT_LIMIT_S}", f"-artifact_prefix={findings}/{name}-", "-print_final_stats=1", str(corpus),
        str(seeds),
    ]  # fmt: skip
    run = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
    )
    if run.returncode != 0:
        (findings / f"{name}.log").write_text(run.stdout)
    return {
        "executions": _stat(run.stdout, "number_of_executed_units"),
        "seconds": int((re.findall(r"Done \d+ runs in (\d+) second", run.stdout) or ["0"])[-1]),
        "peak_memory_mb": _stat(run.stdout, "peak_rss_mb"),
        "slowest_s": _stat(run.stdout, "slowest_unit_time_sec"),
        "findings": int(run.returncode != 0),
    }


def table(record: dict[str, dict[str, Any]]) -> str:
    """The record as lines."""
    lines = [f"{'target':<12} {'executions':>12} {'a second':>9} {'peak MB':>8} {'limit MB':>8} {'findings':>8}"]
    for name, figures in record.items():
        pace = figures["executions"] / max(1, figures["seconds"])
        memory = f"{figures['peak_memory_mb']:>8} {TARGETS[name].memory_mb:>8}"
        lines.append(f"{name:<12} {figures['executions']:>12} {pace:>9.0f} {memory} {figures['findings']:>8}")
    executions = sum(figures["executions"] for figures in record.values())
    lines.append(f"{'all':<12} {executions:>12}; no input took {INPUT_LIMIT_S} s, the limit")
    return "\n".join(lines)


def _add(figures: dict[str, Any], more: dict[str, Any]) -> None:
    for name in ("executions", "seconds", "findings"):
        figures[name] += more[name]
    for name in ("peak_memory_mb", "slowest_s"):
        figures[name] = max(figures[name], more[name])


def _stat(text: str, name: str) -> int:
    found = re.findall(rf"stat::{name}:\s+(\d+)", text)
    return int(found[-1]) if found else 0


if __name__ == "__main__":
    sys.exit(main())
