"""Robustness study: words and phones under noise, band limits, level changes and added silence."""

from __future__ import annotations

import zlib
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_cli.audio.level import speech_level_db
from siren_cli.corpus.clip import Clip
from siren_cli.corpus.clips import as_text, by_speaker, read_clip, with_alignments
from siren_cli.corpus.statistics import estimate
from siren_cli.evaluation.codecs.under_test import CodecUnderTest, label_of, original
from siren_cli.evaluation.metrics.catalogue import METRICS
from siren_cli.evaluation.metrics.signal import low_pass
from siren_cli.evaluation.report.columns import word_column
from siren_cli.evaluation.report.figures import Pairs, word_figures
from siren_cli.evaluation.studies.silence import SILENCES, add_silence
from siren_cli.evaluation.workers.pool import worker_pool
from siren_cli.evaluation.workers.worker import EvaluationPlan, this_worker

Samples = NDArray[np.float32]

SNR_DB = 15.0
CUT_HZ = 3_400
GAIN_DB = 12.0
BABBLERS = 6
CONDITIONS = ("clean", "babble", "white", "low-pass", "louder", "softer", *SILENCES)
"""Conditions. The silences leave the speech unchanged; phone accuracy does not apply to them."""

_LABELS = {
    "clean": "clean",
    "babble": f"{BABBLERS} others talking, {SNR_DB:.0f} dB",
    "white": f"white noise, {SNR_DB:.0f} dB",
    "low-pass": f"nothing above {CUT_HZ / 1_000:.1f} kHz",
    "louder": f"{GAIN_DB:+.0f} dB",
    "softer": f"{-GAIN_DB:+.0f} dB",
    **{name: f"{name} the speech" for name in SILENCES},
}


def measure(plan: EvaluationPlan, clips: list[Clip], jobs: int) -> dict[str, Any]:
    """Recognise phones and words in decoded degraded recordings; references are those of the clean ones.

    Args:
        plan: Model, stages, recognisers.
        clips: Data set, with alignments.
        jobs: Number of processes.

    Returns:
        `{"clips", "recognisers", "systems"}`: system to condition to `{"phones", "of_clean", "wer:RECOGNISER"}`, each
        with its interval: the phone accuracy, that relative to the same codec's on clean recordings, and the word error
        rate. `original` is the degraded recording, not coded. Babble is left out with fewer than two other speakers.
    """
    clips = with_alignments(clips)
    plan = _phones_and_words(plan)
    with worker_pool(plan, jobs) as map_tasks:
        found = list(map_tasks(_measure_clip, [(clip, _others(clip, clips)) for clip in clips]))
    systems = {
        system: {
            condition: figures
            for condition in CONDITIONS
            if (figures := _condition_figures([own[system] for own in found], condition))
        }
        for system in found[0]
    }
    names = [name for own in systems["original"].values() for name in own if name.startswith("wer:")]
    recognisers = [name.partition(":")[2] for name in dict.fromkeys(names)]
    return {"clips": len(clips), "recognisers": recognisers, "systems": systems}


def _condition_figures(clips: list[dict[str, Pairs]], condition: str) -> dict[str, Any]:
    there = [(own[condition], own["clean"]) for own in clips if condition in own]
    names = list(dict.fromkeys(name for pairs, _ in there for name in pairs))
    figures = {name: estimate([pairs[name] for pairs, _ in there if name in pairs]) for name in names}
    shares = [(pairs["phones"][0], clean["phones"][0]) for pairs, clean in there if "phones" in pairs]
    figures["of_clean"] = estimate(shares)
    return {name: asdict(figure) for name, figure in figures.items() if figure is not None}


def degraded(wav: Samples, condition: str, others: list[Samples]) -> Samples:
    """Degrade a recording by a condition; deterministic.

    Args:
        wav: Samples [T] at 16 kHz.
        condition: One of `CONDITIONS`.
        others: Recordings of other speakers, for babble; repeated or cut to length.

    Returns:
        Samples [T], not clipped. Noise is `SNR_DB` below the active speech level.
    """
    if condition in SILENCES:
        return add_silence(wav, condition)
    if condition == "babble":
        talk = [np.resize(other, len(wav)) / _rms(other) for other in others]
        return _with_noise(wav, np.sum(talk, axis=0))
    if condition == "white":
        return _with_noise(wav, np.random.default_rng(zlib.crc32(wav.tobytes())).standard_normal(len(wav)))
    if condition == "low-pass":
        return low_pass(wav, CUT_HZ)
    gain_db = {"louder": GAIN_DB, "softer": -GAIN_DB}.get(condition, 0.0)
    return wav * np.float32(10.0 ** (gain_db / 20.0))


def table(figures: dict[str, Any]) -> tuple[list[str], list[list[str]], list[str]]:
    """Table of the figures: headings, rows, notes."""
    systems = figures["systems"]
    columns = ["phones", "of_clean", *(word_column("wer", name) for name in figures["recognisers"])]
    labels = ["phones", "of clean", *(f"WER ({name})" for name in figures["recognisers"])]
    headings = ["recording"]
    for name in systems:
        label = "not coded" if name == "original" else label_of(name)
        headings += [f"{label}: {column}" for column in labels]
    rows = []
    for condition in CONDITIONS:
        cells = [_LABELS[condition]]
        for own in systems.values():
            if condition in own:
                cells += [as_text(own[condition].get(name), 2 if name == "of_clean" else 3) for name in columns]
        if len(cells) > 1:
            rows.append(cells)
    return headings, rows, [f"{figures['clips']} clips; brackets: 95 % bootstrap interval over clips"]


def _measure_clip(task: tuple[Clip, list[Clip]]) -> dict[str, dict[str, Pairs]]:
    clip, others = task
    loaded = this_worker()
    wav = read_clip(clip)
    talk = [read_clip(other) for other in others]
    systems: list[CodecUnderTest] = [original(), *loaded.siren_codecs]
    found: dict[str, dict[str, Pairs]] = {system.name: {} for system in systems}
    references, language = loaded.references(clip), loaded.plan.language_of(clip)
    for condition in CONDITIONS:
        if condition == "babble" and len(talk) < 2:
            continue
        recording = degraded(wav, condition, talk)
        decoded = [loaded.results.coded(system, recording, None)[0] for system in systems]
        transcripts = loaded.transcripts(decoded, language)
        for system, sound, texts in zip(systems, decoded, transcripts, strict=True):
            pairs: Pairs = {}
            phones = None if condition in SILENCES else loaded.compute_metrics(sound, wav, clip.phones).get("phones")
            if phones is not None:
                pairs["phones"] = (phones, 1.0)
            for name, text in texts.items():
                if name in references:
                    column = word_column("wer", name)
                    pairs[column] = word_figures(name, text, transcripts[0][name], references)[column]
            found[system.name][condition] = pairs
    return found


def _others(clip: Clip, clips: list[Clip]) -> list[Clip]:
    """Choose one clip of each of a few other speakers; the choice varies with the clip."""
    number = clips.index(clip)
    rest = by_speaker([*clips[number + 1 :], *clips[:number]])
    return [own[number % len(own)] for speaker, own in rest.items() if speaker != clip.speaker][:BABBLERS]


def _phones_and_words(plan: EvaluationPlan) -> EvaluationPlan:
    return replace(plan, skip=tuple(n for n in METRICS if n not in ("phones", "words") or n in plan.skip))


def _with_noise(wav: Samples, noise: NDArray[np.floating[Any]]) -> Samples:
    wanted = 10.0 ** ((speech_level_db(wav) - SNR_DB) / 20.0)
    return (wav + noise * (wanted / _rms(noise))).astype(np.float32)


def _rms(wav: NDArray[np.floating[Any]]) -> float:
    return float(np.sqrt(np.mean(np.square(wav, dtype=np.float64))))
