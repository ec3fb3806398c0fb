"""Figures of clips from metrics and transcripts, and of codecs over clips, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from siren_cli.corpus.statistics import estimate
from siren_cli.evaluation.metrics.words import character_errors, word_errors
from siren_cli.evaluation.report.columns import in_order, word_column

Pairs = dict[str, tuple[float, float]]

_MEANS = (
    "phones", "phones_4k", "stoi", "estoi", "mel_distance", "pesq", "si_sdr", "f0_correlation", "voicing_error",
    "dnsmos_ovrl", "dnsmos_sig",
)  # fmt: skip


def clip_figures(
    metrics: dict[str, Any],
    original_metrics: dict[str, Any],
    coded: dict[str, Any],
    duration_s: float,
    references: Mapping[str, str],
) -> Pairs:
    """Figures of one decoded clip, as numerator and denominator.

    Args:
        metrics: Metrics of the decoded clip, and `transcripts`, recogniser to normalised text.
        original_metrics: The same for the original.
        coded: Sizes of its file (see `siren_cli.evaluation.workers.result_cache`).
        duration_s: Duration of the clip.
        references: Recogniser to the reference transcript, normalised for it; empty if unknown.

    Returns:
        Column to numerator and denominator; columns that do not apply are absent.
    """
    pairs: Pairs = {name: (metrics[name], 1.0) for name in _MEANS if metrics.get(name) is not None}
    if coded["file_bytes"]:
        pairs["file_bps"] = (8.0 * coded["file_bytes"], duration_s)
        pairs["payload_bps"] = (8.0 * coded["payload_bytes"], duration_s)
        pairs["overhead_bytes"] = (coded["file_bytes"] - coded["payload_bytes"], 1.0)
    for recogniser, found in metrics.get("transcripts", {}).items():
        pairs.update(word_figures(recogniser, found, original_metrics["transcripts"][recogniser], references))
    cosine = similarity(metrics.get("embedding"), original_metrics.get("embedding"))
    if cosine is not None:
        pairs["similarity"] = (cosine, 1.0)
    return pairs


def word_figures(recogniser: str, found: str, original: str, references: Mapping[str, str]) -> Pairs:
    """Error rates of one transcript, as numerator and denominator.

    Args:
        recogniser: Name of the recogniser.
        found: Its normalised transcript of the decoded clip.
        original: Its normalised transcript of the original.
        references: Recogniser to the reference transcript; without its own, only dWER is computed.

    Returns:
        Column, such as `wer:RECOGNISER`, to numerator and denominator.
    """
    own = word_errors(found, original)
    pairs: Pairs = {word_column("dwer", recogniser): (own.errors, own.reference)}
    if recogniser in references:
        reference = references[recogniser]
        words, characters = word_errors(found, reference), character_errors(found, reference)
        counts = {
            "wer": words.errors,
            "substitutions": words.substitutions,
            "deletions": words.deletions,
            "insertions": words.insertions,
        }
        for name, count in counts.items():
            pairs[word_column(name, recogniser)] = (count, words.reference)
        pairs[word_column("cer", recogniser)] = (characters.errors, characters.reference)
    return pairs


def similarity(first: Sequence[float] | None, second: Sequence[float] | None) -> float | None:
    """Cosine similarity of two speaker embeddings; None if either is unknown."""
    if first is None or second is None:
        return None
    one, two = np.array(first), np.array(second)
    return float(one @ two / np.sqrt((one @ one) * (two @ two)))


def row_figures(clips: Sequence[Pairs]) -> dict[str, Any]:
    """Figures of a codec over clips.

    Args:
        clips: Result of `clip_figures` for each clip.

    Returns:
        Column to `{"value", "low", "high", "count"}`, in the order of the columns.
    """
    found = {}
    for name in in_order(name for clip in clips for name in clip):
        over_clips = estimate([clip[name] for clip in clips if name in clip])
        if over_clips is not None:
            found[name] = asdict(over_clips)
    return found


def speaker_values(clips: Sequence[tuple[str, Pairs]]) -> dict[str, dict[str, float]]:
    """Figures of each speaker, without intervals.

    Args:
        clips: Speaker and result of `clip_figures`, for each clip.

    Returns:
        Speaker to column to value.
    """
    found = {}
    for speaker in sorted({speaker for speaker, _ in clips}):
        own = [pairs for other, pairs in clips if other == speaker]
        found[speaker] = {name: figure["value"] for name, figure in row_figures(own).items()}
    return found


def voice_scale(voices: Sequence[tuple[str, Sequence[float] | None]]) -> dict[str, Any]:
    """Reference points of speaker similarity, from the originals.

    Args:
        voices: Speaker and speaker embedding of every clip.

    Returns:
        `{"same_speaker", "other_speaker"}`: mean similarity of each clip with the next one of its speaker, and with
        the next one of another; None without such a pair.
    """
    same: list[tuple[float, float]] = []
    other: list[tuple[float, float]] = []
    for number, (speaker, voice) in enumerate(voices):
        rest = [*voices[number + 1 :], *voices[:number]]
        for is_same, values in ((True, same), (False, other)):
            partner = next((v for s, v in rest if (s == speaker) is is_same and v is not None), None)
            value = similarity(voice, partner)
            if value is not None:
                values.append((value, 1.0))
    scale = {"same_speaker": estimate(same), "other_speaker": estimate(other)}
    return {name: None if found is None else asdict(found) for name, found in scale.items()}
