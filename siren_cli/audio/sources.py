"""Sources of samples: files that soundfile reads, and bare samples. `siren_cli.audio.reading` opens them."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from siren_cli.audio.containers import PatchedFile, read_container
from siren_cli.audio.foreign import HEAD_BYTES, conversion_advice, kind_of
from siren_cli.audio.links import is_mp3, ogg_is_whole, starts_of
from siren_cli.audio.pcm import RawAudio, bytes_to_samples
from siren_cli.audio.wav_header import read_wav_header
from siren_cli.errors import AudioEmpty, AudioUnreadable
from siren_cli.files.streams import is_file_from_its_start, open_input, read_some, reason_of

_BLOCK_FRAMES = 2**17
_PIPE_BYTES = 2**16
_UNKNOWN_FRAMES = 2**62
_OPENING = re.compile(r"Error opening <.*?>: ")


class Backend(Protocol):
    """Gives a recording's samples from its beginning to its end.

    Attributes:
        rate_hz: Sample rate.
        channels: Channels.
        can_rewind: Whether it can be read twice.
        notes: What was odd about it, as far as it was read, one line each.
    """

    rate_hz: int
    channels: int
    can_rewind: bool
    notes: list[str]

    def read(self) -> NDArray[np.float32]:
        """The next samples [T, C]; none at the end."""

    def rewind(self) -> None:
        """Goes back to the beginning."""


class _SoundFile(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read to its end, however many samples its header promises."""

    def seekable(self) -> bool:
        """Says no, so that soundfile asks libsndfile for samples until there are none."""
        return False


class SoundFileBackend:
    """A file that soundfile reads, or several recordings one behind another in one file.

    Args:
        stream: The file.
        what: Its name in messages.

    Raises:
        AudioUnreadable: If it is not audio.
    """

    can_rewind = True

    def __init__(self, stream: BinaryIO, what: str) -> None:
        self._stream, self._what = stream, what
        end = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        self._head = stream.read(HEAD_BYTES)
        self._is_mp3 = is_mp3(self._head)
        self._starts = starts_of(stream, end, read_container(stream, 0, end))
        self._ends = [*self._starts[1:], end]
        self.notes: list[str] = []
        self._part = self._count = 0
        self._file = self._open(0)
        self.rate_hz, self.channels = int(self._file.samplerate), int(self._file.channels)

    def read(self) -> NDArray[np.float32]:
        """The next samples [T, C]; none at the end."""
        while True:
            try:
                with _quiet(self._is_mp3):
                    block: NDArray[np.float32] = self._file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, OSError) as error:
                raise self._unreadable(error) from error
            self._count += len(block)
            if len(block):
                return block
            self._end_part()
            if self._part + 1 == len(self._starts):
                return block
            self._file.close()
            following = self._open(self._part + 1)
            if (following.samplerate, following.channels) != (self.rate_hz, self.channels):
                following.close()
                self._note(
                    f"another recording of other rate or channels begins at byte {self._ends[self._part]}; split it"
                )
                self._part = len(self._starts) - 1
                return block
            self._file, self._part, self._count = following, self._part + 1, 0

    def rewind(self) -> None:
        """Goes back to the beginning."""
        self._file.close()
        self._file = self._open(0)
        self._part = self._count = 0

    def close(self) -> None:
        """Closes what soundfile has open."""
        self._file.close()

    def _open(self, part: int) -> soundfile.SoundFile:
        start, end = self._starts[part], self._ends[part]
        self._container = read_container(self._stream, start, end)
        patches = {} if self._container is None else self._container.patches
        try:
            with _quiet(self._is_mp3):
                return _SoundFile(PatchedFile(self._stream, patches, start, end))
        except (soundfile.SoundFileError, OSError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> AudioUnreadable:
        kind = kind_of(self._head)
        reason = _OPENING.sub("", " ".join(str(error).split())).removeprefix("Error : ").rstrip(".")
        found = f"not readable as audio ({reason})" if kind is None else f"is {kind}, expected what libsndfile reads"
        return AudioUnreadable(f"{self._what}: {found}; {conversion_advice(self._what, self._head)}")

    def _end_part(self) -> None:
        """Compares what was read with what the header promises."""
        promised = self._file.frames
        found = self._container
        if found is not None and found.promised_bytes is not None and 0 < found.data_bytes < found.promised_bytes:
            frame_bytes = max(1, found.data_bytes // max(1, self._count))  # part of a sample may be left at the end
            promised = found.promised_bytes // frame_bytes
        if self._count < promised < _UNKNOWN_FRAMES:
            self._note(shortfall(self._count, promised, self.rate_hz))
        elif self._file.format == "OGG" and not ogg_is_whole(self._stream, self._ends[self._part]):
            self._note(f"ends after {self._count / self.rate_hz:.3f} s without the page that is marked as its last")

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def shortfall(count: int, promised: int, rate_hz: int) -> str:
    """The note on a recording that is shorter than its header says.

    Args:
        count: Samples that are there.
        promised: Samples that the header promises.
        rate_hz: Sample rate.
    """
    return f"ends after {count / rate_hz:.3f} s of the {promised / rate_hz:.3f} s that its header promises"


@contextmanager
def _quiet(is_mp3: bool) -> Iterator[None]:
    """Keeps lines that libmpg123 prints about damaged files off the terminal."""
    try:
        kept = os.dup(2) if is_mp3 else None
    except OSError:  # standard error is closed
        kept = None
    if kept is None:
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


class PcmBackend:
    """Bare samples, from a file or from a pipe that gives them when they are made.

    Args:
        stream: Stands before the first sample.
        audio: What the samples are.
        data_bytes: How many bytes belong to them; None for all.
        can_rewind: Whether the stream is a file.
    """

    def __init__(self, stream: BinaryIO, audio: RawAudio, data_bytes: int | None = None, *, can_rewind: bool) -> None:
        self.rate_hz, self.channels, self.can_rewind = audio.rate_hz, audio.channels, can_rewind
        self._stream = stream
        self._pcm = audio.pcm
        self._start = stream.tell() if can_rewind else 0
        self._data_bytes = self._left_bytes = sys.maxsize if data_bytes is None else data_bytes
        self._rest = b""
        self._frames = 0
        self.notes: list[str] = []

    def read(self) -> NDArray[np.float32]:
        """The next samples [T, C] as soon as there are some; none at the end, where part of a sample is left out."""
        frame_bytes = self._pcm.size_bytes * self.channels
        while self._left_bytes and (data := read_some(self._stream, min(self._left_bytes, _PIPE_BYTES))):
            self._left_bytes -= len(data)
            self._rest += data
            whole = len(self._rest) // frame_bytes * frame_bytes
            if whole:
                samples = bytes_to_samples(self._rest[:whole], self._pcm)
                self._rest = self._rest[whole:]
                self._frames += whole // frame_bytes
                return samples.reshape(-1, self.channels)
        promised = self._data_bytes // frame_bytes
        if self._frames < promised and self._data_bytes != sys.maxsize:
            self.notes = [shortfall(self._frames, promised, self.rate_hz)]
        return np.zeros((0, self.channels), np.float32)

    def rewind(self) -> None:
        """Goes back to the first sample."""
        self._stream.seek(self._start)
        self._left_bytes, self._rest, self._frames = self._data_bytes, b"", 0


@contextmanager
def open_backend(source: str, what: str, raw: RawAudio | None) -> Iterator[Backend]:
    """Opens a recording.

    A WAV stream and bare samples from a pipe are read as they come. Any other format from a pipe is first copied to a
    temporary file, because its reader has to look back and forth.

    Args:
        source: Path, or `-` for standard input.
        what: Its name in messages.
        raw: What the samples are, if they come without a header.

    Yields:
        The backend.

    Raises:
        AudioUnreadable: If the source is missing, a folder, or not audio.
        AudioEmpty: If it holds no bytes.
        UsageError: If the source is standard input and that is a terminal.
    """
    with ExitStack() as stack:
        stream: BinaryIO = stack.enter_context(open_input(source, AudioUnreadable))
        is_file = is_file_from_its_start(stream)
        if is_file and os.fstat(stream.fileno()).st_size == 0:
            raise _empty(what)
        if raw is not None:
            yield PcmBackend(stream, raw, can_rewind=is_file)
            return
        if not is_file:
            pipe = _Pipe(stream)
            header = read_wav_header(pipe.look)
            if not pipe.seen:
                raise _empty(what)
            if header is not None:
                yield PcmBackend(stream, header.audio, header.data_bytes, can_rewind=False)
                return
            stream = stack.enter_context(_spooled(pipe.seen, stream, what))
        backend = SoundFileBackend(stream, what)
        stack.callback(backend.close)
        yield backend


class _Pipe:
    """A stream whose first bytes are looked at and kept."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.seen = b""

    def look(self, count: int) -> bytes:
        """The next bytes, all of them but at the end."""
        data = self._stream.read(count)
        self.seen += data
        return data


@contextmanager
def _spooled(start: bytes, rest: BinaryIO, what: str) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        try:
            file.write(start)
            shutil.copyfileobj(rest, file)
            file.seek(0)
        except OSError as error:
            raise AudioUnreadable(
                f"{what}: cannot be copied to the temporary folder ({reason_of(error)}); pipe WAV, which needs no copy"
            ) from error
        yield file


def _empty(what: str) -> AudioEmpty:
    return AudioEmpty(f"{what}: is empty (0 bytes), expected audio; check what wrote it")
