"""What a batch says of itself: a line for every file, and the totals. Standard library only."""

from __future__ import annotations

from collections import Counter
from typing import Any

from siren_cli.batch.work import Outcome
from siren_cli.terminal.console import Rows


class Totals:
    """Counts outcomes as they come.

    Attributes:
        files: Files in the batch.
        counts: Outcomes by status.
        audio_s: Duration of what was done, s.
        coded_bytes: Size of the coded files of what was done.
        notes: How many files each note was made of.
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
        """That of the first file, in the order of the inputs, that failed or is partly lost; 0 if there is none."""
        return 0 if self._first_failure is None else self._first_failure.exit_status

    @property
    def mean_file_bps(self) -> float:
        """Bits of all coded files for each second of their recordings; 0 if there are none."""
        return 8 * self.coded_bytes / self.audio_s if self.audio_s else 0.0

    def take(self, outcome: Outcome) -> None:
        """Counts one file.

        Args:
            outcome: What became of it.
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
        """The summary as plain values, for `--json`.

        Args:
            elapsed_s: Time the batch took, s.
            passed_over: Files of other kinds in its folders.

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
    """One file as plain values, for `--json`.

    Args:
        outcome: What became of it.

    Returns:
        Values by name.
    """
    facts: dict[str, Any] = {"input": outcome.source, "output": outcome.destination, "status": outcome.status}
    if outcome.status == "failed":
        facts.update(error=outcome.message, exit_status=outcome.exit_status)
    return {**facts, **outcome.facts, **({"notes": list(outcome.notes)} if outcome.notes else {})}


def summary_rows(facts: dict[str, Any]) -> Rows:
    """The summary for a person.

    Args:
        facts: What `Totals.facts` returned.

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
