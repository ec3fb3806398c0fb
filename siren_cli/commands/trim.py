"""`siren trim`: a `.srn` file with fewer stages. Needs the model's prior, not its networks, and no torch."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from siren_cli.errors import UsageError
from siren_cli.terminal.console import show_json, show_rows
from siren_cli.terminal.options import ForceOption, JsonOption, ModelOption, QuietOption, is_report_talk


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

    from siren_cli.files.streams import require_writable, write_bytes
    from siren_cli.srn.file import cost_rows, facts_of
    from siren_cli.srn.rewrite import take_apart

    if output is None:
        raise UsageError("trim writes a file beside the one it reads; name it with -o OUT.srn, or give -o -")
    as_talk = is_report_talk([output], as_json=as_json)
    require_writable(output, force=force, source=source)
    file = take_apart(source, model)
    if stages > file.stream.indices.shape[1]:
        raise UsageError(f"{source}: has 1 stage, {stages} were asked for; give --stages 1")
    trimmed = file.put_together(replace(file.stream, indices=file.stream.indices[:, :stages]))
    write_bytes(output, trimmed, force=force)

    facts = facts_of(trimmed)
    if as_json:
        show_json({"input": source, "output": output, "input_bytes": file.facts["file_bytes"], **facts})
    elif not quiet:
        stage_row = ("stages", f"{facts['stages']} of {file.facts['stages']}")
        show_rows([stage_row, *cost_rows(facts)], as_talk=as_talk)
