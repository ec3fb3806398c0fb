"""Bytes from and to files, standard input and standard output; nothing is ever left half-written."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import BinaryIO

from siren_cli.errors import OutputExists, OutputUnwritable, SirenError, UsageError
from siren_cli.files.atomic import give_name, temporary_sibling

STREAM = "-"
"""The name that stands for standard input or standard output."""

_EXISTS = "exists already; give --force to replace it or another output with -o"
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
    with open_input(source, error_class) as stream:
        try:
            data = _read(stream, limit_bytes)
        except OSError as error:
            raise _unreadable(source, error, error_class) from error
    if limit_bytes is not None and len(data) > limit_bytes:
        raise error_class(f"{source}: more than {limit_bytes} bytes, no such file is that long; name another file")
    return data


def open_input(source: str, error_class: type[SirenError]) -> AbstractContextManager[BinaryIO]:
    """Opens a file, or standard input, for reading.

    Args:
        source: Path, or `STREAM`.
        error_class: What to raise when the source cannot be opened.

    Returns:
        A context manager for the stream; standard input stays open behind it.

    Raises:
        UsageError: If the source is standard input and that is a terminal.
        SirenError: Of `error_class`, if the source is missing, a folder or unreadable.
    """
    if source == STREAM:
        if sys.stdin is None or sys.stdin.isatty():
            found = "closed" if sys.stdin is None else "a terminal"
            raise UsageError(f"standard input is {found}, expected a file's bytes; pipe them in")
        return nullcontext(sys.stdin.buffer)
    require_file(source, error_class)
    try:
        return open(source, "rb")
    except OSError as error:
        raise _unreadable(source, error, error_class) from error


def is_file_from_its_start(stream: BinaryIO, read_bytes: int = 0) -> bool:
    """Whether a stream is a whole file on disk, and not a pipe, a device or the rest of a file.

    Args:
        stream: A stream from `open_input`.
        read_bytes: How much has been read from it.

    Returns:
        Whether it may be read again, from its beginning.
    """
    return stat.S_ISREG(os.fstat(stream.fileno()).st_mode) and stream.tell() == read_bytes


def _read(stream: BinaryIO, limit_bytes: int | None) -> bytes:
    """All of a stream, or a byte more than the limit."""
    if limit_bytes is None:
        return stream.read()
    # Python makes room for as much as is asked for, and most files are small.
    start = stream.read(min(limit_bytes + 1, _FIRST_READ_BYTES))
    return start + stream.read(limit_bytes + 1 - len(start)) if len(start) == _FIRST_READ_BYTES else start


def read_some(stream: BinaryIO, count: int) -> bytes:
    """Reads what is there, without waiting for more.

    Args:
        stream: A stream from `open_input`.
        count: Most bytes to read.

    Returns:
        At least one byte, as soon as there is one; none at the end.
    """
    data: bytes = getattr(stream, "read1", stream.read)(count)
    return data


def _unreadable(source: str, error: OSError, error_class: type[SirenError]) -> SirenError:
    return error_class(f"{source}: cannot be read ({reason_of(error)}); check its permissions")


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
        if sys.stdout is None:
            raise UsageError("standard output is closed, expected a file or a pipe; give -o PATH or pipe it on")
        if sys.stdout.isatty():
            raise UsageError("standard output is a terminal, expected a file or a pipe; give -o PATH or pipe it on")
        return
    if os.path.isdir(destination):
        raise OutputUnwritable(f"{destination}: is a folder, expected a file to write; name a file in it")
    if source != STREAM and os.path.exists(destination) and os.path.samefile(source, destination):
        raise UsageError(f"{destination}: is the input as well as the output; give another output with -o")
    if os.path.isfile(destination) and not force:
        raise OutputExists(f"{destination}: {_EXISTS}")
    folder = os.path.dirname(os.path.realpath(destination))
    if not os.path.isdir(folder):
        raise OutputUnwritable(f"{destination}: the folder {folder} does not exist; make it")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputUnwritable(f"{destination}: the folder {folder} is not writable; write elsewhere")


def write_bytes(destination: str, data: bytes, *, force: bool) -> None:
    """Writes a result to a file (see `Output`) or to standard output.

    Args:
        destination: Path, or `STREAM`.
        data: All bytes of the result.
        force: Whether an existing file may be replaced.

    Raises:
        UsageError: If the destination is standard output and that is a terminal.
        OutputExists: If the file exists and `force` is false.
        OutputUnwritable: If the bytes cannot be written.
    """
    write_pieces(destination, [data], force=force)


def write_pieces(destination: str, pieces: Iterable[bytes], *, force: bool) -> bytes:
    """Writes a result piece by piece, while it is made (see `Output`).

    Args:
        destination: Path, or `STREAM`.
        pieces: The bytes of the result.
        force: Whether an existing file may be replaced.

    Returns:
        All of them.

    Raises:
        UsageError: If the destination is standard output and that is a terminal.
        OutputExists: If the file exists and `force` is false.
        OutputUnwritable: If the bytes cannot be written.
    """
    require_writable(destination, force=force)
    written = []
    with Output(destination, replace=force) as output:
        for piece in pieces:
            output.write(piece)
            written.append(piece)
    return b"".join(written)


def write_bytes_atomic(destination: str, data: bytes, *, replace: bool = True) -> None:
    """Writes a file as a whole or not at all, see `Output`.

    Args:
        destination: Path.
        data: All bytes of the file.
        replace: Whether an existing file is replaced, even one that another process has written just now.

    Raises:
        OutputExists: If the file exists and `replace` is false.
        OutputUnwritable: If the bytes cannot be written.
    """
    with Output(destination, replace=replace) as output:
        output.write(data)


class Output:
    """A file that is written piece by piece and appears as a whole or not at all; to be used in a `with` statement.

    The pieces go into a temporary sibling that takes the name at the end, unless an error or an interruption ends the
    statement. A symbolic link is followed, so that it stays a link. A device, a named pipe and standard output cannot
    be replaced: each piece goes there at once.

    Args:
        destination: Path, or `STREAM`.
        replace: Whether an existing file is replaced, even one that another process has written meanwhile.

    Attributes:
        is_seekable: Whether `seek` leads back, so that earlier bytes can be written anew.
    """

    def __init__(self, destination: str, *, replace: bool = True) -> None:
        self._destination = destination
        self._replace = replace
        self._target = ""
        self._temporary: str | None = None
        self._start = 0
        self.is_seekable = False

    def __enter__(self) -> Output:
        """Opens the file.

        Raises:
            OutputUnwritable: If it cannot be opened.
        """
        try:
            self._file = self._open()
        except OSError as error:
            raise self._unwritable(error) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Gives the file its name, or removes it.

        Raises:
            OutputExists: If the file exists by now and must not be replaced.
            OutputUnwritable: If it cannot be finished.
        """
        try:
            if self._destination != STREAM:
                self._file.close()
            if self._temporary is not None and kind is None:
                give_name(self._temporary, self._target, replace=self._replace)
        except BrokenPipeError:
            raise
        except OSError as failure:
            if kind is None:
                raise self._unwritable(failure) from failure
        finally:
            if self._temporary is not None and os.path.exists(self._temporary):
                os.remove(self._temporary)

    def write(self, data: bytes) -> int:
        """Writes a piece.

        Args:
            data: Its bytes.

        Returns:
            How many they are.

        Raises:
            OutputUnwritable: If they cannot be written.
        """
        try:
            self._file.write(data)
            if self._temporary is None:
                self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._unwritable(error) from error
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Goes to a byte, counted from the first one written, of an output that `is_seekable`."""
        return self._file.seek(offset + (self._start if whence == os.SEEK_SET else 0), whence) - self._start

    def tell(self) -> int:
        """Bytes between the first one written and where the next one goes, of an output that `is_seekable`."""
        return self._file.tell() - self._start

    def _open(self) -> BinaryIO:
        if self._destination == STREAM:
            self.is_seekable = _is_rewritable(sys.stdout.buffer)
            self._start = sys.stdout.buffer.tell() if self.is_seekable else 0
            return sys.stdout.buffer
        self._target = os.path.realpath(self._destination)
        if os.path.exists(self._target) and not os.path.isfile(self._target):
            return open(self._target, "wb")
        self._temporary = temporary_sibling(self._target)
        self.is_seekable = True
        return open(self._temporary, "xb")

    def _unwritable(self, error: OSError) -> SirenError:
        if isinstance(error, FileExistsError):
            return OutputExists(f"{self._destination}: {_EXISTS}")
        if self._destination == STREAM:
            return OutputUnwritable(f"standard output cannot be written ({reason_of(error)}); free it")
        return OutputUnwritable(f"{self._destination}: cannot be written ({reason_of(error)}); write elsewhere")


def _is_rewritable(stream: BinaryIO) -> bool:
    """Whether a stream is a file that does not send every byte to its end."""
    try:
        import fcntl

        number = stream.fileno()
        return stat.S_ISREG(os.fstat(number).st_mode) and not fcntl.fcntl(number, fcntl.F_GETFL) & os.O_APPEND
    except (ImportError, OSError):  # no Unix, or no file at all
        return False


def reason_of(error: OSError) -> str:
    """What the operating system says is wrong, without the path.

    Args:
        error: The error.

    Returns:
        A few words in lower case.
    """
    return (error.strerror or str(error)).lower()
