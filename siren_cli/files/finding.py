"""The files that a command line names: paths, folders, lists. Standard library only."""

from __future__ import annotations

import codecs
import glob
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from siren_cli.errors import SirenError, UsageError
from siren_cli.files.streams import STREAM, read_bytes, reason_of

AUDIO_SUFFIXES = frozenset(
    (".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf")
    + (".w64", ".rf64", ".sph")
)
"""What is taken for a recording in a folder; a file that is named outright may have any suffix."""

CODED_SUFFIXES = frozenset((".srn", ".srp"))
"""What is taken for a coded recording in a folder."""


@dataclass(frozen=True)
class Found:
    """An input: its path, and its name below the output's folder; or what is wrong with it."""

    path: str
    name: str
    error: SirenError | None = None


def read_list(source: str, error_class: type[SirenError]) -> list[str]:
    """Reads a list of paths, as `find` prints it: one a line, or each ended by a NUL (`find -print0`).

    Args:
        source: Path of the list, or `-` for standard input.
        error_class: What to raise if it cannot be read.

    Returns:
        The paths, without empty ones. A path holds no NUL, so one NUL says which of the two forms it is. Lists of
        Windows may begin with a byte order mark, end lines with CR LF, and be UTF-16, as PowerShell writes them.

    Raises:
        UsageError: If the list is empty, or is standard input and that is a terminal.
        SirenError: Of `error_class`, if the list cannot be read.
    """
    paths = [os.fsdecode(line) for line in _lines_of(read_bytes(source, error_class)) if line]
    if not paths:
        what = "standard input" if source == STREAM else source
        raise UsageError(f"{what}: lists no files, expected one path a line; check what wrote the list")
    return paths


def _lines_of(data: bytes) -> list[bytes]:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = data.decode("utf-16", errors="surrogatepass").encode("utf-8", errors="surrogatepass")
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\0" in data:
        return data.split(b"\0")
    return [line.removesuffix(b"\r") for line in data.split(b"\n")]


def expand_patterns(words: list[str]) -> list[str]:
    """Replaces wildcards by the paths they match, which shells of Windows leave to the program.

    Args:
        words: A command line. Options, and patterns that match nothing or name a file, stay as they are.

    Returns:
        The words, the matches of a pattern in the order of their names.
    """
    expanded: list[str] = []
    for word in words:
        is_pattern = not word.startswith("-") and glob.has_magic(word) and not os.path.exists(word)
        expanded += (sorted(glob.glob(word)) if is_pattern else []) or [word]
    return expanded


def name_of_listed(path: str) -> str:
    """Where a path of a list goes below the output's folder: as it lies below the working folder or, outside of that,
    as it lies below the root, so that no list leads out of the output's folder.

    Args:
        path: A path, absolute or not.

    Returns:
        A relative path without `..`.
    """
    absolute = os.path.abspath(path)
    below = os.path.relpath(absolute)
    if below.split(os.sep)[0] != os.pardir:
        return below
    return os.path.splitdrive(absolute)[1].lstrip(os.sep)


def named(paths: Iterable[str], suffixes: frozenset[str], error_class: type[SirenError]) -> Iterator[Found | None]:
    """Yields the inputs that a command line names: files as they are, folders as what lies in them.

    Args:
        paths: Files and folders.
        suffixes: Of the files in folders that are inputs.
        error_class: What is wrong with a folder that cannot be read.

    Yields:
        Inputs; None for a file in a folder that is of another kind.
    """
    for path in paths:
        if os.path.isdir(path):
            yield from _walk(path, suffixes, error_class)
        else:
            yield Found(path, os.path.basename(path))


def coded_files(
    sources: Iterable[str],
    files_from: str | None,
    error_class: type[SirenError],
    suffixes: frozenset[str] = CODED_SUFFIXES,
) -> Iterator[Found]:
    """Yields the coded files of a command line, for commands that only read them.

    Args:
        sources: Files, folders, or `-`.
        files_from: Path of a list, or `-`; None for none.
        error_class: What is wrong with a folder, a list or nothing at all.
        suffixes: Of the files in folders that are taken.

    Yields:
        Files; as many as there are, but at least one.

    Raises:
        UsageError: If nothing is named.
        SirenError: Of `error_class`, if there is no file in what is named.
    """
    sources = list(sources)
    if not sources and files_from is None:
        raise UsageError("no input given, expected files, folders, - or --files-from; name one, see --help")
    paths = [] if files_from is None else read_list(files_from, error_class)
    listed = [Found(path, name_of_listed(path)) for path in paths]
    is_empty = True
    for found in (*named(sources, suffixes, error_class), *listed):
        if found is not None:
            is_empty = False
            yield found
    if is_empty:
        kinds = " or ".join(sorted(suffixes))
        raise error_class(f"{', '.join(sources)}: no {kinds} file there, expected one; check the path")


def holds_coded_files(folder: str) -> bool:
    """Tells a tree of `.srn` and `.srp` files from a folder of packets, which has none of them at any depth.

    Args:
        folder: Path.

    Returns:
        Whether there is one.
    """
    return any(found is not None and found.error is None for found in _walk(folder, CODED_SUFFIXES, UsageError))


def _walk(folder: str, suffixes: frozenset[str], error_class: type[SirenError]) -> Iterator[Found | None]:
    """Walks a tree in the order of its names. Hidden files and folders are left out, as is a link that leads back
    to a folder it lies in; other links are followed.
    """
    pending: list[tuple[str, str, frozenset[tuple[int, int]]]] = [(folder, "", frozenset())]
    while pending:
        path, name, above = pending.pop()
        try:
            status = os.stat(path)
            with os.scandir(path) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            refused = error_class(f"{path}: cannot be read ({reason_of(error)}); check its permissions")
            yield Found(path, name, refused)
            continue
        here = above | {(status.st_dev, status.st_ino)}
        folders = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            below = os.path.join(name, entry.name)
            mode = _mode_of(entry)
            if mode is not None and stat.S_ISDIR(mode):
                if not entry.is_symlink() or _identity(entry.path) not in here:
                    folders.append((entry.path, below, here))
            elif os.path.splitext(entry.name)[1].lower() not in suffixes:
                yield None
            elif mode is None or stat.S_ISREG(mode):  # a link to nowhere is an input that turns out to be missing
                yield Found(entry.path, below)
            else:
                yield None
        pending.extend(reversed(folders))


def _mode_of(entry: os.DirEntry[str]) -> int | None:
    """Mode of what an entry leads to; None if that is not there or, by a loop of links, nothing."""
    try:
        return entry.stat().st_mode
    except OSError:
        return None


def _identity(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino
