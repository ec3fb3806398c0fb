"""The figures of `siren eval --voices` as text: rows for a terminal, Markdown for docs/voices.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class VoiceFigure:
    """One figure.

    Attributes:
        name: In the record.
        label: For people.
        decimals: To print.
        least: What it should reach; None where nothing was asked for.
        is_headline: Whether docs/voices.md has it.
    """

    name: str
    label: str
    decimals: int
    least: float | None = None
    is_headline: bool = True


FIGURES = (
    VoiceFigure("nearer_target", "converted: share of pairs more like the target than the source", 2, 0.8),
    VoiceFigure("to_target", "converted: likeness to the target", 3),
    VoiceFigure("to_source", "converted: likeness to the source", 3),
    VoiceFigure("own_to_target", "in its own voice: likeness to the target", 3),
    VoiceFigure("own_to_source", "in its own voice: likeness to the source", 3),
    VoiceFigure("words_kept", "converted: words recognised, of those recognised in its own voice", 2, 0.9),
    VoiceFigure("words_own", "in its own voice: share of words recognised", 3, is_headline=False),
    VoiceFigure("words_converted", "converted: share of words recognised", 3, is_headline=False),
    VoiceFigure("phones_kept", "converted: phones read off right, of those in its own voice", 2),
    VoiceFigure("pitch_moved", "converted: share of the way that median pitch moves to the target's", 2),
    VoiceFigure("pitch_nearer", "converted: share of pairs with pitch nearer to the target's", 2),
    VoiceFigure("to_target_by_one", "converted, voice from one clip: likeness to the target", 3),
    VoiceFigure("averaging_gain", "what averaging clips adds to that", 4, 0.0),
    VoiceFigure("eer_original", "equal error rate: originals", 3),
    VoiceFigure("eer_own", "equal error rate: decoded in its own voice", 3),
    VoiceFigure("eer_default", "equal error rate: default voice", 3, 0.35),
    VoiceFigure("eer_default_alike", "equal error rate: default voice, attacker decodes what he knows likewise", 3),
    VoiceFigure("eer_indices", "equal error rate: from the indices alone, attacker trained on the speakers", 3),
    VoiceFigure("eer_spectra", "equal error rate: the same attack on spectra of the originals", 3),
    VoiceFigure("bytes_own", "bytes a file: with its own voice", 1),
    VoiceFigure("bytes_named", "bytes a file: with a voice that is named", 1),
    VoiceFigure("bytes_stripped", "bytes a file: without a voice", 1),
    VoiceFigure("digits_same", "likeness of voice digits: two clips of one speaker", 2),
    VoiceFigure("digits_other", "likeness of voice digits: two speakers", 2),
)


def voice_table(record: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """A table of values with intervals.

    Args:
        record: From `siren_cli.evaluation.voices.measure_voices`.

    Returns:
        Headings and rows; figures without a value are left out.
    """
    rows = []
    for figure in FIGURES:
        value = record["figures"].get(figure.name)
        if value is not None:
            low, high = (f"{value[key]:.{figure.decimals}f}" for key in ("low", "high"))
            rows.append([figure.label, f"{value['value']:.{figure.decimals}f} [{low}, {high}]", _asked(figure)])
    return ["figure", "value", "asked for"], rows


def voice_markdown(record: dict[str, Any]) -> str:
    """The headline figures, each with its interval, and what they were measured on.

    Args:
        record: From `siren_cli.evaluation.voices.measure_voices`, with or without its pairs.

    Returns:
        Markdown.
    """
    labels = {figure.label for figure in FIGURES if figure.is_headline}
    headings, rows = voice_table(record)
    lines = [f"| {' | '.join(headings)} |", "|---|---:|---:|"]
    lines += [f"| {' | '.join(row)} |" for row in rows if row[0] in labels]
    return "\n".join([*lines, "", *(f"- {line}" for line in voice_notes(record))])


def voice_notes(record: dict[str, Any]) -> list[str]:
    """What the table has to be read with."""
    material, model = record["material"], record["model"]
    return [
        f"{material['clips']} clips of {material['speakers']} speakers, {material['duration_s']:.0f} s, one stage; "
        "brackets: 95 % bootstrap interval over clips",
        f"model {model['name']} ({model['id']}); a target's voice is averaged over {material['averaged_clips']} of her "
        "clips and compared with her others",
    ]


def _asked(figure: VoiceFigure) -> str:
    if figure.least is None:
        return ""
    return f"above {figure.least:g}" if figure.least == 0 else f"at least {figure.least:g}"
