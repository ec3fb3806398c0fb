"""`siren info -r`: a line for every coded file of a tree, and totals. No torch, no NumPy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from siren_cli.errors import SirenError, SrnUnreadable
from siren_cli.files.finding import coded_files
from siren_cli.packets.files import packet_file_facts
from siren_cli.srn.file import facts_of, read_srn, refusal
from siren_cli.terminal.console import error, show_columns, show_json, show_rows
from siren_format.errors import FormatError
from siren_format.packet_file import PACKET_FILE_MAGIC

_COLUMNS = (("duration s", 10), ("stages", 6), ("bytes", 8), ("payload bps", 11), ("file bps", 8), ("model", 5))


_PACKET_FACTS = ("duration_s", "stages", "packet_count", "packet_bps", "model_id")


class _Totals:
    def __init__(self) -> None:
        self.files = 0
        self.refused = 0
        self.packet_files = 0
        self.duration_s = 0.0
        self.file_bytes = 0
        self.payload_bytes = 0
        self.models: Counter[str] = Counter()

    def take(self, facts: dict[str, Any]) -> None:
        self.files += 1
        self.models[facts["model_id"]] += 1
        if "packet_count" in facts:
            self.packet_files += 1
            return
        self.duration_s += facts["duration_s"]
        self.file_bytes += facts["file_bytes"]
        self.payload_bytes += facts["payload_bytes"]

    def facts(self) -> dict[str, Any]:
        per_s = 8 / self.duration_s if self.duration_s else 0.0
        return {
            "files": self.files,
            "refused": self.refused,
            "packet_files": self.packet_files,
            "duration_s": self.duration_s,
            "file_bytes": self.file_bytes,
            "mean_payload_bps": self.payload_bytes * per_s,
            "mean_file_bps": self.file_bytes * per_s,
            "models": dict(self.models),
        }


def list_files(sources: Sequence[str], *, as_json: bool) -> int:
    """Prints a line for every coded file, as it is read, and the totals.

    Args:
        sources: Files, folders, or `-`.
        as_json: Whether to print one JSON object a line instead.

    Returns:
        The exit status: that of the first file that was refused.
    """
    totals = _Totals()
    status = 0
    for found in coded_files(sources, None, SrnUnreadable):
        try:
            if found.error is not None:
                raise found.error
            facts = _facts(found.path)
        except SirenError as refused:
            error(str(refused))
            status = status or int(refused.exit_status)
            totals.refused += 1
            continue
        if as_json:
            show_json({"file": found.path, **facts})
        else:
            show_columns(_COLUMNS, _cells(facts), found.path, with_headings=totals.files == 0)
        totals.take(facts)
    summary = totals.facts()
    if as_json:
        show_json({"summary": summary})
    else:
        show_rows(_rows(summary), blank_before=totals.files > 0)
    return status


def _facts(source: str) -> dict[str, Any]:
    try:
        data = read_srn(source)
        if not data.startswith(PACKET_FILE_MAGIC):
            return facts_of(data)
        facts = packet_file_facts(source, data)
    except FormatError as found:
        raise refusal(source, found) from found
    return {**{name: facts[name] for name in _PACKET_FACTS}, "file_bytes": len(data)}


def _cells(facts: dict[str, Any]) -> list[str]:
    if "packet_count" in facts:
        rate = f"{facts['packet_bps']:.1f}"
        size = str(facts["file_bytes"])
        return [f"{facts['duration_s']:.3f}", str(facts["stages"]), size, rate, "-", facts["model_id"]]
    return [
        f"{facts['duration_s']:.3f}",
        str(facts["stages"]),
        str(facts["file_bytes"]),
        f"{facts['payload_bps']:.1f}",
        f"{facts['file_bps']:.1f}",
        facts["model_id"],
    ]


def _rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    models = ", ".join(f"{model} ({count})" for model, count in summary["models"].items())
    packets = f", {summary['packet_files']} of packets, not in the sums" if summary["packet_files"] else ""
    rows = [("files", f"{summary['files']}, {summary['refused']} refused{packets}")]
    if summary["duration_s"]:
        rows += [
            ("duration", f"{summary['duration_s']:.3f} s, {summary['duration_s'] / 3600:.3f} hours"),
            ("bytes", str(summary["file_bytes"])),
            ("payload bps", f"{summary['mean_payload_bps']:.1f}"),
            ("file bps", f"{summary['mean_file_bps']:.1f}"),
        ]
    return [*rows, ("models", models or "none")]
