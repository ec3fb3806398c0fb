"""Run log: `metrics.jsonl`, TensorBoard, lines of progress."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.errors import OutputUnwritable
from siren_cli.files.streams import reason_of

METRICS_NAME = "metrics.jsonl"

ProgressCallback = Callable[[dict[str, Any], int], None]
"""Progress callback: called with every line of figures and the phase's last step."""


@dataclass(frozen=True)
class MediaLog:
    """Media of development clips for TensorBoard: mels [F, M] and samples [T], by name."""

    mels: dict[str, Tensor] = field(default_factory=dict)
    wavs: dict[str, Tensor] = field(default_factory=dict)


class SectionTimer:
    """Timer of wall time by section; a nested section counts for itself alone."""

    def __init__(self) -> None:
        self.spent_s: dict[str, float] = {}
        self._open: list[str] = []
        self._mark_s = 0.0

    @contextmanager
    def __call__(self, section: str) -> Iterator[None]:
        """Add the time of the context to a section."""
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
        """Return the share of every section in the total time."""
        whole = sum(self.spent_s.values()) or 1.0
        return {section: spent / whole for section, spent in self.spent_s.items()}


class TensorBoardWriter:
    """Writer of a TensorBoard event file, unbuffered and without a thread, so that a full disk raises here."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter
        from torch.utils.tensorboard import summary

        self._event, self._summary = Event, summary
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / f"events.out.tfevents.{time.time():.3f}.{os.getpid()}").open("wb", buffering=0)
        self._records = RecordWriter(self._file)
        self._records.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())

    def scalar(self, name: str, value: float, step: int) -> None:
        """Add a figure."""
        self._add(self._summary.scalar(name, value), step)

    def picture(self, name: str, mel: Tensor, step: int) -> None:
        """Add a mel [F, M] as a picture, low frequencies at the bottom."""
        grey = (mel.detach().float().cpu().flip(-1).T.clamp(-2, 3) + 2) / 5
        self._add(self._summary.image(name, grey[None], dataformats="CHW"), step)

    def sound(self, name: str, wav: Tensor, step: int) -> None:
        """Add samples [T] at 16 kHz."""
        self._add(self._summary.audio(name, wav.detach().float().cpu().clamp(-1, 1)[None], SAMPLE_RATE_HZ), step)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _add(self, summary: Any, step: int) -> None:
        event = self._event(wall_time=time.time(), step=step, summary=summary)
        self._records.write(event.SerializeToString())


class RunLogger:
    """Logger of one phase of a run.

    Args:
        run: Run folder.
        phase: Name of the phase.
        report: Called with every line, if there is no `on_progress`.
        on_progress: See `ProgressCallback`.
        silent: Write and report nothing, as another process does.
    """

    def __init__(
        self,
        run: Path,
        phase: str,
        report: Callable[[str], None],
        on_progress: ProgressCallback | None = None,
        *,
        silent: bool = False,
    ) -> None:
        self.run = run
        self.phase = phase
        self.report = report
        self.on_progress = on_progress
        self.silent = silent
        self.board: TensorBoardWriter | None = None
        if not silent:
            with contextlib.suppress(ImportError), self._writing():
                self.board = TensorBoardWriter(run / "tensorboard" / phase)

    def write(self, figures: dict[str, Any], last_step: int) -> None:
        """Add a line of figures, among them `step`.

        Raises:
            OutputUnwritable: If the log cannot be written.
        """
        if self.silent:
            return
        known = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in figures.items()}
        line = {"stage": self.phase, "time": round(time.time(), 1), **known}
        kind = "dev" if figures.get("dev") else "train"
        with self._writing():
            with (self.run / METRICS_NAME).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            for name, value in known.items() if self.board else ():
                if self.board and isinstance(value, float):
                    self.board.scalar(f"{kind}/{name}", value, figures["step"])
        if self.on_progress is not None:
            self.on_progress(line, last_step)
        else:
            shown = ((k, v) for k, v in line.items() if k != "time" and v is not None and "_digit_" not in k)
            self.report("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in shown))

    def show(self, make: Callable[[], MediaLog], step: int) -> None:
        """Add pictures and sounds to TensorBoard, if it is installed.

        Raises:
            OutputUnwritable: If its file cannot be written.
        """
        if self.board is None:
            return
        shown = make()
        with self._writing():
            for name, mel in shown.mels.items():
                self.board.picture(name, mel, step)
            for name, wav in shown.wavs.items():
                self.board.sound(name, wav, step)

    def close(self) -> None:
        """Close TensorBoard's file."""
        if self.board is not None:
            self.board.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputUnwritable(
                f"{self.run}: the log cannot be written ({reason_of(error)}); free space, then --resume"
            ) from error
