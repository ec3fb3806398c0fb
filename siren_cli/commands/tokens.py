"""`siren tokens`: the indices of files as a table for research, and a table back to files. Sound alone needs torch."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from siren_cli.errors import OutputExists, SirenError, SrnUnreadable, UsageError, WeightsMissing
from siren_cli.terminal.console import error, note, show_json, show_rows
from siren_cli.terminal.options import (
    Device,
    DeviceOption,
    FilesFromOption,
    ForceOption,
    JsonOption,
    ModelOption,
    QuietOption,
    ThreadsOption,
)

if TYPE_CHECKING:
    from siren_cli.registry.entropy_model import Shelf
    from siren_cli.srn.token_row import TokenRow


class Target(str, Enum):
    """What a table is turned into."""

    SRN = "srn"
    WAV = "wav"


def tokens(
    sources: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(
            metavar="IN.srn|DIR...|TABLE", help="Files and folders of them; or a table: .npz, .jsonl or .parquet."
        ),
    ] = None,
    output: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--output",
            "-o",
            metavar="TABLE|DIR",
            help="Table to write: .npz, .jsonl, .parquet or - for JSON lines; or, for a table, a folder for its files.",
        ),
    ] = None,
    to: Annotated[Target, typer.Option("--to", help="What to make of a table's rows.")] = Target.SRN,
    files_from: FilesFromOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    model: ModelOption = None,
) -> None:
    """Turn .srn files into a table of their indices, or such a table back into .srn files or sound."""
    from siren_cli.registry.entropy_model import Shelf
    from siren_cli.srn.token_table import suffix_of

    given = sources or []
    if output is None:
        raise UsageError("tokens writes a table or a folder; name it with -o TABLE.jsonl or -o DIR")
    shelf = Shelf(model)
    tables = [source for source in given if source != "-" and suffix_of(source) is not None]
    if tables and (len(given) > 1 or files_from is not None):
        raise UsageError(f"{tables[0]}: is a table, expected it alone; give one table, or files and folders of .srn")
    if tables:
        status = _from_table(tables[0], output, to, shelf, (model, device.value, threads), force, as_json, quiet)
    else:
        status = _to_table(given, files_from, output, shelf, force, as_json, quiet)
    raise typer.Exit(status)


def _to_table(
    sources: list[str], files_from: str | None, output: str, shelf: Shelf, force: bool, as_json: bool, quiet: bool
) -> int:
    import os

    from siren_cli.files.finding import coded_files
    from siren_cli.files.streams import STREAM, require_writable, write_bytes
    from siren_cli.srn.token_row import row_of
    from siren_cli.srn.token_table import SUFFIXES, rows_to_bytes, suffix_of
    from siren_cli.terminal.options import is_report_talk

    suffix = suffix_of(output)
    if suffix is None:
        raise UsageError(f"{output}: the suffix names no table, expected {', '.join(SUFFIXES)}; give one of them")
    as_talk = is_report_talk([output], as_json=as_json)
    require_writable(output, force=force)
    rows: list[TokenRow] = []
    names: dict[str, str] = {}
    status = 0
    for found in coded_files(sources, files_from, SrnUnreadable, frozenset((".srn",))):
        try:
            if found.error is not None:
                raise found.error
            name = os.path.splitext(found.name)[0] if found.path != STREAM else "stdin"
            if name in names:
                raise UsageError(f"{found.path}: would be row {name}, as {names[name]} is; rename one of them")
            names[name] = found.path
            rows.append(row_of(name, _stream(found.path, shelf)))
        except SirenError as refused:
            error(str(refused))
            status = status or int(refused.exit_status)
    if not rows:
        return status
    write_bytes(output, rows_to_bytes(rows, suffix), force=force)
    _report(output, rows, 0, as_json=as_json, as_talk=as_talk, quiet=quiet)
    return status


def _stream(source: str, shelf: Shelf) -> Any:
    from siren_cli.srn.file import read_srn, refusal
    from siren_format.errors import FormatError
    from siren_format.header import parse_header
    from siren_format.stream import bytes_to_stream

    data = read_srn(source)
    try:
        model_id = parse_header(data)[0].model_id
        coding = shelf.find(model_id)
        if coding is None:
            raise WeightsMissing(f"{source}: needs model {model_id.hex()}, not at hand; give it with --model")
        return bytes_to_stream(data, model_id, coding.prior)
    except FormatError as found:
        raise refusal(source, found) from found


def _from_table(
    source: str,
    output: str,
    to: Target,
    shelf: Shelf,
    codec_settings: tuple[str | None, str, int | None],
    force: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    import os

    from siren_cli.batch.work import make_folder
    from siren_cli.files.streams import STREAM, write_bytes
    from siren_cli.srn.token_table import read_rows
    from siren_format.stream import stream_to_bytes

    if output == STREAM or (os.path.lexists(output) and not os.path.isdir(output)):
        raise UsageError(f"{output}: is no folder, expected one for the files of a table; give -o FOLDER")
    rows = read_rows(source)
    status = failed = 0
    for row in rows:
        destination = os.path.join(output, *row.path.split("/")) + f".{to.value}"
        try:
            coding = shelf.find(None if row.model_id is None else bytes.fromhex(row.model_id))
            if coding is None:
                raise WeightsMissing(f"{row.path}: needs model {row.model_id}, not at hand; give it with --model")
            make_folder(os.path.dirname(destination))
            if os.path.lexists(destination) and not force:
                raise OutputExists(f"{destination}: exists already; give --force to replace it")
            stream = row.stream(coding.model_id)
            if to == Target.SRN:
                write_bytes(destination, stream_to_bytes(stream, coding.prior), force=force)
            else:
                _write_sound(destination, stream, codec_settings, force=force)
        except SirenError as refused:
            error(str(refused))
            failed += 1
            status = status or int(refused.exit_status)
    _report(output, rows, failed, as_json=as_json, as_talk=False, quiet=quiet)
    return status


def _write_sound(destination: str, stream: Any, settings: tuple[str | None, str, int | None], *, force: bool) -> None:
    from siren_cli.audio.writing import write_audio
    from siren_cli.batch.work import codec_of
    from siren_cli.registry.manifest import model_for

    model, device, threads = settings
    codec = codec_of(model_for(stream.model_id.hex(), model), device, threads)
    coded = codec.coded(stream.indices, stream.voice, stream.sample_count, stream.source_rate_hz)
    write_audio(destination, codec.decode(coded), codec.sample_rate_hz, force=force)


def _report(output: str, rows: list[TokenRow], failed: int, *, as_json: bool, as_talk: bool, quiet: bool) -> None:
    frames = sum(len(row.indices) for row in rows)
    indices = sum(row.indices.size for row in rows)
    models = sorted({str(row.model_id) for row in rows if row.model_id})
    if len(models) > 1:
        note(f"the rows are of models whose indices mean different things: {' '.join(models)}", quiet=quiet)
    if as_json:
        show_json({"output": output, "rows": len(rows), "failed": failed, "frames": frames, "indices": indices,
                   "models": models})  # fmt: skip
    elif not quiet:
        rows_text = f"{len(rows)}, {failed} failed" if failed else f"{len(rows)}"
        show_rows([("rows", rows_text), ("frames", f"{frames}"), ("indices", f"{indices}")], as_talk=as_talk)
