"""Decoding piece by piece: memory does not grow with the recording's length.

```
 blocks of samples ◄─Speaker── chunks ◄─Cutter── indices ◄─StreamReader── bytes
```
The networks see the same chunks as in `Codec.decode`, and so give the same numbers.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from siren_cli.streaming.chunking import Chunk, Cutter
from siren_format.reader import Group

if TYPE_CHECKING:
    from siren_cli.coded import Coded
    from siren_cli.streaming.chunk_codec import ChunkCodec


def give_back_memory() -> None:
    """Gives freed memory back to the system, where the C library (glibc) would keep it.

    Networks free hundreds of megabytes after every chunk, in blocks that the next chunk cuts up otherwise: kept, they
    add up to a peak that differs by a quarter from run to run.
    """
    if trim := _malloc_trim():
        trim(0)


@cache
def _malloc_trim() -> Any:
    """`malloc_trim(3)`, None where there is none."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


def decode_stream(
    codec: ChunkCodec, pieces: Iterable[bytes], *, spoken_by: Callable[[Coded], Coded] | None = None
) -> Iterator[NDArray[np.float32]]:
    """Decodes a file of any length group by group (60 s), as its bytes arrive. The samples are those of `codec.decode`.

    Args:
        codec: The model.
        pieces: The bytes of a `.srn` file, in pieces of any size.
        spoken_by: Changes the voice, see `StreamDecoder`.

    Yields:
        The next samples [T] at 16 kHz, full scale at 1.

    Raises:
        FormatError: If the bytes are not a readable `.srn`; what came out before was sound.
    """
    decoder = StreamDecoder(codec, spoken_by)
    for piece in pieces:
        yield from decoder.push(piece)
    yield from decoder.finish()


class Speaker:
    """Turns indices that arrive group by group into samples.

    Args:
        codec: The model.
        voice: 8 bytes, or None for the default voice.
        first_frame: Place of the first frame in the recording.
    """

    def __init__(self, codec: ChunkCodec, voice: bytes | None, first_frame: int = 0) -> None:
        self._codec = codec
        self._voice = voice
        self._first_frame = first_frame
        self._cutter = Cutter(codec.decoding, 1)
        self._turns = 0.0

    def push(self, indices: NDArray[np.int16]) -> Iterator[NDArray[np.float32]]:
        """Takes indices [F, Q], yields the samples [T] at 16 kHz that are certain."""
        yield from self._speak(self._cutter.push(indices))

    def finish(self) -> Iterator[NDArray[np.float32]]:
        """Yields the rest of the samples, those of the last frame in full."""
        yield from self._speak(self._cutter.finish())

    def _speak(self, chunks: Iterator[tuple[Chunk, NDArray[Any]]]) -> Iterator[NDArray[np.float32]]:
        for chunk, shown in chunks:
            placed = Chunk(self._first_frame + chunk.start, self._first_frame + chunk.stop, chunk.keep)
            wav, self._turns = self._codec.indices_to_samples(shown, placed, self._voice, self._turns)
            give_back_memory()
            yield wav


class StreamDecoder:
    """Decodes a file that arrives piece by piece.

    Args:
        codec: The model.
        spoken_by: Changes the voice: is given the first group, and what it returns has the voice to speak with.

    Attributes:
        sample_count: Samples that have come out.
        spoken_by: As given.
    """

    def __init__(self, codec: ChunkCodec, spoken_by: Callable[[Coded], Coded] | None = None) -> None:
        self.sample_count = 0
        self._codec = codec
        self.spoken_by = spoken_by
        self._reader = codec.reader()
        self._speaker: Speaker | None = None
        self._wanted = 0

    def push(self, data: bytes) -> Iterator[NDArray[np.float32]]:
        """Takes more bytes of the file.

        Args:
            data: The next bytes.

        Yields:
            The samples [T] at 16 kHz that are certain.

        Raises:
            FormatError: If the bytes are not a readable `.srn`, or were made with other weights (`OtherModel`).
        """
        yield from self._speak(self._reader.feed(data))

    def finish(self) -> Iterator[NDArray[np.float32]]:
        """Ends the file.

        Yields:
            The rest of the samples.

        Raises:
            FormatError: If the file is not complete.
        """
        yield from self._speak(self._reader.finish())

    def _speak(self, groups: Iterator[Group]) -> Iterator[NDArray[np.float32]]:
        for group in groups:
            self._speaker = self._speaker or Speaker(self._codec, self._voice_for(group))
            self._wanted += group.sample_count
            yield from self._count(self._speaker.push(group.indices))
            if group.is_last:
                yield from self._count(self._speaker.finish())

    def _voice_for(self, first: Group) -> bytes | None:
        reader = self._reader
        coded = self._codec.coded(first.indices, reader.voice, first.sample_count, voice_id=reader.voice_id)
        return (coded if self.spoken_by is None else self.spoken_by(coded)).voice_to_speak()

    def _count(self, pieces: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Lets no more samples through than the groups say."""
        for piece in pieces:
            wav = piece[: self._wanted - self.sample_count]
            self.sample_count += len(wav)
            yield wav
