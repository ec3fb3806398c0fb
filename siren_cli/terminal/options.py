"""Options that several commands share, and what holds between them."""

from __future__ import annotations

import os
from enum import Enum
from typing import Annotated, Optional

import typer

from siren_cli.config import DEFAULT_EFFORT, MAX_EFFORT
from siren_cli.errors import UsageError
from siren_cli.files.streams import STREAM


class Device(str, Enum):
    """Where the networks run."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Profile(str, Enum):
    """What `siren encode` writes."""

    FILE = "file"
    PACKET = "packet"


class Engine(str, Enum):
    """Who does the work on many files."""

    LOCAL = "local"
    RAY = "ray"


AudioInput = Annotated[
    str, typer.Argument(metavar="IN", help="Recording: whatever soundfile reads, or - for standard input.")
]
ManyInputs = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Argument(
        metavar="IN...", help="Recordings (whatever soundfile reads), folders of them, or - for standard input."
    ),
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Of many files, leave those alone whose output is there and whole.")
]
FilesFromOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--files-from", metavar="LIST", help="File with one input a line, or NUL between them; - for standard input."
    ),
]
JobsOption = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--jobs", "-j", min=1, metavar="N", help="Processes for many files; one a core if not given."),
]
EngineOption = Annotated[Engine, typer.Option("--engine", help="Who does many files: this machine, or a Ray cluster.")]
RayAddressOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--ray-address", metavar="HOST:PORT", help="Running Ray cluster; one of this machine if not given."),
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
        help="Choose cheaper indices where they say almost the same: 0 never, 0.1 saves some 3 %, at most 1.",
    ),
]
EffortOption = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(
        "--effort",
        min=0,
        max=MAX_EFFORT,
        metavar="N",
        help=f"How many others to try in place of a frame's indices, for some that say more: {DEFAULT_EFFORT} if not "
        "given; 0 tries none, at a dozen times the speed.",
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", "-f", help="Replace the output if it exists.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print no report and no notes, only errors.")]
DeviceOption = Annotated[Device, typer.Option("--device", help="Where the networks run.")]
# Not every supported Typer can read `int | None`, hence Optional.
ThreadsOption = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--threads", min=1, metavar="N", help="CPU threads; torch decides if not given."),
]
ModelOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--model",
        metavar="PATH",
        help="Model's folder, or name of a packaged model; else $SIREN_MODEL, else the packaged default.",
    ),
]


def default_output(source: str, suffix: str) -> str:
    """Where a result goes if `-o` is not given.

    Args:
        source: The input: a path, or `-`.
        suffix: Suffix of the result, with its dot.

    Returns:
        The input's path with the other suffix; standard output if the input is standard input.
    """
    return STREAM if source == STREAM else os.path.splitext(source)[0] + suffix


def is_report_talk(outputs: list[str], *, as_json: bool) -> bool:
    """Whether the report has to go to standard error, because standard output carries a file's bytes.

    Args:
        outputs: Where the command's files go: paths, or `-`.
        as_json: Whether the report is to be JSON.

    Returns:
        Whether one of the outputs is standard output.

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
    """Says how fast something went.

    Args:
        duration_s: Duration of the sound, s.
        elapsed_s: Time it took, s.

    Returns:
        Both in words, as the real-time factor: how many seconds of sound a second of work did.
    """
    return f"{elapsed_s:.3f} s, {duration_s / elapsed_s:.1f} times real time"
