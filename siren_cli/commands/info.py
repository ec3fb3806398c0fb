"""`siren info`: what a `.srn` file says of itself and what it costs. Needs no torch, and NumPy for `--bits` alone.

Imports no Typer either: all commands together take four times as long (`siren_cli.commands.app` declares the options).
"""

from __future__ import annotations

from os.path import isdir

from siren_cli import __version__
from siren_cli.errors import ExitStatus, SirenError
from siren_cli.srn.file import facts_of, read_srn, refusal, rows_of
from siren_cli.terminal.console import Rows, error, note, show_json, show_rows
from siren_format.errors import FormatError
from siren_format.packet_file import PACKET_FILE_MAGIC, PACKET_SUFFIX


def run_info(
    files: list[str],
    *,
    as_json: bool,
    quiet: bool,
    recursive: bool = False,
    bits: bool = False,
    packets: bool = False,
    model: str | None = None,
) -> int:
    """Prints the facts of every file; one that is refused does not keep the others from being shown.

    Args:
        files: Paths, or `-` for standard input.
        as_json: Whether to print one JSON object a line instead of text.
        quiet: Whether to leave out the note on standard error.
        recursive: Whether to look into folders, and print a line for each file, and totals.
        bits: Whether to decode the indices and tell where the bits went.
        packets: Whether to cut the indices into packets and tell what those cost.
        model: What the user gave with `--model`, for `bits` and `packets`.

    Returns:
        The exit status: that of the first file that was refused.
    """
    if recursive:
        from siren_cli.srn.listing import list_files

        return list_files(files, as_json=as_json)
    status = int(ExitStatus.OK)
    shown = 0
    for source in files:
        try:
            data = b"" if isdir(source) else read_srn(source)
            own_packets = _packets(source, data, bits=bits or packets)
            facts, rows = own_packets or _facts(source, data)
            more = _bits(source, data, model) if bits else None
            costs = _costs(source, data, model) if packets else None
        except SirenError as refused:
            error(str(refused))
            status = status or int(refused.exit_status)
            continue
        facts = {"file": source, **facts}
        if as_json:
            told = {} if more is None else {"bits": more[0]}
            show_json({**facts, **told} if costs is None else {**facts, **told, "as_packets": costs[0]})
        else:
            further = [*(more[1] if more else ()), *(costs[1] if costs else ())]
            show_rows([("file", source), *rows, *further], blank_before=shown > 0)
        shown += 1
    if shown and __version__.startswith("0."):
        note(f"this is SIREN {__version__}; before 1.0 the format and the models may change", quiet=quiet)
    return status


def _facts(source: str, data: bytes) -> tuple[dict[str, object], Rows]:
    try:
        facts = facts_of(data)
    except FormatError as found:
        raise refusal(source, found) from found
    return facts, rows_of(facts)


def _packets(source: str, data: bytes, *, bits: bool) -> tuple[dict[str, object], Rows] | None:
    """What packets say of themselves; None if it is something else."""
    if data and not data.startswith(PACKET_FILE_MAGIC) and not source.endswith(PACKET_SUFFIX):
        return None
    from siren_cli.packets.files import is_packets, packet_file_facts, packet_file_rows, refuse_bits

    if not is_packets(source, data):
        return None
    if bits:
        raise refuse_bits(source)
    try:
        facts = packet_file_facts(source, data)
    except FormatError as found:
        raise refusal(source, found) from found
    return facts, packet_file_rows(facts)


def _bits(source: str, data: bytes, model: str | None) -> tuple[dict[str, object], Rows]:
    """The bits as facts and as lines."""
    from siren_cli.srn.bits import bit_facts, bit_rows

    try:
        facts = bit_facts(data, model)
    except FormatError as found:
        raise refusal(source, found) from found
    return facts, bit_rows(facts)


def _costs(source: str, data: bytes, model: str | None) -> tuple[list[dict[str, object]], Rows]:
    """The cost as packets, as facts and as lines."""
    from siren_cli.packets.costs import packet_cost_facts, packet_cost_rows

    try:
        facts = packet_cost_facts(data, model)
    except FormatError as found:
        raise refusal(source, found) from found
    return facts, packet_cost_rows(facts)
