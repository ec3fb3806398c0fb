"""Speaker information in the indices, and their phonetic invariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_cli.config import FSQ_LEVELS, SAMPLE_RATE_HZ
from siren_cli.corpus.clip import Clip
from siren_cli.corpus.clips import as_text, by_speaker, read_clip, with_alignments
from siren_cli.corpus.statistics import estimate
from siren_cli.errors import DataError
from siren_cli.evaluation.studies.phonetic_invariance import (
    WordDigits,
    compare_words,
    pronunciations,
    word_digits,
    words_in,
)
from siren_cli.evaluation.workers.pool import worker_pool
from siren_cli.evaluation.workers.worker import EvaluationPlan, this_worker
from siren_cli.phones import PHONES
from siren_cli.training.tools.speaker_probe import right_guesses

FOLDS = 4
_LABELS = {
    "chance": "chance",
    "words": "what is said alone (shares of phones)",
    "indices_1": "indices of 1 stage (shares of digits)",
    "indices_2": "indices of 2 stages (shares of digits)",
    "voice": "voice code",
}


def measure(plan: EvaluationPlan, clips: list[Clip], jobs: int) -> dict[str, Any]:
    """Identify speakers by a linear probe, and compare the indices of words common to two speakers.

    The probe is a softmax regression, cross-validated in four folds of each speaker's clips. Its features are averages
    over a clip: the share of each value of each digit. Texts differ between speakers, so the shares of phones give the
    accuracy from content alone.

    Args:
        plan: Model and stages.
        clips: Data set, with alignments, and texts for the words.
        jobs: Number of processes.

    Returns:
        `{"clips", "speakers", "probe", "words"}`: accuracies with intervals by features of the probe; for each
        number of stages the pairs of same words, mean distances, and the share of different words that are farther.

    Raises:
        DataError: If fewer than two speakers have four clips each.
    """
    clips = with_alignments(clips)
    few = [own for own in by_speaker(clips).values() if len(own) >= FOLDS]
    if len(few) < 2:
        raise DataError(
            f"{len(few)} speakers have {FOLDS} clips with alignments, --study speakers needs 2 such; give more clips"
        )
    with worker_pool(plan, jobs) as map_tasks:
        coded = dict(zip([clip.clip_id for clip in clips], map_tasks(_coded, clips), strict=True))
    known = [clip for own in few for clip in own]
    who = np.concatenate([np.full(len(own), number) for number, own in enumerate(few)])
    fold = np.concatenate([np.arange(len(own)) % FOLDS for own in few])
    given = {"words": [_phone_shares(clip.phones or "") for clip in known]}
    for count in plan.stages:
        given[f"indices_{count}"] = [digit_shares(coded[clip.clip_id][0][:, :count]) for clip in known]
    given["voice"] = [np.array(coded[clip.clip_id][1], np.float32) for clip in known]
    probe: dict[str, Any] = {"chance": 1.0 / len(few)}
    for name, seen in given.items():
        right = np.zeros(len(known), bool)
        for number in range(FOLDS):
            right[fold == number] = right_guesses(np.stack(seen).astype(np.float32), who, fold == number)
        found = estimate([(float(item), 1.0) for item in right])
        probe[name] = None if found is None else asdict(found)
    return {
        "clips": len(known),
        "speakers": len(few),
        "probe": probe,
        "words": _same_words(clips, {name: indices for name, (indices, _) in coded.items()}, plan.stages),
    }


def digit_shares(indices: NDArray[np.int16]) -> NDArray[np.float32]:
    """Average indices [F, Q] over time: the share of every value of every digit of every stage."""
    shares = []
    for stage in indices.T.astype(np.int64):
        rest = stage
        for levels in FSQ_LEVELS:
            shares.append(np.bincount(rest % levels, minlength=levels) / len(stage))
            rest = rest // levels
    return np.concatenate(shares).astype(np.float32)


def table(figures: dict[str, Any]) -> tuple[list[str], list[list[str]], list[str]]:
    """Table of the figures: headings, rows, notes."""
    rows = []
    for name, label in _LABELS.items():
        if name in figures["probe"]:
            value = figures["probe"][name]
            rows.append([label, f"{value:.3f}" if isinstance(value, float) else as_text(value, 3)])
    notes = [f"{figures['clips']} clips of {figures['speakers']} speakers, {FOLDS} folds"]
    for stages, own in figures["words"].items():
        if own["pairs"]:
            notes.append(
                f"{stages} stage(s), same word by two speakers: {own['pairs']} pairs, distance "
                f"{as_text(own['same'], 3)}, different words {as_text(own['different'], 3)}; of the different words "
                f"{as_text(own['farther'], 2)} are farther (0.5 is chance)"
            )
        else:
            notes.append(f"{stages} stage(s): no word of four phones is said by two speakers, or no texts are given")
    return ["the probe is given", "speakers named right"], rows, notes


def _coded(clip: Clip) -> tuple[NDArray[np.int16], list[int]]:
    """Indices of all stages [F, Q], and the digits of the voice."""
    from siren_format.voice import voice_digits

    codec = this_worker().codec
    coded = codec.encode(read_clip(clip), SAMPLE_RATE_HZ, stages=codec.stages)
    return coded.indices, [] if coded.voice is None else list(voice_digits(coded.voice))


def _same_words(
    clips: Sequence[Clip], indices: dict[str, NDArray[np.int16]], stages: tuple[int, ...]
) -> dict[str, Any]:
    dictionary = pronunciations()
    spans = [
        (clip, word)
        for clip in clips
        if clip.text is not None and clip.phones is not None
        for word in words_in(clip.text, clip.phones, dictionary)
    ]
    found: dict[str, Any] = {}
    for count in stages:
        instances: list[WordDigits] = [
            word_digits(word, clip.speaker, indices[clip.clip_id][:, :count], start_s, end_s)
            for clip, (word, start_s, end_s) in spans
        ]
        pairs = compare_words(instances)
        found[str(count)] = {"words": len(instances), "pairs": len(pairs)}
        for place, name in enumerate(("same", "different", "farther")):
            figure = estimate([(pair[place], 1.0) for pair in pairs])
            found[str(count)][name] = None if figure is None else asdict(figure)
    return found


def _phone_shares(phones: str) -> NDArray[np.float32]:
    shares = np.zeros(len(PHONES), np.float32)
    for item in phones.split():
        name, _, length = item.partition(":")
        if name in PHONES and name != PHONES[0]:
            shares[PHONES.index(name)] += int(length)
    return shares / max(1.0, float(shares.sum()))
