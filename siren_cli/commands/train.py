"""`siren train`: recordings → a model; with prepare, compare, average and probe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from siren_cli.errors import UsageError
from siren_cli.terminal.console import note, show_json, show_rows
from siren_cli.terminal.options import Device, DeviceOption, JsonOption, QuietOption, ThreadsOption
from siren_cli.terminal.progress import TrainingDisplay

if TYPE_CHECKING:
    from siren_cli.training.pipeline import TrainRequest

train_app = typer.Typer(
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Not every supported Typer can read `X | None`, hence Optional.
DataOption = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--data",
        metavar="SOURCE",
        help="Recordings: a folder, a .tar, a manifest .jsonl, hf:NAME or hf-disk:PATH; repeatable.",
    ),
]
ConfigOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--config",
        metavar="NAME|FILE",
        help="siren-v1, fsq, tiny, distilhubert, hifigan, ljspeech, multispeaker, finetune, or a YAML file; "
        "RUN's saved settings if not given.",
    ),
]
SetOption = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Setting, as steps=1000, vocoder.batch=8 or model.stages=1; repeatable."
    ),
]
CacheOption = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--cache", metavar="DIR", help="Prepared recordings; RUN/cache if not given."),
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")]


@train_app.callback(invoke_without_command=True)
def train(
    context: typer.Context,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", metavar="RUN", help="Run folder: states, log and model."),
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    stage: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--stage",
            help="prepare, semantic, factorizer, vocoder, joint, guide or prior; repeatable; all if not given.",
        ),
    ] = None,
    start: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--from", metavar="MODEL", help="Fine-tune this model: a folder, or a packaged model as siren-v1."
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the run's checkpoints.")] = False,
    minutes: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--minutes", min=0.0, metavar="N", help="Save and stop after N minutes; then --resume."),
    ] = None,
    cache: CacheOption = None,
    quiet: QuietOption = False,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
) -> None:
    """Train a model on recordings; use RUN/model with --model. Needs the extra 'train'.

    Phases (--stage): prepare (cache of the recordings), semantic (encoder branch and codebooks, for models with
    codebooks), factorizer (indices), vocoder (waveform), joint (waveform from decoded spectra), guide (search targets),
    prior (entropy model and export). Several GPUs: accelerate launch -m siren_cli train ...
    """
    if context.invoked_subcommand is not None:
        return
    if output is None:
        raise UsageError("there is no --out; give the run's folder, as --out runs/mine")
    _need_training(threads)
    from siren_cli.training.pipeline import TrainRequest

    request = TrainRequest(
        run=output,
        data=tuple(data or ()),
        phases=tuple(stage or ()),
        config=config,
        settings=tuple(settings or ()),
        start=start,
        resume=resume,
        device=device.value,
        cache=cache,
        minutes=minutes,
    )
    _run(request, quiet=quiet)


@train_app.command()
def prepare(
    output: Annotated[Path, typer.Option("--out", metavar="RUN", help="Run folder.")],
    data: DataOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    cache: CacheOption = None,
    quiet: QuietOption = False,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
) -> None:
    """Check, resample, level and cache recordings: the first phase alone. Bad files are named and left out."""
    _need_training(threads)
    from siren_cli.training.pipeline import TrainRequest

    request = TrainRequest(
        run=output,
        data=tuple(data or ()),
        phases=("prepare",),
        config=config,
        settings=tuple(settings or ()),
        device=device.value,
        cache=cache,
    )
    _run(request, quiet=quiet)


@train_app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, two or more to compare.")],
    as_json: JsonOption = False,
) -> None:
    """Show the last development figures of runs side by side."""
    from siren_cli.training.tools.compare import compare as compare_runs

    figures = compare_runs(runs)
    if as_json:
        named = {f"{stage}.{name}": values for stage, name, values in figures}
        show_json({"runs": [str(run) for run in runs], "figures": named})
        return
    width = max(12, *(len(run.name) + 2 for run in runs))
    rows = [("", "".join(f"{run.name:>{width}}" for run in runs) + f"{'last - first':>14}" * (len(runs) > 1))]
    for stage, name, values in figures:
        cells = "".join(f"{'-' if value is None else format(value, '.4g'):>{width}}" for value in values)
        known = len(values) > 1 and values[0] is not None and values[-1] is not None
        rows.append((f"{stage} {name}", cells + (f"{(values[-1] or 0) - (values[0] or 0):>+14.4g}" if known else "")))
    show_rows(rows)


@train_app.command()
def average(
    checkpoints: Annotated[
        list[Path], typer.Argument(metavar="CHECKPOINT...", help="Two or more RUN/factorizer.safetensors or the like.")
    ],
    target: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Checkpoint to write, in a run folder.")],
    share: Annotated[
        Optional[list[float]],  # noqa: UP045
        typer.Option("--share", metavar="S", help="Weight of a checkpoint, once for each; equal if not given."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Average the weights of checkpoints that continue the same weights."""
    _need_training(None)
    from siren_cli.training.tools.average import average as average_checkpoints

    _show(average_checkpoints(checkpoints, share or [], target), as_json=as_json)


@train_app.command()
def probe(
    run: RunArgument,
    cache: CacheOption = None,
    as_json: JsonOption = False,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
) -> None:
    """Measure speaker leakage of a run's indices: the accuracy of a linear speaker classifier."""
    _need_training(threads)
    from siren_cli.config import ModelConfig
    from siren_cli.training.data.batches import Cache
    from siren_cli.training.initialisation import load_run_model
    from siren_cli.training.loop.distributed import ProcessGroup
    from siren_cli.training.tools.speaker_probe import speaker_leakage

    config = ModelConfig.from_json(run / "config.json")
    torch_device = ProcessGroup(device.value).device
    model = load_run_model(run, config).to(torch_device)
    facts = speaker_leakage(model, Cache(cache or run / "cache", config.mel_bins), torch_device)
    if as_json:
        show_json(facts)
    else:
        show_rows([(name, f"{value:.3g}") for name, value in facts.items()])


def _show(facts: dict[str, int], *, as_json: bool) -> None:
    if as_json:
        show_json(facts)
    else:
        show_rows([(name, str(value)) for name, value in facts.items()])


def _run(request: TrainRequest, *, quiet: bool) -> None:
    from siren_cli.training.pipeline import train as run_training

    with TrainingDisplay(quiet=quiet) as display:
        model = run_training(request, display.line, display.watch)
    if model is not None:
        note(f"the model is in {model}; use it with --model {model}", quiet=quiet)


def _need_training(threads: int | None) -> None:
    """Refuse, in one line, to train without the extra 'train'."""
    try:
        import torch
        import torchaudio  # noqa: F401
        import yaml  # noqa: F401
    except (ImportError, OSError) as error:
        raise UsageError(
            f"training cannot start ({' '.join(str(error).split())[:160]}); install siren-codec[train], and with "
            "a torch without CUDA remove torchaudio's lib/*.so"
        ) from error
    if threads is not None:
        torch.set_num_threads(threads)
