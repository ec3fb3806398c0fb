"""Level study: level of decoded silence and change of loudness of speech."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_cli.audio.level import speech_level_db
from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.corpus.clip import Clip
from siren_cli.corpus.clips import as_text, read_clip
from siren_cli.corpus.statistics import estimate
from siren_cli.evaluation.codecs.under_test import label_of, siren
from siren_cli.evaluation.metrics.catalogue import METRICS
from siren_cli.evaluation.workers.pool import worker_pool
from siren_cli.evaluation.workers.worker import EvaluationPlan, this_worker

Samples = NDArray[np.float32]

SILENCE_S = 2.0
EDGE_S = 0.32
_FLOOR_DB = -120.0
_BLOCK_SAMPLES = SAMPLE_RATE_HZ // 50


def measure(plan: EvaluationPlan, clips: list[Clip], jobs: int) -> dict[str, Any]:
    """Code each clip unchanged, and with two seconds of digital silence inserted in its middle.

    Args:
        plan: Model and stages.
        clips: Data set.
        jobs: Number of processes.

    Returns:
        `{"clips", "silence_s", "edge_s", "systems"}`: for each system the level of the decoded silence, its ends
        left out, in dB relative to full scale (median over clips, and the loudest 20 ms of all); the level of
        decoded speech less that of the original (mean with interval), and the mean of its size.
    """
    with worker_pool(replace(plan, skip=METRICS), jobs) as map_tasks:
        found = list(map_tasks(_levels, [(clip, plan.stages) for clip in clips]))
    systems: dict[str, Any] = {}
    for name in found[0]:
        silent, loudest, change = np.array([own[name] for own in found]).T
        mean, size = estimate([(x, 1.0) for x in change]), estimate([(abs(x), 1.0) for x in change])
        systems[name] = {
            "silence_db_median": float(np.median(silent)),
            "silence_db_loudest": float(loudest.max()),
            "level_change_db": None if mean is None else asdict(mean),
            "level_change_size_db": None if size is None else asdict(size),
        }
    return {"clips": len(clips), "silence_s": SILENCE_S, "edge_s": EDGE_S, "systems": systems}


def with_silence(wav: Samples) -> tuple[Samples, slice]:
    """Insert digital silence into the middle of a recording.

    Args:
        wav: Samples [T] at 16 kHz.

    Returns:
        Samples, longer by `SILENCE_S`; the slice of the silence without its ends.
    """
    middle, silence, edge = len(wav) // 2, round(SILENCE_S * SAMPLE_RATE_HZ), round(EDGE_S * SAMPLE_RATE_HZ)
    joined = np.concatenate([wav[:middle], np.zeros(silence, np.float32), wav[middle:]])
    return joined, slice(middle + edge, middle + silence - edge)


def block_levels_db(wav: Samples) -> NDArray[np.float64]:
    """Level of every whole 20 ms, dB relative to full scale, at least -120."""
    blocks = wav[: len(wav) // _BLOCK_SAMPLES * _BLOCK_SAMPLES].reshape(-1, _BLOCK_SAMPLES)
    power = np.mean(np.square(blocks, dtype=np.float64), axis=1)
    levels: NDArray[np.float64] = 10.0 * np.log10(np.maximum(power, 10.0 ** (_FLOOR_DB / 10.0)))
    return levels


def table(figures: dict[str, Any]) -> tuple[list[str], list[list[str]], list[str]]:
    """Table of the figures: headings, rows, notes."""
    headings = ["codec", "silence dBFS, median", "loudest 20 ms", "loudness change dB", "its size dB"]
    rows = [
        [
            label_of(name),
            f"{own['silence_db_median']:.1f}",
            f"{own['silence_db_loudest']:.1f}",
            as_text(own["level_change_db"], 2),
            as_text(own["level_change_size_db"], 2),
        ]
        for name, own in figures["systems"].items()
    ]
    return headings, rows, [
        f"{figures['clips']} clips; silence: {figures['silence_s']:.0f} s of zeros in the middle of each, "
        f"{figures['edge_s']:.2f} s at both its ends left out; {_FLOOR_DB:.0f} stands for anything below"
    ]  # fmt: skip


def _levels(task: tuple[Clip, tuple[int, ...]]) -> dict[str, tuple[float, float, float]]:
    clip, stages = task
    loaded = this_worker()
    wav = read_clip(clip)
    holed, silence = with_silence(wav)
    found = {}
    for count in stages:
        system = siren(loaded.codec, loaded.weights, count)
        decoded, _ = loaded.results.coded(system, wav, None)
        silent = block_levels_db(loaded.results.coded(system, holed, None)[0][silence])
        mean_db = 10.0 * float(np.log10(np.mean(10.0 ** (silent / 10.0))))
        found[system.name] = (mean_db, float(silent.max()), speech_level_db(decoded) - speech_level_db(wav))
    return found
