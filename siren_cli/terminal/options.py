"""Options of several commands, and the checks between them."""

from __future__ import annotations

import os
from enum import Enum
from typing import Annotated, Optional

import typer

from siren_cli.config import DEFAULT_EFFORT, MAX_EFFORT
from siren_cli.errors import UsageError
from siren_cli.files.streams import STREAM


class Device(str, Enum):
    """Device of the networks."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Profile(str, Enum):
    """Output of `siren encode`."""

    FILE = "file"
    PACKET = "packet"


class Engine(str, Enum):
    """Engine of a batch."""

    LOCAL = "local"
    RAY = "ray"


AudioInput = Annotated[
    str, typer.Argument(metavar="IN", help="Recording in any format of soundfile, or - for standard input.")
]
ManyInputs = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Argument(
        metavar="IN...", help="Recordings in any format of soundfile, folders of them, or - for standard input."
    ),
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Skip files whose output already exists and is complete.")]
FilesFromOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--files-from", metavar="LIST", help="File with one input a line, or NUL between them; - for standard input."
    ),
]
JobsOption = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--jobs", "-j", min=1, metavar="N", help="Processes for many files (default: one a core)."),
]
EngineOption = Annotated[Engine, typer.Option("--engine", help="Run a batch on this machine or on a Ray cluster.")]
RayAddressOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--ray-address", metavar="HOST:PORT", help="Running Ray cluster (default: a new one on this machine)."
    ),
]
StagesOption = Annotated[
    int,
    typer.Option("--stages", min=1, max=2, help="Residual stages: 1 is about 68 bps, 2 about twice as much."),
]
PacketStagesOption = Annotated[
    str,
    typer.Option(
        "--stages",
        metavar="1|2|auto",
        help="Residual stages: 1 is about 68 bps, 2 about twice as much; of packets, auto is 2 if they take no more of "
        "them.",
    ),
]
RateWeightOption = Annotated[
    float,
    typer.Option(
        "--rate-weight",
        min=0.0,
        max=1.0,
        metavar="W",
        help="Trade quality for bits, 0 to 1 (default 0). 0.1 saves about 3 %. Above 0, --effort is at least 1.",
    ),
]
EffortOption = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(
        "--effort",
        min=0,
        max=MAX_EFFORT,
        metavar="N",
        help=f"Encoder search effort, 0 to {MAX_EFFORT} (default {DEFAULT_EFFORT}). Higher is more intelligible and "
        "slower; 0 disables the search and is about 12 times faster.",
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", "-f", help="Replace the output if it exists.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only, no report and no notes.")]
DeviceOption = Annotated[Device, typer.Option("--device", help="Device of the networks.")]
# Not every supported Typer can read `int | None`, hence Optional.
ThreadsOption = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--threads", min=1, metavar="N", help="CPU threads (default: torch decides)."),
]
ModelOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--model",
        metavar="PATH",
        help="Folder of a model, or name of a packaged one (default: $SIREN_MODEL, else the packaged default).",
    ),
]


def default_output(source: str, suffix: str) -> str:
    """Return the default output of a command without `-o`.

    Args:
        source: The input: a path, or `-`.
        suffix: Suffix of the result, with its dot.

    Returns:
        The input's path with the new suffix; standard output if the input is standard input.
    """
    return STREAM if source == STREAM else os.path.splitext(source)[0] + suffix


def is_report_talk(outputs: list[str], *, as_json: bool) -> bool:
    """Return True if the report must be printed to standard error, since standard output carries a file's bytes.

    Args:
        outputs: Outputs of the command: paths, or `-`.
        as_json: True if the report is JSON.

    Returns:
        True if one of the outputs is standard output.

    Raises:
        UsageError: If two outputs are the same, or if JSON and a file's bytes would share standard output.
    """
    targets = [output if output == STREAM else os.path.realpath(output) for output in outputs]
    if len(set(targets)) < len(targets):
        raise UsageError(f"{outputs[0]}: is named as two outputs; give each of them its own path")
    if STREAM in targets and as_json:
        raise UsageError("--json and an output of - both ask for standard output; give the output a path")
    return STREAM in targets


def speed(duration_s: float, elapsed_s: float) -> str:
    """Format the speed of a run: elapsed time and real-time factor.

    Args:
        duration_s: Duration of the sound, s.
        elapsed_s: Time of the work, s.

    Returns:
        Text such as `2.000 s, 3.0 times real time`: seconds of sound per second of work.
    """
    return f"{elapsed_s:.3f} s, {duration_s / elapsed_s:.1f} times real time"
