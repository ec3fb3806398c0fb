"""Pastes the recorded figures into README.md: `python -m siren_cli.evaluation.report.readme EVALUATION.json`.

The record goes without its clips to `weights/evaluation.json`, the table between two marks of `README.md`; that of
`siren eval --voices` to `weights/voice_evaluation.json` and `docs/voices.md`. A test fails when they disagree.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from siren_cli.errors import UsageError
from siren_cli.evaluation.codecs.systems import label_of
from siren_cli.evaluation.report.columns import BY_NAME, HEADLINE
from siren_cli.evaluation.report.tables import cost_note_of, cost_table_of, notes_of
from siren_cli.evaluation.report.voices import voice_markdown
from siren_cli.files.streams import write_bytes_atomic

VOICE_BEGIN = "<!-- voice figures: written by make readme-voices -->"
BEGIN = "<!-- figures: written by make readme-table -->"
END = "<!-- end of figures -->"
README = Path("README.md")
VOICES = Path("docs", "voices.md")
RECORD = Path("weights", "evaluation.json")
VOICE_RECORD = Path("weights", "voice_evaluation.json")


def markdown_of(record: dict[str, Any]) -> str:
    """The table of the headline columns, each with half the width of its interval, and what it was measured on.

    Args:
        record: From `siren_cli.evaluation.run.evaluate`, with or without its clips.

    Returns:
        Markdown.
    """
    names = [name for name in HEADLINE if any(name in row["figures"] for row in record["rows"])]
    rows = [
        [label_of(row["system"]), *(_cell(row["figures"].get(name), name) for name in names)] for row in record["rows"]
    ]
    lines = _table(["codec", *(BY_NAME[name].label for name in names)], rows)
    lines += ["", *(f"- {line}" for line in notes_of(record))]
    cost = cost_table_of(record)
    if cost is not None:
        lines += ["", *_table(*cost), "", f"- {cost_note_of(record)}"]
    return "\n".join(lines)


def paste(readme: str, table: str, begin_mark: str = BEGIN) -> str:
    """Puts a table between the marks.

    Args:
        readme: Text of README.md.
        table: Markdown.
        begin_mark: The mark before it.

    Returns:
        The new text.

    Raises:
        UsageError: If the marks are not there.
    """
    before, begin, rest = readme.partition(begin_mark)
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


def _cell(figure: dict[str, float] | None, name: str) -> str:
    if figure is None:
        return "–"
    decimals = BY_NAME[name].decimals
    half = (figure["high"] - figure["low"]) / 2
    return f"{figure['value']:.{decimals}f}" + (f" ± {half:.{decimals}f}" if half > 0 else "")


def main(arguments: list[str]) -> None:
    """Records and pastes, in the project's folder."""
    record = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    is_voices = "pairs" in record
    del record["pairs" if is_voices else "clips"]
    write_bytes_atomic(str(VOICE_RECORD if is_voices else RECORD), (json.dumps(record, indent=1) + "\n").encode())
    document = VOICES if is_voices else README
    text = document.read_text(encoding="utf-8")
    table, mark = (voice_markdown(record), VOICE_BEGIN) if is_voices else (markdown_of(record), BEGIN)
    write_bytes_atomic(str(document), paste(text, table, mark).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
