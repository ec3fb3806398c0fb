"""Bytes from and to files, standard input and standard output; nothing is ever left half-written."""

from __future__ import annotations

import os
import sys
import time

from siren_cli.errors import OutputExists, OutputUnwritable, SirenError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

STREAM = "-"
"""The name that stands for standard input or standard output."""

_TEMPORARY = (".siren-", ".tmp")
_LEFTOVER_S = 3_600
_FIRST_READ_BYTES = 2**16


def read_bytes(source: str, error_class: type[SirenError], *, limit_bytes: int | None = None) -> bytes:
    """Reads a whole file or all of standard input.

    Args:
        source: Path, or `STREAM`.
        error_class: What to raise when the source cannot be read.
        limit_bytes: Most that a source of this kind can hold; None for no limit.

    Returns:
        The bytes.

    Raises:
        UsageError: If the source is standard input and that is a terminal.
        SirenError: Of `error_class`, if the source is missing, a folder, unreadable or over the limit.
    """
    if source == STREAM:
        if sys.stdin.isatty():
            raise UsageError("standard input is a terminal, expected a file's bytes; pipe them in")
        data = _read(sys.stdin.buffer, limit_bytes)
    else:
        require_file(source, error_class)
        try:
            with open(source, "rb") as file:
                data = _read(file, limit_bytes)
        except OSError as error:
            raise error_class(
                f"{source}: cannot be read ({reason_of(error)}); check its permissions"
            ) from error
    if limit_bytes is not None and len(data) > limit_bytes:
        raise error_class(
            f"{source}: more than {limit_bytes} bytes, no such file is that long; name another file"
        )
    return data


def require_file(source: str, error_class: type[SirenError]) -> None:
    """Refuses a path that is missing or a folder.

    Args:
        source: Path.
        error_class: What to raise.

    Raises:
        SirenError: Of `error_class`, if there is no file at the path.
    """
    if os.path.isdir(source):
        raise error_class(f"{source}: is a folder, expected a file; name a file in it")
    if not os.path.exists(source):
        raise error_class(f"{source}: no such file; check the path")


def require_writable(destination: str, *, force: bool, source: str = STREAM) -> None:
    """Refuses, before any work is done, an output that could not or must not be written.

    Args:
        destination: Path, or `STREAM`.
        force: Whether an existing file may be replaced.
        source: The input, which must not be the output.

    Raises:
        UsageError: If the output is the input, or is standard output and that is a terminal.
        OutputExists: If the output exists and `force` is false.
        OutputUnwritable: If the output is a folder or its folder is missing or closed to us.
    """
    if destination == STREAM:
        if sys.stdout.isatty():
            raise UsageError(
                "standard output is a terminal, expected a file or a pipe; give -o PATH or pipe it on"
            )
        return
    if os.path.isdir(destination):
        raise OutputUnwritable(f"{destination}: is a folder, expected a file to write; name a file in it")
    if source != STREAM and os.path.exists(destination) and os.path.samefile(source, destination):
        raise UsageError(f"{destination}: is the input as well as the output; give another output with -o")
    if os.path.isfile(destination) and not force:
        raise OutputExists(
            f"{destination}: exists already; give --force to replace it or another output with -o"
        )
    folder = _folder_of(destination)
    if not os.path.isdir(folder):
        raise OutputUnwritable(f"{destination}: the folder {folder} does not exist; make it")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputUnwritable(f"{destination}: the folder {folder} is not writable; write elsewhere")


def write_bytes(destination: str, data: bytes, *, force: bool) -> None:
    """Writes a result to a file (see `write_bytes_atomic`) or to standard output.

    Args:
        destination: Path, or `STREAM`.
        data: All bytes of the result.
        force: Whether an existing file may be replaced.

    Raises:
        UsageError: If the destination is standard output and that is a terminal.
        OutputExists: If the file exists and `force` is false.
        OutputUnwritable: If the bytes cannot be written.
    """
    require_writable(destination, force=force)
    if destination != STREAM:
        write_bytes_atomic(destination, data, replace=force)
        return
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputUnwritable(f"standard output cannot be written ({reason_of(error)}); free it") from error


def write_bytes_atomic(destination: str, data: bytes, *, replace: bool = True) -> None:
    """Writes a file as a whole or not at all: into a temporary sibling that then takes the name.

    A symbolic link is followed, so that it stays a link. A device or a named pipe cannot be replaced and is
    written directly.

    Args:
        destination: Path.
        data: All bytes of the file.
        replace: Whether an existing file is replaced, even one that another process has written just now.

    Raises:
        OutputExists: If the file exists and `replace` is false.
        OutputUnwritable: If the bytes cannot be written.
    """
    target = os.path.realpath(destination)
    try:
        if os.path.exists(target) and not os.path.isfile(target):
            with open(target, "wb") as file:
                file.write(data)
        else:
            _put(target, data, replace=replace)
    except BrokenPipeError:
        raise
    except FileExistsError as error:
        raise OutputExists(
            f"{destination}: exists already; give --force to replace it or another output with -o"
        ) from error
    except OSError as error:
        raise OutputUnwritable(
            f"{destination}: cannot be written ({reason_of(error)}); write elsewhere"
        ) from error


def reason_of(error: OSError) -> str:
    """What the operating system says is wrong, without the path.

    Args:
        error: The error.

    Returns:
        A few words in lower case.
    """
    return (error.strerror or str(error)).lower()


def remove_leftovers(folder: str) -> int:
    """Removes temporary files that a killed process has left: those that nobody has written to for an hour.

    Args:
        folder: Path of a folder that `write_bytes_atomic` has written to; its subfolders are not looked at.

    Returns:
        How many were removed.
    """
    removed = 0
    try:
        with os.scandir(folder) as entries:
            names = [entry.path for entry in entries if _is_temporary(entry.name)]
    except OSError:
        return 0
    for path in names:
        try:
            if time.time() - os.lstat(path).st_mtime > _LEFTOVER_S:
                os.remove(path)
                removed += 1
        except OSError:  # gone by now, or not ours to remove
            continue
    return removed


def _read(file: BinaryIO, limit_bytes: int | None) -> bytes:
    """All of a file, or a byte more than the limit."""
    if limit_bytes is None:
        return file.read()
    # Python makes room for as much as is asked for, and most files are small.
    data = file.read(min(limit_bytes + 1, _FIRST_READ_BYTES))
    return data if len(data) < _FIRST_READ_BYTES else data + file.read(limit_bytes + 1 - len(data))


def _is_temporary(name: str) -> bool:
    first, last = _TEMPORARY
    return len(name) == len(first) + 12 + len(last) and name.startswith(first) and name.endswith(last)


def _put(target: str, data: bytes, *, replace: bool) -> None:
    temporary = os.path.join(os.path.dirname(target), f"{_TEMPORARY[0]}{os.urandom(6).hex()}{_TEMPORARY[1]}")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
        if replace or not _linked(temporary, target):
            os.replace(temporary, target)
        else:
            os.remove(temporary)
    except BaseException:  # an interruption, too, must leave no temporary file; it is raised again
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


def _linked(temporary: str, target: str) -> bool:
    """Gives a file a second name that must be new, which renaming cannot promise; False where there are no links."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def _folder_of(destination: str) -> str:
    return os.path.dirname(os.path.realpath(destination))
