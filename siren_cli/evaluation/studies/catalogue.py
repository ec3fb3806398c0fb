"""Catalogue of the studies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from siren_cli import __version__
from siren_cli.corpus.clip import Clip
from siren_cli.corpus.clips import readable
from siren_cli.evaluation.metrics.catalogue import available_metrics
from siren_cli.evaluation.run import SCHEMA, model_summary, recognisers_for
from siren_cli.evaluation.studies import levels, rate_distortion, rates, robustness, speakers, vocoder, vocoder_loss
from siren_cli.evaluation.workers.worker import EvaluationPlan

Table = tuple[list[str], list[list[str]], list[str]]
"""Headings, rows and notes."""


@dataclass(frozen=True)
class Study:
    """Study: `measure` computes figures from clips, `table` formats them."""

    measure: Callable[[EvaluationPlan, list[Clip], int], dict[str, Any]]
    table: Callable[[dict[str, Any]], Table]


STUDIES = {
    "rates": Study(rates.measure, rates.table),
    "robustness": Study(robustness.measure, robustness.table),
    "speakers": Study(speakers.measure, speakers.table),
    "vocoder": Study(vocoder.measure, vocoder.table),
    "mels": Study(vocoder_loss.measure, vocoder_loss.table),
    "levels": Study(levels.measure, levels.table),
    "thrift": Study(rate_distortion.measure, rate_distortion.table),
}
"""Names for `--study`."""


def run_studies(
    plan: EvaluationPlan, names: Sequence[str], clips: list[Clip], jobs: int, report: Callable[[str], None]
) -> dict[str, Any]:
    """Run studies.

    Args:
        plan: Model, stages, cache, metrics.
        names: Names of studies.
        clips: Data set.
        jobs: Number of processes.
        report: Callback for lines of progress.

    Returns:
        The record: model, data set, clips left out, missing packages, and `studies`, figures by name.

    Raises:
        DataError: If no clip can be used, or the data set lacks something that a study needs.
        SirenError: If the model cannot be loaded.
    """
    usable, left_out = readable(clips)
    missing = [*available_metrics(plan.skip, plan.recogniser)[1], *recognisers_for(plan, usable)[1]]
    figures = {}
    for name in names:
        report(f"study {name}, {len(usable)} clips")
        figures[name] = STUDIES[name].measure(plan, usable, jobs)
    return {
        "schema": SCHEMA,
        "siren": __version__,
        "model": model_summary(plan.model),
        "material": {"clips": len(usable), "speakers": len({clip.speaker for clip in usable})},
        "studies": figures,
        "left_out": left_out,
        "missing": missing,
    }
