"""Metrics of one recording, for `siren roundtrip --metrics`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_cli.corpus.clips import SHORTEST_S, to_16_bits
from siren_cli.evaluation.metrics.asr import POCKETSPHINX, available, load_recogniser
from siren_cli.evaluation.metrics.catalogue import available_metrics
from siren_cli.evaluation.metrics.words import normalised
from siren_cli.evaluation.report.columns import column_of, in_order
from siren_cli.evaluation.report.figures import clip_figures

_NOT_CODED = {"file_bytes": 0, "payload_bytes": 0}


def single_figures(
    original: NDArray[np.float32], decoded: NDArray[np.float32], sample_rate_hz: int
) -> tuple[dict[str, float], str | None, list[str]]:
    """Compute the metrics of `siren eval` that need neither transcript nor alignment for one decoded recording.

    Args:
        original: Samples [T] at 16 kHz.
        decoded: Samples [T].
        sample_rate_hz: Sample rate of both.

    Returns:
        Column to value; the transcript of the decoded recording, None without a recogniser; one line for each missing
        package.
    """
    if len(original) < SHORTEST_S * sample_rate_hz or not original.any() or not decoded.any():
        return {}, None, [f"metrics are left out; they need {SHORTEST_S} s that are not silent"]
    found, notes = available_metrics()
    sources, words_missing = available((POCKETSPHINX,))
    pair = [to_16_bits(decoded), to_16_bits(original)]
    metrics: list[dict[str, Any]] = [{}, {}]
    for metric in found:
        if not metric.needs_phones:
            for place, wav in enumerate(pair):
                metrics[place].update(metric.compute(wav, pair[1], None))
    words = None
    for source in sources:
        recogniser = load_recogniser(source)
        texts = [normalised(text, "en") for text in recogniser.transcribe(pair, "en")]
        words = texts[0]
        for own, text in zip(metrics, texts, strict=True):
            own["transcripts"] = {recogniser.name: text}
    pairs = clip_figures(metrics[0], metrics[1], _NOT_CODED, len(original) / sample_rate_hz, {})
    values = {name: pairs[name][0] / pairs[name][1] for name in in_order(pairs) if pairs[name][1]}
    return values, words, [*notes, *words_missing]


def single_table(values: dict[str, float], words: str | None) -> list[tuple[str, str]]:
    """Table of the same metrics, with the labels of `siren eval`."""
    columns = [column_of(name) for name in values]
    rows = [(column.label, f"{values[column.name]:.{column.decimals}f}") for column in columns]
    return rows if words is None else [*rows, ("words recognised", words or "none")]
