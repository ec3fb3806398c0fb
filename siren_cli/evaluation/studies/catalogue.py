"""Which studies there are."""

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
"""Headings, rows, and lines to read them with."""


@dataclass(frozen=True)
class Study:
    """A study: `measure` makes figures of the material, `table` shows them to a person."""

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
    """Answers some questions.

    Args:
        plan: Model, stages, store, judges.
        names: Of studies.
        clips: The material.
        jobs: Processes to share the work.
        report: Called with a line of progress now and then.

    Returns:
        The record: model, material, what was left out and what is missing, and `studies`, figures by name.

    Raises:
        DataError: If no clip can be used, or a study needs something that the material lacks.
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
