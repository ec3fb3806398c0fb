"""`siren train`: recordings to a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from siren_cli.console import note, progress_line
from siren_cli.errors import UsageError
from siren_cli.options import Device, DeviceOption, QuietOption, ThreadsOption


def train(
    output: Annotated[Path, typer.Option("--out", metavar="RUN", help="Run folder: states, log and model.")],
    data: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--data", metavar="DIR|FILE.jsonl", help="Recordings: a folder, or a manifest of JSON lines."
        ),
    ] = None,
    stage: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--stage", help="prepare, factorizer, vocoder, joint or prior; repeatable; all if not given."
        ),
    ] = None,
    settings: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Setting, as steps=1000, vocoder.batch=8 or model.widths=(64,64,64,64).",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's checkpoints.")] = False,
    cache: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--cache", metavar="DIR", help="Prepared recordings; RUN/cache if not given."),
    ] = None,
    quiet: QuietOption = False,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
) -> None:
    """Train a model on recordings; RUN/model is then what --model loads. Needs the extra 'train'."""
    try:
        import torch
        import torchaudio  # noqa: F401

        from siren_cli.training.config import STAGES
        from siren_cli.training.pipeline import train as run_stages
    except (ImportError, OSError) as error:
        raise UsageError(
            f"training cannot start ({' '.join(str(error).split())[:160]}); install siren-codec[train], and with "
            "a torch without CUDA remove torchaudio's lib/*.so"
        ) from error
    if threads is not None:
        torch.set_num_threads(threads)
    model = run_stages(
        data,
        output,
        stage or list(STAGES),
        settings or [],
        resume=resume,
        device=device.value,
        report=lambda text: progress_line(text, quiet=quiet),
        cache=cache,
    )
    if model is not None:
        note(f"the model is in {model}; use it with --model {model}", quiet=quiet)
