"""Progress displays of batches and training, on standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from siren_cli.terminal.console import error, progress_line

if TYPE_CHECKING:
    from typing import Any


class BatchDisplay:
    """Progress bar of a batch on a terminal; nothing elsewhere.

    Args:
        files: Files in the batch.
        quiet: Show nothing.
    """

    def __init__(self, files: int, *, quiet: bool) -> None:
        self._files = files
        self._progress: Any = None
        self._bar: Any = None
        self._is_shown = not quiet and sys.stderr.isatty()

    def __enter__(self) -> BatchDisplay:
        if self._is_shown:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            text = TextColumn("files, {task.description}")
            columns = (BarColumn(), MofNCompleteColumn(), text, TimeRemainingColumn())
            self._progress = Progress(*columns, console=Console(stderr=True))
            self._bar = self._progress.add_task("starting", total=self._files)
            self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def show(self, ended: int, facts: dict[str, Any]) -> None:
        """Update the bar.

        Args:
            ended: Files that are done, skipped or failed.
            facts: The totals so far, by the names of `siren_cli.batch.report`.
        """
        if self._progress is not None:
            text = (
                f"{facts['audio_s'] / 3600:.2f} h, {facts['real_time_factor']:.0f} times real time, "
                f"{facts['mean_file_bps']:.1f} file bps, {facts['failed']} failed"
            )
            self._progress.update(self._bar, completed=ended, description=text)

    def error(self, text: str) -> None:
        """Write one error on its own line, above the bar if there is one."""
        if self._progress is None:
            error(text)
        else:
            line = f"siren: error: {' '.join(text.split())}"
            self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)


class TrainingDisplay:
    """Progress of a training run: a live table on a terminal, lines elsewhere.

    Args:
        quiet: Show nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live: Any = None
        self._rows: dict[str, dict[str, Any]] = {}
        self.watch = self._watch if not quiet and sys.stderr.isatty() else None

    def __enter__(self) -> TrainingDisplay:
        if self.watch is not None:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), refresh_per_second=2, transient=False)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def line(self, text: str) -> None:
        """Write one line, above the table if there is one."""
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            progress_line(text, quiet=self._quiet)

    def _watch(self, figures: dict[str, Any], last_step: int) -> None:
        row = self._rows.setdefault(str(figures["stage"]), {"train": {}, "dev": {}})
        row["dev" if figures.get("dev") else "train"] = figures
        row["last_step"] = last_step
        self._live.update(_training_table(self._rows))


def _training_table(rows: dict[str, dict[str, Any]]) -> Any:
    """Build the table of a run's phases: progress, speed and last figures."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("phase", "step", "", "s/step", "left", "training", "development"):
        table.add_column(name, justify="right" if name in ("step", "s/step", "left") else "left")
    for phase, row in rows.items():
        step, last_step = (row["train"] or row["dev"])["step"], row["last_step"]
        pace_s = row["train"].get("s_per_step", 0.0)
        left_s = int(pace_s * (last_step - step))
        done = round(12 * step / max(1, last_step))
        table.add_row(
            phase, f"{step} / {last_step}", "\u2588" * done + "\u2591" * (12 - done), f"{pace_s:.2f}",
            f"{left_s // 3600}:{left_s // 60 % 60:02}:{left_s % 60:02}", _few(row["train"]), _few(row["dev"]),
        )  # fmt: skip
    return table


def _few(figures: dict[str, Any]) -> str:
    """Format the first figures of a line, as many as fit beside each other."""
    hidden = ("stage", "time", "step", "s_per_step", "rate", "norm", "dev")
    shown = [(name, value) for name, value in figures.items() if name not in hidden and isinstance(value, float)]
    return "  ".join(f"{name} {value:.3f}" for name, value in shown[:4])
