"""Console: results on standard output, notes and errors on standard error."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from siren_cli.errors import OutputUnwritable

Rows = list[tuple[str, str]]


def show_rows(rows: Rows, *, as_talk: bool = False, blank_before: bool = False) -> None:
    """Print aligned lines of name and value.

    Args:
        rows: Names and values.
        as_talk: Print to standard error, if standard output carries the bytes of a file.
        blank_before: Print an empty line first.

    Raises:
        OutputUnwritable: If standard output cannot be written.
    """
    width = max(len(name) for name, _ in rows)
    text = "\n" * blank_before + "".join(f"{name:<{width}}  {value}\n" for name, value in rows)
    if as_talk:
        sys.stderr.write(text)
    else:
        _print(text)


def show_line(text: str) -> None:
    """Print one line to standard output.

    Args:
        text: The line.

    Raises:
        OutputUnwritable: If standard output cannot be written.
    """
    _print(f"{text}\n")


def show_json(facts: dict[str, Any]) -> None:
    """Print one JSON object on one line of standard output.

    Args:
        facts: Members of the object.

    Raises:
        OutputUnwritable: If standard output cannot be written.
    """
    import json

    _print(json.dumps(facts) + "\n")


def show_columns(columns: tuple[tuple[str, int], ...], cells: list[str], last: str, *, with_headings: bool) -> None:
    """Print one line of a long table at once, before the others are known.

    Args:
        columns: Headings and widths.
        cells: One for each column, aligned right.
        last: A cell of any width at the end, such as a path.
        with_headings: Print the headings first.

    Raises:
        OutputUnwritable: If standard output cannot be written.
    """
    lines = [[name for name, _ in columns] + ["file"]] if with_headings else []
    lines.append([*cells, last])
    for line in lines:
        aligned = [cell.rjust(width) for cell, (_, width) in zip(line[:-1], columns, strict=True)]
        _print("  ".join([*aligned, line[-1]]) + "\n")


def show_table(headings: list[str], rows: list[list[str]], footnotes: list[str]) -> None:
    """Print a table and lines below it; columns shrink to a terminal, and have their full width in a pipe.

    Args:
        headings: Headings of the columns; the first column has the names of the rows.
        rows: Cells.
        footnotes: Lines to print below.

    Raises:
        OutputUnwritable: If standard output cannot be written.
    """
    from io import StringIO

    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else 40 + 24 * len(headings)
    text = StringIO()
    Console(file=text, width=width, force_terminal=False, markup=False).print(table)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    _print("\n".join([*lines, *footnotes]) + "\n")


def note(text: str, *, quiet: bool) -> None:
    """Write a note to standard error.

    Args:
        text: One line.
        quiet: Write nothing.
    """
    if not quiet:
        sys.stderr.write(f"siren: note: {text}\n")


def progress_line(text: str, *, quiet: bool) -> None:
    """Write one line of progress to standard error.

    Args:
        text: One line.
        quiet: Write nothing.
    """
    if not quiet:
        sys.stderr.write(text + "\n")


def error(text: str) -> None:
    """Write an error to standard error, in one line.

    Args:
        text: What was found, what was expected, what to do; line breaks become spaces.
    """
    sys.stderr.write(f"siren: error: {' '.join(text.split())}\n")


def working(text: str, *, quiet: bool) -> AbstractContextManager[object]:
    """Show a spinner on a terminal.

    Args:
        text: Name of the work.
        quiet: Show nothing.

    Returns:
        A context manager for the time of the work.
    """
    if quiet or not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(text)


def _print(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as failure:
        raise OutputUnwritable(f"standard output cannot be written ({failure}); free its target") from failure
