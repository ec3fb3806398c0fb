"""`siren verify`: whether coded files are sound, as far as that can be told without making sound. Needs no torch."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Optional

import typer

from siren_cli.errors import SrnUnreadable
from siren_cli.terminal.console import error, note, show_json, show_rows
from siren_cli.terminal.options import FilesFromOption, JsonOption, ModelOption, QuietOption


def verify(
    sources: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(metavar="FILE|DIR...", help="Files, folders of them, or - for standard input."),
    ] = None,
    files_from: FilesFromOption = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Structure and parity only: thousands of files a second, no model needed.")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    model: ModelOption = None,
) -> None:
    """Check .srn files: structure and parity, and the check over their indices where their model is at hand."""
    from time import perf_counter

    from siren_cli.files.finding import coded_files
    from siren_cli.srn.verify import Checker

    started_s = perf_counter()
    checker = Checker(model, fast=fast)
    status = 0
    counts: Counter[str] = Counter()
    for found in coded_files(sources or [], files_from, SrnUnreadable):
        if found.error is None:
            facts = checker.check(found.path).facts
        else:
            facts = {"file": found.path, "status": "refused", "error": str(found.error), "exit_status": 3}
        if facts["status"] == "sound":
            counts[facts["checked"]] += 1
        else:
            counts["refused"] += 1
            status = status or int(facts["exit_status"])
            error(facts["error"])
        if as_json:
            show_json(facts)
    elapsed_s = perf_counter() - started_s
    if counts["structure"] and not fast:
        note(
            f"of {counts['structure']} files only the structure was checked, because their model is not at hand; "
            "give --model to check their indices",
            quiet=quiet,
        )
    total = counts.total()
    if as_json:
        show_json({"summary": {"files": total, "sound": total - counts["refused"], "refused": counts["refused"],
                               "indices_checked": counts["indices"], "elapsed_s": elapsed_s,
                               "files_per_second": total / elapsed_s}})  # fmt: skip
    elif not quiet:
        show_rows([
            ("files", f"{total}: {total - counts['refused']} sound, {counts['refused']} refused"),
            ("checked", f"{counts['indices']} with their indices, {counts['structure']} by structure and parity"),
            ("speed", f"{elapsed_s:.2f} s, {total / elapsed_s:.0f} files a second"),
        ])  # fmt: skip
    raise typer.Exit(status)
