"""Evaluation of the speaker code: conversion, averaging, anonymity, bytes (`siren eval --voices`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from siren_cli import __version__
from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.corpus.clip import Clip
from siren_cli.corpus.clips import read_clip
from siren_cli.corpus.statistics import Estimate, estimate
from siren_cli.errors import DataError, SirenError, UsageError
from siren_cli.evaluation.codecs.under_test import CodecOutput, CodecUnderTest, siren
from siren_cli.evaluation.metrics import recogniser
from siren_cli.evaluation.metrics.asr import recogniser_name
from siren_cli.evaluation.metrics.catalogue import available_metrics
from siren_cli.evaluation.metrics.verification import centroid_scores, classifier_scores, estimate_eer
from siren_cli.evaluation.metrics.words import words_kept
from siren_cli.evaluation.report.figures import similarity
from siren_cli.evaluation.run import recognisers_for
from siren_cli.evaluation.workers.worker import EvaluationPlan, Worker

if TYPE_CHECKING:
    from siren_cli.codec import Codec
    from siren_cli.coded import Coded

AVERAGED = 5
"""Enrolment clips averaged for a target's voice; similarity is measured to the other clips."""

SCHEMA = 1
_FEWEST_CLIPS = 3
_PITCH_VERSION = 1
"""Raise it when a change here or in `siren_cli.audio.pitch` may change median pitches."""

_FAR_APART = 2.0 / 12.0
"""Smallest distance of two median pitches, in octaves, for the pitch measures: two semitones."""

_Samples = NDArray[np.float32]


@dataclass(eq=False)
class _ClipRecord:
    """Clip of the data set, its code, and the metrics of each of its versions by name of the version."""

    clip: Clip
    wav: _Samples
    coded: Coded
    codes: Any
    voices: dict[str, list[float] | None] = field(default_factory=dict)
    pitch: dict[str, float | None] = field(default_factory=dict)
    words: dict[str, tuple[int, int]] = field(default_factory=dict)
    phones: dict[str, float] = field(default_factory=dict)


def measure_voices(plan: EvaluationPlan, clips: Sequence[Clip], report: Callable[[str], None]) -> dict[str, Any]:
    """Measure conversion, averaging and anonymity with one stage.

    Args:
        plan: Model, cache and metrics; the other settings are ignored.
        clips: Data set: at least three clips each of at least two speakers.
        report: Callback for lines of progress.

    Returns:
        The record: settings, `figures` by name with intervals, pairs, clips left out, and missing packages.

    Raises:
        UsageError: If the plan skips the metric of voices.
        DataError: If there are too few clips, or resemblyzer is not installed.
        SirenError: If the model cannot be loaded.
    """
    from siren_cli.voices.mixing import average

    worker = Worker(plan)
    sources, words_missing = recognisers_for(plan, clips)
    missing = [*available_metrics(plan.skip, plan.recogniser)[1], *words_missing]
    if "voice" in plan.skip:
        raise UsageError("--voices needs the metric voice; leave it out of --skip")
    if all(metric.name != "voice" for metric in worker.metrics):
        raise DataError("--voices measures with resemblyzer, which is not here; pip install --no-deps resemblyzer")
    # A clip is coded once per voice, so a search would take most of the time.
    codec, weights = worker.codec.searching(0), worker.weights

    material: list[_ClipRecord] = []
    left_out = []
    for clip in clips:
        try:
            wav = read_clip(clip)
        except SirenError as error:
            left_out.append({"id": clip.clip_id, "left_out": str(error)})
            continue
        voice_estimate = codec.hear_voice(wav, SAMPLE_RATE_HZ)
        material.append(_ClipRecord(clip, wav, codec.encode(wav, SAMPLE_RATE_HZ), voice_estimate))
    material, by_speaker = _enough(material)
    own, default = siren(codec, weights, 1), _with_voice(codec, weights, "default", None)
    speakers = list(by_speaker)
    pairs = []
    for number, item in enumerate(material):
        group = by_speaker[item.clip.speaker]
        away = 1 + group.index(item) % (len(speakers) - 1)
        target = speakers[(speakers.index(item.clip.speaker) + away) % len(speakers)]
        voiced, held_out = _split(by_speaker[target])
        several = average([other.codes for other in voiced])
        single = average([voiced[number % len(voiced)].codes])
        for name, system in (
            ("own", own),
            ("default", default),
            ("converted", _with_voice(codec, weights, "converted", several)),
            ("converted by one", _with_voice(codec, weights, "converted", single)),
        ):
            _measure(worker, system, name, item)
        _measure(worker, None, "original", item)
        pairs.append((item, target, held_out, [other for other in group if other is not item][-len(held_out) :]))
        report(f"{number + 1}/{len(material)} clips  {item.clip.clip_id}, spoken by {target}")
    return {
        "schema": SCHEMA,
        "siren": __version__,
        "model": {"name": codec.name, "id": codec.model_id.hex()},
        "material": {
            "clips": len(material),
            "speakers": len(speakers),
            "duration_s": sum(len(item.wav) for item in material) / SAMPLE_RATE_HZ,
            "averaged_clips": len(_split(by_speaker[speakers[0]])[0]),
        },
        "recogniser": recogniser_name(sources[0]) if sources else None,
        "figures": {
            name: asdict(value)
            for name, value in {
                **_conversion(pairs), **_pitch(pairs), **_anonymity(material),
                **_cost(material, codec.config.fine_in_files),
            }.items()
            if value is not None
        },
        "pairs": [_pair_summary(*pair) for pair in pairs],
        "left_out": left_out,
        "missing": missing,
    }  # fmt: skip


def _enough(material: list[_ClipRecord]) -> tuple[list[_ClipRecord], dict[str, list[_ClipRecord]]]:
    by_speaker: dict[str, list[_ClipRecord]] = {}
    for item in material:
        by_speaker.setdefault(item.clip.speaker, []).append(item)
    by_speaker = {name: group for name, group in by_speaker.items() if len(group) >= _FEWEST_CLIPS}
    if len(by_speaker) < 2:
        raise DataError(
            f"{len(by_speaker)} speakers with {_FEWEST_CLIPS} usable clips or more, --voices expects two; give more "
            "recordings, each speaker's in a folder of its own or named in a manifest"
        )
    return [item for item in material if item.clip.speaker in by_speaker], by_speaker


def _split(group: list[_ClipRecord]) -> tuple[list[_ClipRecord], list[_ClipRecord]]:
    """Split clips into enrolment clips and held-out clips; at least one is held out."""
    used = min(AVERAGED, len(group) - 1)
    return group[:used], group[used:]


def _with_voice(codec: Codec, weights: str, name: str, voice: bytes | None) -> CodecUnderTest:
    """SIREN with one stage, decoded with a given voice."""

    def run(wav: _Samples, file: Path, other_speaker: _Samples | None) -> CodecOutput:
        del other_speaker
        data = codec.encode(wav, SAMPLE_RATE_HZ).spoken_by(voice).to_bytes()
        file.write_bytes(data)
        return CodecOutput(codec.decode(data), 0)

    whose = "default" if voice is None else voice.hex()
    return CodecUnderTest(f"siren-1-{name}", ".srn", f"{siren(codec, weights, 1).identity} {whose}", run)


def _measure(worker: Worker, system: CodecUnderTest | None, name: str, item: _ClipRecord) -> None:
    decoded = item.wav if system is None else worker.results.coded(system, item.wav, None)[0]
    metrics = worker.compute_metrics(decoded, item.wav, item.clip.phones, _METRICS_OF[name])
    item.voices[name] = metrics.get("embedding")
    if any(metric.name == "pitch" for metric in worker.metrics):
        item.pitch[name] = worker.results.cached("median-pitch", _PITCH_VERSION, _median_pitch, decoded)
    references = worker.references(item.clip) if "words" in _METRICS_OF[name] else {}
    if references:
        (texts,) = worker.transcripts([decoded], worker.plan.language_of(item.clip))
        recogniser, reference = next(iter(references.items()))
        reference_words = reference.split()
        item.words[name] = (words_kept(texts[recogniser].split(), reference_words), len(reference_words))
    if metrics.get("phones") is not None:
        item.phones[name] = metrics["phones"]


_METRICS_OF = {
    "original": ("voice",),
    "own": ("voice", "words", "phones"),
    "default": ("voice",),
    "converted": ("voice", "words", "phones"),
    "converted by one": ("voice",),
}
"""Metrics of each version. Words, by the first recogniser, take most of the time."""


def _median_pitch(wav: _Samples) -> float | None:
    """Median ln(F0 / Hz) of the voiced frames; None with fewer than 10."""
    from siren_cli.audio.pitch import HOP_SAMPLES, log_pitch

    pitch = log_pitch(wav, len(wav) // HOP_SAMPLES)
    voiced = pitch[pitch > 0]
    return float(np.median(voiced)) if len(voiced) >= 10 else None


_Pair = tuple[_ClipRecord, str, list[_ClipRecord], list[_ClipRecord]]
"""Clip, target speaker, held-out clips of the target, and as many clips of the source."""


def _likeness(voice: list[float] | None, clips: list[_ClipRecord]) -> float | None:
    """Cosine with the mean speaker embedding of clips."""
    known = [np.array(item.voices["original"]) for item in clips if item.voices["original"] is not None]
    return similarity(voice, np.mean(known, axis=0).tolist()) if known else None


def _sides(pair: _Pair, name: str) -> tuple[float, float] | None:
    """Similarity of a version of a clip to the target and to the source."""
    item, _, target, source = pair
    sides = _likeness(item.voices[name], target), _likeness(item.voices[name], source)
    return None if sides[0] is None or sides[1] is None else (sides[0], sides[1])


def _conversion(pairs: list[_Pair]) -> dict[str, Estimate | None]:
    by_name = {name: [_sides(pair, name) for pair in pairs] for name in ("own", "converted", "converted by one")}
    converted = [sides for sides in by_name["converted"] if sides is not None]
    both = [
        (several[0], single[0])
        for several, single in zip(by_name["converted"], by_name["converted by one"], strict=True)
        if several is not None and single is not None
    ]
    words = [(pair[0].words.get("converted"), pair[0].words.get("own")) for pair in pairs]
    phones = [(pair[0].phones.get("converted"), pair[0].phones.get("own")) for pair in pairs]
    return {
        "nearer_target": estimate([(float(target > source), 1.0) for target, source in converted]),
        "to_target": estimate([(target, 1.0) for target, _ in converted]),
        "to_source": estimate([(source, 1.0) for _, source in converted]),
        "own_to_target": estimate([(sides[0], 1.0) for sides in by_name["own"] if sides is not None]),
        "own_to_source": estimate([(sides[1], 1.0) for sides in by_name["own"] if sides is not None]),
        "words_own": estimate([(float(own[0]), float(own[1])) for _, own in words if own is not None]),
        "words_converted": estimate([(float(item[0]), float(item[1])) for item, _ in words if item is not None]),
        "words_kept": estimate([(float(a[0]), float(b[0])) for a, b in words if a is not None and b is not None]),
        "phones_kept": estimate([(a, b) for a, b in phones if a is not None and b is not None]),
        "to_target_by_one": estimate([(single, 1.0) for _, single in both]),
        "averaging_gain": estimate([(several - single, 1.0) for several, single in both]),
    }


def _pitch(pairs: list[_Pair]) -> dict[str, Estimate | None]:
    moved, nearer = [], []
    for item, _, target, source in pairs:
        own, converted = item.pitch.get("own"), item.pitch.get("converted")
        start, goal = (_mean_pitch(group) for group in (source, target))
        if own is None or converted is None or start is None or goal is None:
            continue
        if abs(goal - start) < _FAR_APART * np.log(2.0):
            continue
        moved.append(((converted - own) * (goal - start), (goal - start) ** 2))
        nearer.append((float(abs(converted - goal) < abs(converted - start)), 1.0))
    return {"pitch_moved": estimate(moved), "pitch_nearer": estimate(nearer)}


def _mean_pitch(group: list[_ClipRecord]) -> float | None:
    known = [pitch for pitch in (item.pitch.get("original") for item in group) if pitch is not None]
    return float(np.mean(known)) if known else None


def _anonymity(material: list[_ClipRecord]) -> dict[str, Estimate | None]:
    from siren_cli.training.tools.speaker_probe import digit_statistics

    speakers = [item.clip.speaker for item in material]
    known = [
        number for number, item in enumerate(material)
        if all(item.voices[name] is not None for name in ("original", "own", "default"))
    ]  # fmt: skip
    voices = {
        name: [_unit(material[number].voices[name]) for number in known] for name in ("original", "own", "default")
    }
    names = [speakers[number] for number in known]
    found: dict[str, Estimate | None] = {}
    for name, tested, enrolled in (
        ("eer_original", "original", "original"),
        ("eer_own", "own", "original"),
        ("eer_default", "default", "original"),
        ("eer_default_alike", "default", "default"),
    ):
        scores = centroid_scores(voices[tested], voices[enrolled], names)
        found[name] = estimate_eer(scores) if scores else None
    mels = [recogniser.log_mel(item.wav).numpy() for item in material]
    for name, features in (
        ("eer_indices", [digit_statistics(item.coded.indices) for item in material]),
        ("eer_spectra", [np.concatenate([mel.mean(0), mel.std(0)]) for mel in mels]),
    ):
        found[name] = estimate_eer(classifier_scores(np.array(features, np.float64), speakers))
    return found


def _cost(material: list[_ClipRecord], fine: int) -> dict[str, Estimate | None]:
    from dataclasses import replace

    from siren_cli.voices.mixing import likeness

    sizes = []
    for item in material:
        bare = replace(item.coded, voice=None)
        sizes.append([len(coded.to_bytes()) for coded in (item.coded, replace(bare, voice_id=b"\0\0"), bare)])
    alike: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for item, other in combinations(material, 2):
        if item.coded.voice is not None and other.coded.voice is not None:
            same = item.clip.speaker == other.clip.speaker
            alike[same].append((likeness(item.coded.voice, other.coded.voice, fine), 1.0))
    return {
        "bytes_own": estimate([(float(size[0]), 1.0) for size in sizes]),
        "bytes_named": estimate([(float(size[1]), 1.0) for size in sizes]),
        "bytes_stripped": estimate([(float(size[2]), 1.0) for size in sizes]),
        "digits_same": estimate(alike[True]),
        "digits_other": estimate(alike[False]),
    }


def _unit(voice: list[float] | None) -> NDArray[np.float64]:
    vector = np.array(voice, np.float64)
    return vector / np.linalg.norm(vector)


def _pair_summary(item: _ClipRecord, target: str, _: list[_ClipRecord], source: list[_ClipRecord]) -> dict[str, Any]:
    sides = _sides((item, target, _, source), "converted")
    return {
        "id": item.clip.clip_id,
        "speaker": item.clip.speaker,
        "spoken_by": target,
        "to_target": None if sides is None else sides[0],
        "to_source": None if sides is None else sides[1],
        "words": {name: list(counts) for name, counts in item.words.items()},
        "pitch": item.pitch,
    }
