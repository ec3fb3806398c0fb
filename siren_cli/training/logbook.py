"""What a run writes down: `metrics.jsonl`, TensorBoard, lines of progress."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.errors import OutputUnwritable
from siren_cli.files import reason_of

METRICS_NAME = "metrics.jsonl"

Watch = Callable[[dict[str, Any], int], None]
"""Called with every line of figures and the stage's last step, where somebody watches."""


@dataclass(frozen=True)
class Show:
    """Development material to see and hear: mels [F, M] and samples [T], by name."""

    mels: dict[str, Tensor] = field(default_factory=dict)
    wavs: dict[str, Tensor] = field(default_factory=dict)


class Clock:
    """Adds up wall time by section; a section inside another is not counted twice."""

    def __init__(self) -> None:
        self.spent_s: dict[str, float] = {}
        self._open: list[str] = []
        self._mark_s = 0.0

    @contextmanager
    def __call__(self, section: str) -> Iterator[None]:
        """Charges the time of the context to a section."""
        self._charge()
        self._open.append(section)
        try:
            yield
        finally:
            self._charge()
            self._open.pop()

    def _charge(self) -> None:
        now_s = time.perf_counter()
        if self._open:
            section = self._open[-1]
            self.spent_s[section] = self.spent_s.get(section, 0.0) + now_s - self._mark_s
        self._mark_s = now_s

    def shares(self) -> dict[str, float]:
        """Share of every section in all that was counted."""
        whole = sum(self.spent_s.values()) or 1.0
        return {section: spent / whole for section, spent in self.spent_s.items()}


class Logbook:
    """The log of one stage of a run.

    Args:
        run: Run folder.
        stage: Name of the stage.
        report: Called with every line, unless `watch` is there to be called with the figures.
        watch: See `Watch`.
        silent: Whether to write and say nothing: another process does.
    """

    def __init__(
        self, run: Path, stage: str, report: Callable[[str], None], watch: Watch | None = None, *, silent: bool = False
    ) -> None:
        self.run = run
        self.stage = stage
        self.report = report
        self.watch = watch
        self.silent = silent
        self.board = None if silent else _tensorboard(run / "tensorboard" / stage)

    def write(self, figures: dict[str, Any], last_step: int) -> None:
        """Adds a line of figures, among them `step`.

        Raises:
            OutputUnwritable: If the log cannot be written.
        """
        if self.silent:
            return
        known = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in figures.items()}
        line = {"stage": self.stage, "time": round(time.time(), 1), **known}
        path = self.run / METRICS_NAME
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise OutputUnwritable(
                f"{path}: cannot be written ({reason_of(error)}); free space, then --resume"
            ) from error
        kind = "dev" if figures.get("dev") else "train"
        if self.board is not None:
            for name, value in known.items():
                if isinstance(value, (int, float)) and name not in ("step", "dev"):
                    self.board.add_scalar(f"{kind}/{name}", value, figures["step"])
        if self.watch is not None:
            self.watch(line, last_step)
        else:
            said = ((k, v) for k, v in line.items() if k != "time")
            self.report("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in said))

    def show(self, make: Callable[[], Show], step: int) -> None:
        """Adds pictures and sounds to TensorBoard, if it is installed."""
        if self.board is None:
            return
        shown = make()
        for name, mel in shown.mels.items():
            picture = mel.detach().float().cpu().flip(-1).T.clamp(-2, 3)
            self.board.add_image(name, (picture + 2)[None] / 5, step)
        for name, wav in shown.wavs.items():
            self.board.add_audio(name, wav.detach().float().cpu().clamp(-1, 1)[None], step, SAMPLE_RATE_HZ)
        self.board.flush()

    def close(self) -> None:
        """Writes what TensorBoard still holds."""
        if self.board is not None:
            self.board.close()


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    with torch.no_grad():
        return SummaryWriter(str(folder))
