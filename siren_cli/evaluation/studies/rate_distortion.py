"""Rate–distortion study: bits saved by a rate weight, and its cost in phones and voice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.corpus.clip import Clip
from siren_cli.corpus.clips import as_text, read_clip, with_alignments
from siren_cli.evaluation.codecs.under_test import siren
from siren_cli.evaluation.metrics.catalogue import METRICS
from siren_cli.evaluation.report.figures import Pairs, clip_figures, row_figures
from siren_cli.evaluation.workers.pool import worker_pool
from siren_cli.evaluation.workers.worker import EvaluationPlan, this_worker

WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.4, 1.0)
_METRICS = ("phones", "voice")


def measure(plan: EvaluationPlan, clips: list[Clip], jobs: int) -> dict[str, Any]:
    """Code every clip with each rate weight.

    Args:
        plan: Model and stages.
        clips: Data set, with alignments.
        jobs: Number of processes.

    Returns:
        `{"clips", "stages"}`; for each number of stages a row per weight: `weight`, and with intervals `payload_bps`,
        `file_bps`, `phones` and, if its metric is installed, `similarity`.
    """
    clips = with_alignments(clips)
    plan = replace(plan, skip=tuple(name for name in METRICS if name not in _METRICS))
    with worker_pool(plan, jobs) as map_tasks:
        found = list(map_tasks(_code, [(clip, plan.stages) for clip in clips]))
    stages = {
        str(count): [{"weight": weight, **row_figures([clip[count, weight] for clip in found])} for weight in WEIGHTS]
        for count in plan.stages
    }
    return {"clips": len(clips), "stages": stages}


def table(figures: dict[str, Any]) -> tuple[list[str], list[list[str]], list[str]]:
    """Table of the figures: headings, rows, notes."""
    stages = figures["stages"]
    measured = [name for name in ("phones", "similarity") if name in next(iter(stages.values()))[0]]
    headings = ["stages", "weight", "payload bps", "of unweighted", "file bps", *measured]
    rows = []
    for count, own in stages.items():
        usual_bps = own[0]["payload_bps"]["value"]
        for row in own:
            bps = row["payload_bps"]["value"]
            cells = [f"{bps:.1f}", f"{100 * bps / usual_bps:.1f} %", f"{row['file_bps']['value']:.1f}"]
            rows.append([count, f"{row['weight']:g}", *cells, *(as_text(row[name], 3) for name in measured)])
    return headings, rows, [f"{figures['clips']} clips; brackets: 95 % bootstrap interval over clips"]


def _code(task: tuple[Clip, tuple[int, ...]]) -> dict[tuple[int, float], Pairs]:
    """Figures of a clip by stages and weight."""
    clip, stages = task
    loaded = this_worker()
    wav = read_clip(clip)
    original_metrics = loaded.compute_metrics(wav, wav, clip.phones)
    found = {}
    for count in stages:
        for weight in WEIGHTS:
            decoded, coded = loaded.results.coded(siren(loaded.codec.thrifty(weight), loaded.weights, count), wav, None)
            metrics = loaded.compute_metrics(decoded, wav, clip.phones)
            found[count, weight] = clip_figures(metrics, original_metrics, coded, len(wav) / SAMPLE_RATE_HZ, {})
    return found
