"""`siren trim`: a `.srn` file with fewer stages. Needs the model's tables and prior, not its networks, and no torch."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from siren_cli.console import show_json, show_rows
from siren_cli.errors import UsageError
from siren_cli.options import ForceOption, JsonOption, ModelOption, QuietOption, is_report_talk


def trim(
    source: Annotated[str, typer.Argument(metavar="IN.srn", help="File to trim, or - for standard input.")],
    output: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--output", "-o", metavar="OUT.srn", help="Where to write, - for standard output."),
    ] = None,
    stages: Annotated[int, typer.Option("--stages", min=1, max=2, help="Residual stages to keep.")] = 1,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    model: ModelOption = None,
) -> None:
    """Drop stage 2 of a .srn file, without decoding it to sound. Needs no torch."""
    from dataclasses import replace

    from siren_cli.files import require_writable, write_bytes
    from siren_cli.manifest import model_for
    from siren_cli.srn_file import cost_rows, facts_of, read_srn, refusal
    from siren_cli.weights import find_model, read_prior, read_tables
    from siren_format.errors import FormatError
    from siren_format.stream import bytes_to_stream, stream_to_bytes

    if output is None:
        raise UsageError("trim writes a file beside the one it reads; name it with -o OUT.srn, or give -o -")
    as_talk = is_report_talk([output], as_json=as_json)
    require_writable(output, force=force, source=source)
    data = read_srn(source)
    try:
        before = facts_of(data)
        files = find_model(model_for(str(before["model_id"]), model))
        tables, prior = read_tables(files.weights_path), read_prior(files.weights_path)
        stream = bytes_to_stream(data, tables, files.model_id, prior)
    except FormatError as error:
        raise refusal(source, error) from error
    if stages > stream.indices.shape[1]:
        raise UsageError(f"{source}: has 1 stage, {stages} were asked for; give --stages 1")
    trimmed = stream_to_bytes(replace(stream, indices=stream.indices[:, :stages]), tables, prior)
    write_bytes(output, trimmed, force=force)

    facts = facts_of(trimmed)
    if as_json:
        show_json({"input": source, "output": output, "input_bytes": before["file_bytes"], **facts})
    elif not quiet:
        stage_row = ("stages", f"{facts['stages']} of {before['stages']}")
        show_rows([stage_row, *cost_rows(facts)], as_talk=as_talk)
