"""`siren info`: what a `.srn` file says of itself and what it costs. Needs no torch and no NumPy.

Imports no Typer either, which alone would take three times as long (`siren_cli.main` declares the options).
"""

from __future__ import annotations

from siren_cli import __version__
from siren_cli.console import error, note, show_json, show_rows
from siren_cli.errors import ExitStatus, SirenError
from siren_cli.srn_file import facts_of, read_srn, refusal, rows_of
from siren_format.errors import FormatError


def run_info(files: list[str], *, as_json: bool, quiet: bool) -> int:
    """Prints the facts of every file; one that is refused does not keep the others from being shown.

    Args:
        files: Paths, or `-` for standard input.
        as_json: Whether to print one JSON object a line instead of text.
        quiet: Whether to leave out the note on standard error.

    Returns:
        The exit status: that of the first file that was refused.
    """
    status = int(ExitStatus.OK)
    shown = 0
    for source in files:
        try:
            facts = {"file": source, **_facts(source)}
        except SirenError as refused:
            error(str(refused))
            status = status or int(refused.exit_status)
            continue
        if as_json:
            show_json(facts)
        else:
            show_rows([("file", source), *rows_of(facts)], blank_before=shown > 0)
        shown += 1
    if shown and __version__.startswith("0."):
        note(f"this is SIREN {__version__}; before 1.0 the format and the models may change", quiet=quiet)
    return status


def _facts(source: str) -> dict[str, object]:
    data = read_srn(source)
    try:
        return facts_of(data)
    except FormatError as found:
        raise refusal(source, found) from found
