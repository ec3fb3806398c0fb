"""The record as text: rows for a terminal, Markdown for README.md, CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from siren_cli.evaluation.columns import BY_NAME, COLUMNS, HEADLINE
from siren_cli.evaluation.systems import label_of


def table_of(record: dict[str, Any], columns: Sequence[str] = HEADLINE) -> tuple[list[str], list[list[str]]]:
    """A table of values with intervals.

    Args:
        record: From `siren_cli.evaluation.run.evaluate`.
        columns: Names of the columns.

    Returns:
        Headings and rows; columns without a value are left out.
    """
    names = [name for name in columns if any(name in row["figures"] for row in record["rows"])]
    headings = ["codec", *(BY_NAME[name].label for name in names)]
    rows = [
        [label_of(row["system"]), *(_with_interval(row["figures"].get(name), name) for name in names)]
        for row in record["rows"]
    ]
    return headings, rows


def notes_of(record: dict[str, Any]) -> list[str]:
    """What the table has to be read with: material, the scale of voices, use of the bits, what is not there."""
    material, model = record["material"], record["model"]
    lines = [
        f"{material['clips']} clips of {material['speakers']} speakers, {material['duration_s']:.0f} s; brackets: "
        "95 % bootstrap interval over clips",
        f"model {model['name']} ({model['id']}): {model['parameters'] / 1e6:.1f} M parameters, "
        f"{model['weights_bytes'] / 1e6:.1f} MB",
    ]
    scale = record["voice_scale"]
    if scale["same_speaker"] and scale["other_speaker"]:
        lines.append(
            f"speaker: two clips of one speaker {scale['same_speaker']['value']:.3f}, of two speakers "
            f"{scale['other_speaker']['value']:.3f}"
        )
    for number, stage in enumerate((record["utilisation"] or {"stages": []})["stages"], 1):
        digits = ", ".join(f"{digit['utilisation']:.2f}" for digit in stage["digits"])
        lines.append(
            f"stage {number}: {stage['distinct']} of 1000 indices in use, entropy {stage['entropy_bits']:.2f} of "
            f"{stage['most_bits']:.2f} bits; of the digits {digits}"
        )
    return lines


def csv_of(record: dict[str, Any]) -> str:
    """Every clip and system on a line, then every column as a plain number; ratios as their quotient."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["clip", "speaker", "duration_s", "system", "file_bytes", *(column.name for column in COLUMNS)]
    )
    for clip in record["clips"]:
        for system, result in clip["systems"].items():
            pairs = result["figures"]
            values = [_quotient(pairs.get(column.name)) for column in COLUMNS]
            start = [clip["id"], clip["speaker"], f"{clip['duration_s']:.3f}", system, result["file_bytes"]]
            writer.writerow([*start, *values])
    return out.getvalue()


def _quotient(pair: tuple[float, float] | None) -> str:
    return "" if pair is None or pair[1] == 0 else f"{pair[0] / pair[1]:.6g}"


def _with_interval(figure: dict[str, float] | None, name: str) -> str:
    if figure is None:
        return "–"
    decimals = BY_NAME[name].decimals
    value, low, high = (f"{figure[key]:.{decimals}f}" for key in ("value", "low", "high"))
    return value if low == high else f"{value} [{low}, {high}]"
