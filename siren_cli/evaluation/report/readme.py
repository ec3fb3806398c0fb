"""Pastes the recorded figures into the documents: `python -m siren_cli.evaluation.report.readme EVALUATION.json`.

The record goes without its clips to `weights/evaluation.json`, a small table between two marks of `README.md`, the
whole between those of `docs/evaluation.md`; the record of `siren eval --voices` goes to
`weights/voice_evaluation.json` and `docs/voices.md`. A test fails when they disagree.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from siren_cli.config import DEFAULT_EFFORT
from siren_cli.errors import UsageError
from siren_cli.evaluation.codecs.systems import label_of
from siren_cli.evaluation.report.columns import HEADLINE, column_of
from siren_cli.evaluation.report.tables import columns_in, cost_note_of, cost_table_of, notes_of
from siren_cli.evaluation.report.voices import voice_markdown
from siren_cli.files.streams import write_bytes_atomic

VOICE_BEGIN = "<!-- voice figures: written by make readme-voices -->"
BEGIN = "<!-- figures: written by make readme-table -->"
END = "<!-- end of figures -->"
README = Path("README.md")
MANUAL = Path("docs", "evaluation.md")
VOICES = Path("docs", "voices.md")
RECORD = Path("weights", "evaluation.json")
VOICE_RECORD = Path("weights", "voice_evaluation.json")


FIRST_ROWS = (
    "original", "opus6", "codec2-1300", "codec2-700C", f"siren-2-effort-{DEFAULT_EFFORT}",
    f"siren-1-effort-{DEFAULT_EFFORT}", "transcript-PPM",
)  # fmt: skip
"""Rows of the README's table."""

FIRST_COLUMNS = ("file_bps_10s", "wer", "similarity", "dnsmos_ovrl", "stoi")
"""Its columns; WER by the first recogniser of the record."""


def first_table_of(record: dict[str, Any]) -> str:
    """The README's table: the codecs that people know, and what a transcript would cost.

    Args:
        record: From `siren_cli.evaluation.run.evaluate`, with or without its clips.

    Returns:
        Markdown.
    """
    names = columns_in({**record, "recognisers": record["recognisers"][:1]}, FIRST_COLUMNS)
    by_system = {row["system"]: row for row in record["rows"]}
    rows = [by_system[system] for system in FIRST_ROWS if system in by_system]
    material, model = record["material"], record["model"]
    return "\n".join(
        [
            *_rows_table(rows, names, {"file_bps_10s": "file bps at 10 s"}),
            "",
            f"- {material['clips']} clips of {material['speakers']} speakers, {material['duration_s']:.0f} s; ±: half "
            f"of the 95 % bootstrap interval over clips; model {model['name']} ({model['id']})",
        ]
    )


def markdown_of(record: dict[str, Any]) -> str:
    """The table of all rows and the headline columns, and what it was measured on.

    Args:
        record: From `siren_cli.evaluation.run.evaluate`, with or without its clips.

    Returns:
        Markdown.
    """
    lines = _rows_table(record["rows"], columns_in(record, HEADLINE), {})
    lines += ["", *(f"- {line}" for line in notes_of(record))]
    cost = cost_table_of(record)
    if cost is not None:
        lines += ["", *_table(*cost), "", f"- {cost_note_of(record)}"]
    return "\n".join(lines)


def paste(text: str, table: str, begin_mark: str = BEGIN) -> str:
    """Put a table between the marks.

    Args:
        text: Text of a document.
        table: Markdown.
        begin_mark: The mark before it.

    Returns:
        The new text.

    Raises:
        UsageError: If the marks are not there.
    """
    before, begin, rest = text.partition(begin_mark)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError(f"the document lacks the marks {begin_mark} and {END}; put them back where the table goes")
    return f"{before}{begin_mark}\n\n{table}\n\n{END}{after}"


def _table(headings: list[str], rows: list[list[str]]) -> list[str]:
    return [
        f"| {' | '.join(headings)} |",
        "|---|" + "---:|" * (len(headings) - 1),
        *(f"| {' | '.join(cells)} |" for cells in rows),
    ]


def _rows_table(rows: list[dict[str, Any]], names: list[str], labels: dict[str, str]) -> list[str]:
    headings = ["codec", *(labels.get(name, column_of(name).label) for name in names)]
    cells = [[label_of(row["system"]), *(_cell(row["figures"].get(name), name) for name in names)] for row in rows]
    return _table(headings, cells)


def _cell(figure: dict[str, float] | None, name: str) -> str:
    if figure is None:
        return "–"
    decimals = column_of(name).decimals
    half = (figure["high"] - figure["low"]) / 2
    return f"{figure['value']:.{decimals}f}" + (f" ± {half:.{decimals}f}" if half > 0 else "")


def main(arguments: list[str]) -> None:
    """Records and pastes, in the project's folder."""
    record = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    is_voices = "pairs" in record
    del record["pairs" if is_voices else "clips"]
    write_bytes_atomic(str(VOICE_RECORD if is_voices else RECORD), (json.dumps(record, indent=1) + "\n").encode())
    if is_voices:
        _paste_into(VOICES, voice_markdown(record), VOICE_BEGIN)
    else:
        _paste_into(README, first_table_of(record), BEGIN)
        _paste_into(MANUAL, markdown_of(record), BEGIN)


def _paste_into(document: Path, table: str, begin_mark: str) -> None:
    text = document.read_text(encoding="utf-8")
    write_bytes_atomic(str(document), paste(text, table, begin_mark).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
