"""Tables of a record: rows and notes for a terminal, CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from siren_cli.evaluation.codecs.under_test import label_of
from siren_cli.evaluation.report.columns import COST_COLUMNS, HEADLINE, column_of, in_order, with_recognisers


def table_of(record: dict[str, Any], columns: Sequence[str] = HEADLINE) -> tuple[list[str], list[list[str]]]:
    """Table of values with intervals.

    Args:
        record: From `siren_cli.evaluation.run.evaluate`.
        columns: Names of the columns; a word column stands for one of each recogniser.

    Returns:
        Headings and rows, without empty columns.
    """
    names = columns_in(record, columns)
    headings = ["codec", *(column_of(name).label for name in names)]
    rows = [
        [label_of(row["system"]), *(_with_interval(row["figures"].get(name), name) for name in names)]
        for row in record["rows"]
    ]
    return headings, rows


def columns_in(record: dict[str, Any], columns: Sequence[str]) -> list[str]:
    """List the names of the columns with values, word columns once for each recogniser."""
    names = with_recognisers(columns, record["recognisers"])
    return [name for name in names if any(name in row["figures"] for row in record["rows"])]


def all_columns_in(record: dict[str, Any]) -> list[str]:
    """List the names of all columns of a record, in order."""
    return in_order(name for row in record["rows"] for name in row["figures"])


def cost_table_of(record: dict[str, Any]) -> tuple[list[str], list[list[str]]] | None:
    """Table of computational costs.

    Args:
        record: From `siren_cli.evaluation.run.evaluate`.

    Returns:
        Headings and rows; None if the cost was not measured.
    """
    if not record.get("cost"):
        return None
    found = record["cost"]["rows"]
    columns = [column for column in COST_COLUMNS if any(column.name in row for row in found)]
    rows = [
        [
            label_of(row["system"]),
            *(f"{row[c.name]:.{c.decimals}f}" if c.name in row else "–" for c in columns),
        ]
        for row in found
    ]
    return ["codec", *(column.label for column in columns)], rows


def cost_note_of(record: dict[str, Any]) -> str:
    """Note on the table of costs: machine, versions, method."""
    around = record["cost"]["conditions"]
    return (
        f"cost: medians of {around['repeats']} runs on {record['cost']['clip_s']:.1f} s, {around['machine']} with "
        f"{around['cores']} cores, torch {around['torch']}; the speed of SIREN is without start-up, that of the others "
        "with it; start-up and memory are those of whole commands on one thread (the least that can be seen is the "
        "measuring process, some 14 MB)"
    )


def notes_of(record: dict[str, Any]) -> list[str]:
    """Notes on the table: data set, model, method, speaker similarity scale, codebook utilisation."""
    material, model = record["material"], record["model"]
    lines = [
        f"{material['clips']} clips of {material['speakers']} speakers, {material['duration_s']:.0f} s; brackets: "
        "95 % bootstrap interval over clips",
        f"model {model['name']} ({model['id']}): {model['parameters'] / 1e6:.1f} M parameters, "
        f"{model['weights_bytes'] / 1e6:.1f} MB",
    ]
    if record.get("packet_bytes"):
        lines.append(
            f"ber, drop: in packets of at most {record['packet_bytes']} bytes, SIREN's those of 'siren encode "
            "--profile packet' with a voice in each, Codec 2's of bare frames; gaps fade over 320 ms and are silent"
        )
    if record["recognisers"]:
        lines.append(
            f"WER and dWER by {', '.join(record['recognisers'])}; dWER against the recogniser's own transcript of the "
            "original"
        )
    if any(row["system"].startswith("transcript-") for row in record["rows"]):
        lines.append(
            f"transcript: what {record['recognisers'][0]} recognises in the originals, compressed by something that "
            "knows English transcripts: no voice, no melody"
        )
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
    """CSV with a line for each clip and codec, and every column as a plain number."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = all_columns_in(record)
    writer.writerow(["clip", "speaker", "duration_s", "system", "file_bytes", *names])
    for clip in record["clips"]:
        for system, result in clip["systems"].items():
            pairs = result["figures"]
            values = [_quotient(pairs.get(name)) for name in names]
            start = [clip["id"], clip["speaker"], f"{clip['duration_s']:.3f}", system, result["file_bytes"]]
            writer.writerow([*start, *values])
    return out.getvalue()


def _quotient(pair: tuple[float, float] | None) -> str:
    return "" if pair is None or pair[1] == 0 else f"{pair[0] / pair[1]:.6g}"


def _with_interval(figure: dict[str, float] | None, name: str) -> str:
    if figure is None:
        return "–"
    decimals = column_of(name).decimals
    value, low, high = (f"{figure[key]:.{decimals}f}" for key in ("value", "low", "high"))
    return value if low == high else f"{value} [{low}, {high}]"
