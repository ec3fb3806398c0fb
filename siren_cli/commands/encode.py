"""`siren encode`: a recording to a `.srn` file."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from siren_cli.console import note, show_json, show_rows, working
from siren_cli.options import (
    AudioInput,
    Device,
    DeviceOption,
    ForceOption,
    JsonOption,
    ModelOption,
    QuietOption,
    StagesOption,
    ThreadsOption,
    default_output,
    is_report_talk,
    speed,
)


def encode(
    source: AudioInput,
    output: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--output",
            "-o",
            metavar="OUT.srn",
            help="Where to write, - for standard output; IN with the suffix .srn if not given.",
        ),
    ] = None,
    stages: StagesOption = 1,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    model: ModelOption = None,
) -> None:
    """Encode a recording to a .srn file."""
    from time import perf_counter

    from siren_cli.files import require_writable, write_bytes

    destination = default_output(source, ".srn") if output is None else output
    as_talk = is_report_talk([destination], as_json=as_json)
    require_writable(destination, force=force, source=source)

    from siren_cli.audio import conversion_notes, read_audio
    from siren_cli.srn_file import cost_rows, facts_of

    wav, rate_hz = read_audio(source)
    for text in conversion_notes(wav, rate_hz):
        note(text, quiet=quiet)

    from siren_cli.codec import load_codec

    with working("encoding", quiet=quiet):
        codec = load_codec(model, device=device.value, threads=threads)
        started_s = perf_counter()
        data = codec.encode(wav, rate_hz, stages=stages).to_bytes()
        elapsed_s = perf_counter() - started_s
    write_bytes(destination, data, force=force)

    facts = facts_of(data)
    duration_s = float(facts["duration_s"])
    if as_json:
        timing = {"encode_s": elapsed_s, "encode_real_time_factor": duration_s / elapsed_s}
        show_json({"input": source, "output": destination, **facts, **timing})
    elif not quiet:
        rows = [
            ("duration", f"{duration_s:.3f} s"),
            *cost_rows(facts),
            ("encoding", speed(duration_s, elapsed_s)),
        ]
        show_rows(rows, as_talk=as_talk)
