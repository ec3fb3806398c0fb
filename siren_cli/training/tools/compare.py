"""Comparison of runs: their last development figures, from `metrics.jsonl`. No torch."""

from __future__ import annotations

import json
from pathlib import Path

from siren_cli.errors import DataError

_METRICS_NAME = "metrics.jsonl"
_NOT_FIGURES = ("stage", "time", "dev", "s_per_step", "rate")

Figures = dict[tuple[str, str], float]
"""(phase, name) → value."""


def last_figures(run: Path) -> Figures:
    """Read the last development figures of every phase of a run, and their step.

    Args:
        run: Run folder.

    Returns:
        Figures in the order of the log; none without a log.

    Raises:
        DataError: If the log is damaged.
    """
    path = run / _METRICS_NAME
    figures: Figures = {}
    if not path.exists():
        return figures
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            line = json.loads(text)
            if line.get("dev"):
                phase = line["stage"]
                figures.update(
                    ((phase, name), float(value))
                    for name, value in line.items()
                    if name not in _NOT_FIGURES and value is not None
                )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path}:{number}: not a line of figures ({error}); remove the line") from error
    return figures


def compare(runs: list[Path]) -> list[tuple[str, str, list[float | None]]]:
    """List phase, name and the value in every run, for all figures that any run has.

    Args:
        runs: Run folders.

    Raises:
        DataError: If one has no figures.
    """
    all_figures = [last_figures(run) for run in runs]
    for run, figures in zip(runs, all_figures, strict=True):
        if not figures:
            raise DataError(f"{run}: no development figures in {_METRICS_NAME}; give the folder of a run (--out)")
    keys = list(dict.fromkeys(key for figures in all_figures for key in figures))
    return [(phase, name, [figures.get((phase, name)) for figures in all_figures]) for phase, name in keys]
