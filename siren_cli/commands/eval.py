"""`siren eval`: measurement of SIREN and the codecs people use today, on the same recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from siren_cli.config import DEFAULT_EFFORT, MAX_EFFORT
from siren_cli.errors import AudioUnreadable, OutputExists, OutputUnwritable, UsageError
from siren_cli.files.streams import STREAM, require_writable, write_bytes
from siren_cli.terminal.console import note, progress_line, show_json, show_table
from siren_cli.terminal.options import Device, DeviceOption, ForceOption, ModelOption, QuietOption, ThreadsOption

if TYPE_CHECKING:
    from siren_cli.corpus.clip import Clip
    from siren_cli.evaluation.workers.worker import EvaluationPlan


def evaluate(
    data: Annotated[
        Path,
        typer.Argument(metavar="DIR|FILE.jsonl", help="Recordings: a folder, or a manifest of JSON lines."),
    ],
    audio: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--audio", metavar="DIR", help="Where a manifest's files lie, if not beside it."),
    ] = None,
    split: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--split", help="The manifest's split to measure on; all if not given."),
    ] = None,
    limit: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--limit", min=1, metavar="N", help="At most N clips, evenly spread over the list."),
    ] = None,
    stages: Annotated[str, typer.Option("--stages", metavar="1,2", help="Numbers of stages to measure.")] = "1,2",
    efforts: Annotated[
        str,
        typer.Option("--efforts", metavar="0,24", help="Efforts to encode with, for models that have a guide."),
    ] = f"0,{DEFAULT_EFFORT}",
    baselines: Annotated[
        str,
        typer.Option(
            "--baselines",
            metavar="NAMES",
            help="Codecs to compare with: opusN (kbps), codec2-3200, -1300, -700C, -450; or none.",
        ),
    ] = "opus6,codec2-3200,codec2-1300,codec2-700C,codec2-450",
    ber: Annotated[
        str,
        typer.Option("--ber", metavar="SHARES", help="Flip so many bits of packets too, as 1e-3,1e-2."),
    ] = "",
    drop: Annotated[
        str,
        typer.Option("--drop", metavar="SHARES", help="Lose so many packets too, as 0.05,0.2."),
    ] = "",
    packet_bytes: Annotated[
        int,
        typer.Option("--packet-bytes", min=16, max=255, metavar="N", help="Largest packet for --ber and --drop."),
    ] = 51,
    asr: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--asr",
            metavar="NAME|DIR",
            help="Recognise words: pocketsphinx (if none is given), or a transformers model's folder or hub name, as "
            "openai/whisper-tiny.en; several are a column each.",
        ),
    ] = None,
    asr_language: Annotated[
        str,
        typer.Option("--asr-language", metavar="CODE", help="Language of recordings whose own is unknown, as en."),
    ] = "",
    study: Annotated[
        str,
        typer.Option(
            "--study",
            metavar="NAMES",
            help="Answer questions, no table: some of rates,robustness,speakers,vocoder,mels,levels,thrift.",
        ),
    ] = "",
    skip: Annotated[
        str,
        typer.Option(
            "--skip", metavar="NAMES", help="What to leave out: words and dnsmos take most of the time, cost a minute."
        ),
    ] = "",
    json_file: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--json", metavar="FILE", help="Write the whole record; - prints it instead of the table."),
    ] = None,
    csv_file: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--csv", metavar="FILE", help="Write a line for every clip and codec."),
    ] = None,
    html: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--html", metavar="DIR", help="Write a page to listen to, with A/B and a blind mode."),
    ] = None,
    html_clips: Annotated[
        int, typer.Option("--html-clips", min=1, metavar="N", help="At most N clips on the page.")
    ] = 12,
    plots: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--plots", metavar="DIR", help="Write plots of quality against rate, as SVG, light and dark."),
    ] = None,
    cache: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--cache", metavar="DIR", help="Where results are kept, by content; ~/.cache/siren if not given."),
    ] = None,
    voices: Annotated[
        bool, typer.Option("--voices", help="Measure voices instead: conversion, averaging, anonymity, bytes.")
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, metavar="N", help="Processes to share the work.")] = 1,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail, after all is done, if anything was left out.")
    ] = False,
    force: ForceOption = False,
    quiet: QuietOption = False,
    device: DeviceOption = Device.CPU,
    threads: ThreadsOption = None,
    model: ModelOption = None,
) -> None:
    """Measure the codec on recordings beside Opus and Codec 2. Needs the extra 'eval' for most figures."""
    import json

    from siren_cli.corpus.clips import list_material
    from siren_cli.evaluation.codecs.damage import Damage
    from siren_cli.evaluation.metrics.asr import POCKETSPHINX
    from siren_cli.evaluation.page import require_page_folder, write_page
    from siren_cli.evaluation.report.plots import damage_plots, rate_plots
    from siren_cli.evaluation.report.tables import cost_note_of, cost_table_of, csv_of, notes_of, table_of
    from siren_cli.evaluation.run import evaluate as measure
    from siren_cli.evaluation.run import installed, require_guide
    from siren_cli.evaluation.studies.catalogue import STUDIES, run_studies
    from siren_cli.evaluation.workers.worker import EvaluationPlan

    for path in (json_file, csv_file):
        if path is not None and path != STREAM:
            require_writable(path, force=force)
    if html is not None:
        require_page_folder(html, force=force)
    if plots is not None:
        _require_plots_folder(plots, force=force)
    if html is not None or plots is not None:
        _require_matplotlib()
    studies = _studies(study)
    if studies and (csv_file is not None or html is not None or plots is not None):
        raise UsageError("--study writes tables and --json alone; leave out --csv, --html and --plots")
    if voices and (studies or html is not None or csv_file is not None or plots is not None or ber or drop):
        raise UsageError(
            "--voices has a table and --json alone; leave out --study, --html, --csv, --plots, --ber and --drop"
        )
    there, absent = installed([] if baselines == "none" else [name.strip() for name in baselines.split(",")])
    plan = EvaluationPlan(
        model=model,
        stages=_stages(stages),
        baselines=there,
        has_other_speaker=True,
        asr=tuple(asr or (POCKETSPHINX,)),
        asr_language=asr_language,
        cache=_default_cache() if cache is None else cache,
        device=device.value,
        threads=threads,
        damages=tuple(
            Damage(kind, level) for kind, text in (("ber", ber), ("drop", drop)) for level in _shares(kind, text)
        ),
        packet_bytes=packet_bytes,
        skip=_skipped(skip),
        efforts=_efforts(efforts),
    )
    require_guide(plan)
    clips = list_material(data, split, limit, audio)
    if voices:
        _evaluate_voices(plan, clips, json_file, force=force, quiet=quiet)
        return

    def report(text: str) -> None:
        progress_line(text, quiet=quiet)

    if studies:
        record = run_studies(plan, studies, clips, jobs, report)
    else:
        record = measure(plan, clips, jobs, report)
        record["missing"] = [*absent, *record["missing"]]
    if json_file is not None and json_file != STREAM:
        write_bytes(json_file, (json.dumps(record, indent=1) + "\n").encode(), force=force)
    if csv_file is not None:
        write_bytes(csv_file, csv_of(record).encode(), force=force)
    if html is not None:
        write_page(html, record, html_clips, force=force)
    if plots is not None:
        _write_plots(plots, {**rate_plots(record), **damage_plots(record)}, force=force)
    for line in record["missing"]:
        note(line, quiet=quiet)
    for clip in record["left_out"]:
        note(f"{clip['id']} left out: {clip['left_out']}", quiet=quiet)
    if json_file == STREAM:
        show_json(record)
    elif not quiet and studies:
        for name in studies:
            show_table(*STUDIES[name].table(record["studies"][name]))
    elif not quiet:
        show_table(*table_of(record), notes_of(record))
        cost = cost_table_of(record)
        if cost is not None:
            show_table(*cost, [cost_note_of(record)])
    if strict and (record["left_out"] or record["missing"]):
        left_out, missing = len(record["left_out"]), len(record["missing"])
        raise AudioUnreadable(
            f"{left_out} clips left out and {missing} programs or packages missing, --strict expects none; see above"
        )


def _evaluate_voices(
    plan: EvaluationPlan, clips: list[Clip], json_file: str | None, *, force: bool, quiet: bool
) -> None:
    import json
    from dataclasses import replace

    from siren_cli.evaluation.report.voices import voice_notes, voice_table
    from siren_cli.evaluation.voices import measure_voices

    plan = replace(plan, stages=(), baselines=(), has_other_speaker=False, damages=())
    record = measure_voices(plan, clips, lambda text: progress_line(text, quiet=quiet))
    if json_file == STREAM:
        show_json(record)
    elif json_file is not None:
        write_bytes(json_file, (json.dumps(record, indent=1) + "\n").encode(), force=force)
    for line in [*record["missing"], *(f"{clip['id']} left out: {clip['left_out']}" for clip in record["left_out"])]:
        note(line, quiet=quiet)
    if json_file != STREAM and not quiet:
        headings, rows = voice_table(record)
        show_table(headings, rows, voice_notes(record))


def _stages(text: str) -> tuple[int, ...]:
    numbers = sorted(set(text.replace(" ", "").split(",")))
    if not numbers or not set(numbers) <= {"1", "2"}:
        raise UsageError(f"--stages is {text!r}, expected 1, 2 or 1,2; correct it")
    return tuple(int(number) for number in numbers)


def _efforts(text: str) -> tuple[int, ...]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or not all(word.isdecimal() and int(word) <= MAX_EFFORT for word in words):
        raise UsageError(f"--efforts is {text!r}, expected numbers of 0 to {MAX_EFFORT} as 0,24; correct it")
    return tuple(sorted({int(word) for word in words}))


def _shares(kind: str, text: str) -> list[float]:
    shares = []
    for word in (part.strip() for part in text.split(",") if part.strip()):
        try:
            shares.append(float(word))
        except ValueError as error:
            raise UsageError(f"--{kind} is {text!r}, expected shares as 0.001,0.01; correct it") from error
        if not 0.0 < shares[-1] <= 1.0:
            raise UsageError(f"--{kind} holds {word}, expected shares above 0 and up to 1; correct it")
    return sorted(set(shares))


def _skipped(text: str) -> tuple[str, ...]:
    from siren_cli.evaluation.metrics.catalogue import METRICS
    from siren_cli.evaluation.run import COST

    known = (*METRICS, COST)
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"--skip names {unknown[0]!r}, expected some of {', '.join(known)}; correct it")
    return names


def _studies(text: str) -> list[str]:
    from siren_cli.evaluation.studies.catalogue import STUDIES

    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in STUDIES]
    if unknown:
        raise UsageError(f"--study names {unknown[0]!r}, expected some of {', '.join(STUDIES)}; correct it")
    return names


def _require_plots_folder(folder: Path, *, force: bool) -> None:
    """Check, before any work is done, that plots can be written to a folder."""
    if folder.exists() and not folder.is_dir():
        raise OutputUnwritable(f"{folder}: is a file, expected a folder; name another")
    if not force and any(folder.glob("*.svg")):
        raise OutputExists(f"{folder}: holds plots already; give --force to replace them")


def _require_matplotlib() -> None:
    """Check, before any work is done, that matplotlib is installed."""
    import importlib.util

    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("--plots and --html need matplotlib; pip install matplotlib")


def _write_plots(folder: Path, plots: dict[str, str], *, force: bool) -> None:
    from siren_cli.files.streams import reason_of

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputUnwritable(f"{folder}: cannot be made ({reason_of(error)}); write elsewhere") from error
    for name, text in plots.items():
        write_bytes(str(folder / name), text.encode(), force=force)


def _default_cache() -> Path:
    import os

    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "siren" / "eval"
