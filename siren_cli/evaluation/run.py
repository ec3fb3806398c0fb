"""Evaluation run: from clips to one record that JSON can hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from siren_cli import __version__
from siren_cli.config import SAMPLE_RATE_HZ, ModelConfig
from siren_cli.corpus.clip import Clip
from siren_cli.corpus.clips import first_readable, read_joined
from siren_cli.errors import DataError, UsageError
from siren_cli.evaluation.codecs.under_test import baseline
from siren_cli.evaluation.cost.measure import conditions, cost_of
from siren_cli.evaluation.metrics.asr import recogniser_name, require_languages
from siren_cli.evaluation.metrics.catalogue import available_metrics
from siren_cli.evaluation.metrics.utilisation import utilisation_of
from siren_cli.evaluation.report.columns import COST_COLUMNS, column_of, in_order
from siren_cli.evaluation.report.figures import Pairs, row_figures, speaker_values, voice_scale
from siren_cli.evaluation.workers import worker
from siren_cli.evaluation.workers.pool import worker_pool
from siren_cli.evaluation.workers.result_cache import ResultCache, digest_of, digest_of_model
from siren_cli.evaluation.workers.worker import RATE_S, EvaluationPlan

SCHEMA = 3

COST = "cost"
"""Name for `--skip` of the computational cost: speed, start-up and memory."""


def installed(names: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """List the baselines whose programs are installed.

    Args:
        names: Names of baselines.

    Returns:
        Installed baselines, and one line for each missing one.

    Raises:
        UsageError: If a name is unknown.
    """
    there, notes = [], []
    for name in names:
        try:
            baseline(name)
            there.append(name)
        except DataError as error:
            notes.append(f"{name} left out: {error}")
    return tuple(there), notes


def require_guide(plan: EvaluationPlan) -> None:
    """Check that the model supports one of the efforts of the plan.

    Raises:
        UsageError: If all efforts are above 0 and the model has no guide.
        SirenError: If the model cannot be found.
    """
    from siren_cli.registry.weights import find_model

    found = find_model(plan.model)
    if not _efforts(plan):
        raise UsageError(
            f"model {found.name} has no guide, which efforts above 0 need, and 0 is not asked for; give --efforts 0"
        )


def _efforts(plan: EvaluationPlan) -> tuple[int, ...]:
    """List the efforts of the plan that the model supports."""
    from siren_cli.registry.weights import find_model

    has_guide = ModelConfig.from_json(find_model(plan.model).config_path).guide_width
    return tuple(effort for effort in plan.efforts if has_guide or not effort)


def evaluate(plan: EvaluationPlan, clips: list[Clip], jobs: int, report: Callable[[str], None]) -> dict[str, Any]:
    """Measure every codec on every clip.

    Args:
        plan: Settings; `has_other_speaker` is set here.
        clips: Data set.
        jobs: Number of processes.
        report: Callback for lines of progress.

    Returns:
        The record: settings, rows with intervals, speakers, clips, clips left out, and missing packages.

    Raises:
        UsageError: If a recogniser would have to guess a clip's language.
        DataError: If no clip can be used.
        SirenError: If the model cannot be loaded.
    """
    tasks = [(clip, first_readable(clips, number)) for number, clip in enumerate(clips)]
    plan = replace(plan, has_other_speaker=all(other_speaker is not None for _, other_speaker in tasks))
    sources, missing = recognisers_for(plan, clips)
    missing = [*available_metrics(plan.skip, plan.recogniser)[1], *missing]
    found = []
    with worker_pool(plan, jobs) as map_tasks:
        for number, result in enumerate(map_tasks(worker.work_on, tasks), 1):
            found.append(result)
            report(f"{number}/{len(tasks)} clips  {result['id']}" + "  left out" * ("left_out" in result))
        left_out = [result for result in found if "left_out" in result]
        done = [result for result in found if "left_out" not in result]
        if not done:
            raise DataError(f"none of {len(clips)} clips can be used ({left_out[0]['left_out']}); give others")
        usable = {result["id"] for result in done}
        by_speaker: dict[str, list[Clip]] = {}
        for clip in clips:
            if clip.clip_id in usable:
                by_speaker.setdefault(clip.speaker, []).append(clip)
        rates = list(map_tasks(worker.rates_on, by_speaker.values()))
    cost = None
    if COST not in plan.skip:
        report("speed, start-up and memory")
        cost = _cost(plan, next(iter(by_speaker.values())))
    return _record(plan, done, rates, left_out, missing, cost, [recogniser_name(source) for source in sources])


def recognisers_for(plan: EvaluationPlan, clips: Sequence[Clip]) -> tuple[tuple[str, ...], list[str]]:
    """List the recognisers that transcribe the clips, before any work is done.

    Returns:
        Usable recognisers, and one line for each missing package.

    Raises:
        UsageError: If one is no recogniser, or would have to guess the language of a clip.
    """
    sources, missing = plan.recognisers()
    require_languages(sources, ((clip.clip_id, plan.language_of(clip)) for clip in clips))
    return sources, missing


def model_summary(model: str | None) -> dict[str, Any]:
    """Summary of the model in records: name, id, parameters, and the size of its weights in bytes."""
    from siren_cli.codec import load_codec
    from siren_cli.registry.weights import find_model

    codec = load_codec(model, device="cpu")
    return {
        "name": codec.name,
        "id": codec.model_id.hex(),
        "parameters": codec.parameter_count,
        "weights_bytes": find_model(model).weights_path.stat().st_size,
    }


def _cost(plan: EvaluationPlan, clips: list[Clip]) -> dict[str, Any]:
    """Computational cost, measured or cached for the same codecs on the same machine."""
    from siren_cli.evaluation.codecs.under_test import siren_identity

    wav = read_joined(clips, RATE_S)
    around = conditions()
    identity = siren_identity(digest_of_model(plan.model))
    efforts = _efforts(plan)
    systems = [f"{identity} {plan.stages} {efforts}", *(baseline(n).identity for n in plan.baselines)]
    key = digest_of(json.dumps(around), wav.tobytes(), *systems, *plan.baselines)
    results = ResultCache(plan.cache)
    rows = results.read(COST, key)
    if rows is None:
        rows = cost_of(plan.model, plan.stages, efforts, plan.baselines, wav)
        results.write(COST, key, rows)
    return {"clip_s": len(wav) / SAMPLE_RATE_HZ, "conditions": around, "rows": rows}


def _record(
    plan: EvaluationPlan,
    done: list[dict[str, Any]],
    rates: list[dict[str, Pairs]],
    left_out: list[dict[str, Any]],
    missing: list[str],
    cost: dict[str, Any] | None,
    recognisers: list[str],
) -> dict[str, Any]:
    from siren_cli.codec import load_codec

    codec = load_codec(plan.model, device="cpu")
    names = list(dict.fromkeys(name for clip in done for name in clip["systems"]))
    rows = []
    for name in names:
        pairs = [(clip["speaker"], clip["systems"][name]["figures"]) for clip in done if name in clip["systems"]]
        rows.append(
            {
                "system": name,
                "figures": row_figures(
                    [*(figures for _, figures in pairs), *(rate[name] for rate in rates if name in rate)]
                ),
                "speakers": speaker_values(pairs),
            }
        )
    return {
        "schema": SCHEMA,
        "siren": __version__,
        "model": model_summary(plan.model),
        "material": {
            "clips": len(done),
            "speakers": len({clip["speaker"] for clip in done}),
            "duration_s": sum(clip["duration_s"] for clip in done),
        },
        "recognisers": recognisers,
        "packet_bytes": plan.packet_bytes if plan.damages else None,
        "columns": [asdict(column_of(name)) for name in in_order(n for row in rows for n in row["figures"])],
        "rows": rows,
        "cost_columns": [asdict(column) for column in COST_COLUMNS],
        "cost": cost,
        "voice_scale": voice_scale([(clip["speaker"], clip["embedding"]) for clip in done]),
        "utilisation": utilisation_of(codec, done),
        "left_out": left_out,
        "missing": missing,
        "clips": [{key: value for key, value in clip.items() if key != "embedding"} for clip in done],
    }
