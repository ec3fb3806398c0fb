"""How much worse words get when the recording is not clean: noise, a narrow band, another level."""

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
from siren_cli.evaluation.codecs.systems import System, label_of, original
from siren_cli.evaluation.metrics.judges import JUDGES
from siren_cli.evaluation.metrics.signal import low_pass
from siren_cli.evaluation.workers.pool import crew
from siren_cli.evaluation.workers.worker import Plan, worker

Samples = NDArray[np.float32]

SNR_DB = 15.0
CUT_HZ = 3_400
GAIN_DB = 12.0
BABBLERS = 6
CONDITIONS = ("clean", "babble", "white", "low-pass", "louder", "softer")
_LABELS = {
    "clean": "clean",
    "babble": f"{BABBLERS} others talking, {SNR_DB:.0f} dB",
    "white": f"white noise, {SNR_DB:.0f} dB",
    "low-pass": f"nothing above {CUT_HZ / 1_000:.1f} kHz",
    "louder": f"{GAIN_DB:+.0f} dB",
    "softer": f"{-GAIN_DB:+.0f} dB",
}


def measure(plan: Plan, clips: list[Clip], jobs: int) -> dict[str, Any]:
    """Reads phones off what the codec makes of spoilt recordings; labels are those of the clean ones.

    Args:
        plan: Model and stages.
        clips: The material, with alignments.
        jobs: Processes.

    Returns:
        `{"clips", "systems"}`: system to condition to `{"phones", "of_clean"}`, each with its interval: the share of
        frames with speech whose phone is right, and that as a part of the same system's on clean recordings.
        `original` is the spoilt recording itself, not coded. Babble is left out where fewer than two others speak.
    """
    clips = with_alignments(clips)
    plan = _phones_alone(plan)
    with crew(plan, jobs) as each:
        found = list(each(_hear, [(clip, _others(clip, clips)) for clip in clips]))
    systems: dict[str, Any] = {}
    for system in found[0]:
        systems[system] = {}
        for condition in CONDITIONS:
            pairs = [(own[system][condition], own[system]["clean"]) for own in found if condition in own[system]]
            phones, share = estimate([(value, 1.0) for value, _ in pairs]), estimate(pairs)
            if phones is not None:
                systems[system][condition] = {
                    "phones": asdict(phones),
                    "of_clean": None if share is None else asdict(share),
                }
    return {"clips": len(clips), "systems": systems}


def spoilt(wav: Samples, condition: str, others: list[Samples]) -> Samples:
    """A recording under a condition, the same each time.

    Args:
        wav: Samples [T] at 16 kHz.
        condition: One of `CONDITIONS`.
        others: What others say, for babble; repeated or cut to length.

    Returns:
        Samples [T]. Noise stands below the level of the active speech by `SNR_DB`. Nothing is clipped.
    """
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
    """The figures for a person: headings, rows, notes."""
    systems = figures["systems"]
    headings = ["recording"]
    for name in systems:
        label = "not coded" if name == "original" else label_of(name)
        headings += [f"{label}: phones", "of clean"]
    rows = []
    for condition in CONDITIONS:
        cells = [_LABELS[condition]]
        for own in systems.values():
            if condition in own:
                cells += [as_text(own[condition]["phones"], 3), as_text(own[condition]["of_clean"], 2)]
        if len(cells) > 1:
            rows.append(cells)
    return headings, rows, [f"{figures['clips']} clips; brackets: 95 % bootstrap interval over clips"]


def _hear(task: tuple[Clip, list[Clip]]) -> dict[str, dict[str, float]]:
    clip, others = task
    own = worker()
    wav = read_clip(clip)
    talk = [read_clip(other) for other in others]
    systems: list[System] = [original(), *own.own]
    found: dict[str, dict[str, float]] = {system.name: {} for system in systems}
    for condition in CONDITIONS:
        if condition == "babble" and len(talk) < 2:
            continue
        recording = spoilt(wav, condition, talk)
        for system in systems:
            decoded, _ = own.store.coded(system, recording, None)
            phones = own.hear(decoded, wav, clip.phones).get("phones")
            if phones is not None:
                found[system.name][condition] = phones
    return found


def _others(clip: Clip, clips: list[Clip]) -> list[Clip]:
    """One clip of each of a few other speakers, other ones for other clips."""
    number = clips.index(clip)
    rest = by_speaker([*clips[number + 1 :], *clips[:number]])
    return [own[number % len(own)] for speaker, own in rest.items() if speaker != clip.speaker][:BABBLERS]


def _phones_alone(plan: Plan) -> Plan:
    return replace(plan, skip=tuple(name for name in JUDGES if name != "phones"))


def _with_noise(wav: Samples, noise: NDArray[np.floating[Any]]) -> Samples:
    wanted = 10.0 ** ((speech_level_db(wav) - SNR_DB) / 20.0)
    return (wav + noise * (wanted / _rms(noise))).astype(np.float32)


def _rms(wav: NDArray[np.floating[Any]]) -> float:
    return float(np.sqrt(np.mean(np.square(wav, dtype=np.float64))))
