"""Sources of samples: files that soundfile reads, and bare samples. `siren_cli.audio.reading` opens them."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from siren_cli.audio.pcm import RawAudio, bytes_to_samples
from siren_cli.audio.wav_header import read_wav_header
from siren_cli.errors import AudioEmpty, AudioUnreadable
from siren_cli.files.streams import STREAM, is_file_from_its_start, open_input, read_some, reason_of

_BLOCK_FRAMES = 2**17
_PIPE_BYTES = 2**16


class Backend(Protocol):
    """Gives a recording's samples from its beginning to its end.

    Attributes:
        rate_hz: Sample rate.
        channels: Channels.
        can_rewind: Whether it can be read twice.
    """

    rate_hz: int
    channels: int
    can_rewind: bool

    def read(self) -> NDArray[np.float32]:
        """The next samples [T, C]; none at the end."""

    def rewind(self) -> None:
        """Goes back to the beginning."""


class SoundFileBackend:
    """A file that soundfile reads.

    Args:
        file: The file.
    """

    can_rewind = True

    def __init__(self, file: soundfile.SoundFile) -> None:
        self._file = file
        self.rate_hz = int(file.samplerate)
        self.channels = int(file.channels)

    def read(self) -> NDArray[np.float32]:
        """The next samples [T, C]; none at the end."""
        block: NDArray[np.float32] = self._file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)
        return block

    def rewind(self) -> None:
        """Goes back to the beginning."""
        self._file.seek(0)


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
                return samples.reshape(-1, self.channels)
        return np.zeros((0, self.channels), np.float32)

    def rewind(self) -> None:
        """Goes back to the first sample."""
        self._stream.seek(self._start)
        self._left_bytes, self._rest = self._data_bytes, b""


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
        # A name that is no text is handed on as the bytes it is, where names are bytes.
        named = source if os.name == "nt" else os.fsencode(source)
        try:
            file = stack.enter_context(soundfile.SoundFile(named if is_file and source != STREAM else stream))
        except (soundfile.SoundFileError, OSError) as error:
            raise unreadable(what, error) from error
        yield SoundFileBackend(file)


def unreadable(what: str, error: Exception) -> AudioUnreadable:
    """The error to raise where soundfile cannot go on.

    Args:
        what: Name of the recording.
        error: What soundfile says.

    Returns:
        The error.
    """
    reason = " ".join(str(error).split())
    return AudioUnreadable(f"{what}: not readable as audio ({reason}); convert it to WAV or FLAC")


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
