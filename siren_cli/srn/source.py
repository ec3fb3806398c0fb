"""Where `siren decode` gets its bytes from: a file as a whole, or a pipe as it is decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from siren_cli.errors import SrnUnreadable
from siren_cli.files.streams import is_file_from_its_start, open_input, read_some, reason_of
from siren_cli.srn.file import MAX_FILE_BYTES
from siren_format.errors import FormatError
from siren_format.header import parse_header
from siren_format.limits import MAX_HEADER_BYTES

_PIECE_BYTES = 2**16


class SrnSource:
    """A `.srn` file, or one of packets, that is open to be read.

    Args:
        source: Path, or `-`.
        stream: The rest of it.
        data: What has been read.
        is_live: Whether there is a rest.

    Attributes:
        data: Its bytes: all of them, or if `is_live` those that `pieces` has given, at first the header.
        is_live: Whether it is a long file out of a pipe, more of which may still be made.
    """

    def __init__(self, source: str, stream: BinaryIO, data: bytes, *, is_live: bool) -> None:
        self.data = data
        self.is_live = is_live
        self._source = source
        self._stream = stream

    def pieces(self) -> Iterator[bytes]:
        """Yields the bytes from the beginning, as they come.

        Raises:
            SrnUnreadable: If the pipe breaks.
        """
        yield self.data
        while self.is_live and (piece := _read(self._source, lambda: read_some(self._stream, _PIECE_BYTES))):
            self.data += piece
            yield piece


@contextmanager
def open_srn(source: str, *, is_whole: bool) -> Iterator[SrnSource]:
    """Opens a `.srn` file, or standard input.

    Args:
        source: Path, or `-`.
        is_whole: Whether to read even a long file out of a pipe to its end before anything is done.

    Yields:
        The source.

    Raises:
        SrnUnreadable: If there is no such file, it cannot be read, or no `.srn` file is that long.
        UsageError: If the source is standard input and that is a terminal.
    """
    with open_input(source, SrnUnreadable) as stream:
        data = _read(source, lambda: stream.read(MAX_HEADER_BYTES))
        is_live = not is_whole and _is_grouped(data) and not is_file_from_its_start(stream, len(data))
        if not is_live:
            data += _read(source, lambda: stream.read(MAX_FILE_BYTES + 1 - MAX_HEADER_BYTES))
            if len(data) > MAX_FILE_BYTES:
                raise SrnUnreadable(
                    f"{source}: more than {MAX_FILE_BYTES} bytes, no such file is that long; name another file"
                )
        yield SrnSource(source, stream, data, is_live=is_live)


def _is_grouped(start: bytes) -> bool:
    try:
        return parse_header(start)[0].grouped
    except FormatError:  # it is refused, with what is wrong, when it is decoded
        return False


def _read(source: str, read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except OSError as error:
        raise SrnUnreadable(f"{source}: cannot be read ({reason_of(error)}); check its permissions") from error
