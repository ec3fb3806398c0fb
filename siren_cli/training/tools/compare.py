"""What runs achieved, side by side, from their `metrics.jsonl`. No torch."""

from __future__ import annotations

import json
from pathlib import Path

from siren_cli.errors import DataError

_METRICS_NAME = "metrics.jsonl"
_NOT_FIGURES = ("stage", "time", "dev", "s_per_step", "rate")

Figures = dict[tuple[str, str], float]
"""(stage, name) → value."""


def last_figures(run: Path) -> Figures:
    """The last development figures of every stage of a run, and the step they were taken at.

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
                stage = line["stage"]
                figures.update(
                    ((stage, name), float(value))
                    for name, value in line.items()
                    if name not in _NOT_FIGURES and value is not None
                )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path}:{number}: not a line of figures ({error}); remove the line") from error
    return figures


def compare(runs: list[Path]) -> list[tuple[str, str, list[float | None]]]:
    """Stage, name and value in every run of all figures that any of them has.

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
    return [(stage, name, [figures.get((stage, name)) for figures in all_figures]) for stage, name in keys]
