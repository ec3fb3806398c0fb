"""Report of a batch: facts of every file, and the totals. Standard library only."""

from __future__ import annotations

from collections import Counter
from typing import Any

from siren_cli.batch.work import Outcome
from siren_cli.terminal.console import Rows


class Totals:
    """Running totals of outcomes.

    Attributes:
        files: Files in the batch.
        counts: Outcomes by status.
        audio_s: Duration of the done recordings, s.
        coded_bytes: Size of the coded files of the done recordings.
        notes: Number of files of each note.
    """

    def __init__(self, files: int) -> None:
        self.files = files
        self.counts: Counter[str] = Counter()
        self.audio_s = 0.0
        self.coded_bytes = 0
        self.notes: Counter[str] = Counter()
        self._first_failure: Outcome | None = None

    @property
    def ended(self) -> int:
        """Files that are done, skipped or failed."""
        return sum(self.counts.values())

    @property
    def exit_status(self) -> int:
        """Exit status of the first failed or partly lost file, in the order of the inputs; 0 without one."""
        return 0 if self._first_failure is None else self._first_failure.exit_status

    @property
    def mean_file_bps(self) -> float:
        """Mean rate of all coded files, bits a second; 0 without files."""
        return 8 * self.coded_bytes / self.audio_s if self.audio_s else 0.0

    def take(self, outcome: Outcome) -> None:
        """Count one file.

        Args:
            outcome: Its outcome.
        """
        self.counts[outcome.status] += 1
        self.notes.update(outcome.notes)
        if outcome.status == "done":
            self.audio_s += outcome.facts["duration_s"]
            self.coded_bytes += outcome.facts["file_bytes"]
        first = self._first_failure
        if outcome.exit_status and (first is None or outcome.number < first.number):
            self._first_failure = outcome

    def facts(self, elapsed_s: float, passed_over: int) -> dict[str, Any]:
        """Summarise the batch as plain values, for `--json`.

        Args:
            elapsed_s: Time of the batch, s.
            passed_over: Number of files of other kinds in its folders.

        Returns:
            Values by name.
        """
        return {
            "files": self.files,
            "done": self.counts["done"],
            "skipped": self.counts["skipped"],
            "failed": self.counts["failed"],
            "not_reached": self.files - self.ended,
            "passed_over": passed_over,
            "audio_s": self.audio_s,
            "coded_bytes": self.coded_bytes,
            "mean_file_bps": self.mean_file_bps,
            "elapsed_s": elapsed_s,
            "real_time_factor": self.audio_s / elapsed_s,
            "files_per_minute": 60 * self.counts["done"] / elapsed_s,
        }


def outcome_facts(outcome: Outcome) -> dict[str, Any]:
    """Describe one file as plain values, for `--json`.

    Args:
        outcome: Its outcome.

    Returns:
        Values by name.
    """
    facts: dict[str, Any] = {"input": outcome.source, "output": outcome.destination, "status": outcome.status}
    if outcome.status == "failed":
        facts.update(error=outcome.message, exit_status=outcome.exit_status)
    return {**facts, **outcome.facts, **({"notes": list(outcome.notes)} if outcome.notes else {})}


def summary_rows(facts: dict[str, Any]) -> Rows:
    """Format the summary as a table.

    Args:
        facts: Result of `Totals.facts`.

    Returns:
        Names and values, in the order to print them.
    """
    parts = [f"{facts['done']} done", f"{facts['skipped']} skipped", f"{facts['failed']} failed"]
    parts += [f"{facts['not_reached']} not reached"] if facts["not_reached"] else []
    rows = [("files", f"{facts['files']}: {', '.join(parts)}")]
    if facts["done"]:
        rows += [
            ("audio", f"{facts['audio_s'] / 3600:.3f} hours"),
            ("coded", f"{facts['coded_bytes']} bytes, {facts['mean_file_bps']:.1f} file bps on average"),
            (
                "speed",
                f"{facts['elapsed_s']:.1f} s, {facts['real_time_factor']:.1f} times real time, "
                f"{facts['files_per_minute']:.0f} files a minute",
            ),
        ]
    return rows
