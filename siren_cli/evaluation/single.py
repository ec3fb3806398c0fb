"""The figures of one recording, for `siren roundtrip --metrics`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_cli.corpus.clips import SHORTEST_S, to_16_bits
from siren_cli.evaluation.metrics.judges import judges
from siren_cli.evaluation.metrics.words import POCKETSPHINX
from siren_cli.evaluation.report.columns import COLUMNS
from siren_cli.evaluation.report.figures import clip_figures

_NOT_CODED = {"file_bytes": 0, "payload_bytes": 0}


def single_figures(
    original: NDArray[np.float32], decoded: NDArray[np.float32], sample_rate_hz: int
) -> tuple[dict[str, float], str | None, list[str]]:
    """Judges one decoded recording as `siren eval` does; what needs a transcript or an alignment is left out.

    Args:
        original: Samples [T] at 16 kHz.
        decoded: Samples [T].
        sample_rate_hz: Of both.

    Returns:
        Column to value; the words recognised in the decoded recording, None where no recogniser is installed; a
        line for each thing that is missing.
    """
    if len(original) < SHORTEST_S * sample_rate_hz or not original.any() or not decoded.any():
        return {}, None, [f"metrics are left out; they need {SHORTEST_S} s that are not silent"]
    found, notes = judges(POCKETSPHINX)
    pair = [to_16_bits(decoded), to_16_bits(original)]
    heard: list[dict[str, Any]] = [{}, {}]
    for judge in found:
        if not judge.needs_phones:
            for place, wav in enumerate(pair):
                heard[place].update(judge.hear(wav, pair[1], None))
    pairs = clip_figures(heard[0], heard[1], _NOT_CODED, len(original) / sample_rate_hz, None)
    values = {
        column.name: pairs[column.name][0] / pairs[column.name][1]
        for column in COLUMNS
        if column.name in pairs and pairs[column.name][1]
    }
    return values, heard[0].get("transcript"), notes


def single_rows(values: dict[str, float], words: str | None) -> list[tuple[str, str]]:
    """The same for a person: labels as in the table of `siren eval`."""
    rows = [(column.label, f"{values[column.name]:.{column.decimals}f}") for column in COLUMNS if column.name in values]
    return rows if words is None else [*rows, ("words heard", words or "none")]
