"""The interface of a codec that codes chunk by chunk: what streams, damaged files and rate control need of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from siren_cli.coded import Coded
    from siren_cli.streaming.chunking import Chunk, Chunking
    from siren_format.reader import StreamReader
    from siren_format.writer import StreamWriter

_Self = TypeVar("_Self", bound="ChunkCodec")


class ChunkCodec(Protocol):
    """`siren_cli.codec.Codec`, as this room sees it; that class describes every method.

    Attributes:
        encoding: Chunks of an encoder.
        decoding: Chunks of a decoder.
        rate_weight: Weight of the rate, 0 to 1.
    """

    encoding: Chunking
    decoding: Chunking
    rate_weight: float

    def require_stages(self, stages: int) -> None:
        """Refuses a number of stages that the model does not have."""

    def samples_to_voice(self, samples: NDArray[np.float32], level_db: float) -> bytes:
        """Samples [T] at 16 kHz → voice, 8 bytes."""

    def samples_to_indices(
        self, samples: NDArray[np.float32], chunk: Chunk, level_db: float, stages: int, voice: bytes | None
    ) -> NDArray[np.int16]:
        """Samples [T] of a chunk with its context → indices [F, Q] of the frames kept."""

    def indices_to_samples(
        self, indices: NDArray[np.int16], chunk: Chunk, voice: bytes | None, turns: float
    ) -> tuple[NDArray[np.float32], float]:
        """Indices [F, Q] of a chunk with its context → samples [T] of the frames kept, and the phase at their end."""

    def coded(
        self,
        indices: NDArray[np.int16],
        voice: bytes | None,
        sample_count: int,
        source_rate_hz: int = ...,
        voice_id: bytes | None = None,
    ) -> Coded:
        """Indices [F, Q] and voice as a recording of this model."""

    def writer(self, voice: bytes | None, source_rate_hz: int, voice_id: bytes | None = None) -> StreamWriter:
        """Writer of a file, group by group."""

    def reader(self) -> StreamReader:
        """Reader of a file, group by group."""

    def thrifty(self: _Self, weight: float) -> _Self:
        """The same model with another weight of the rate."""

    def encode_stream(
        self,
        blocks: Iterable[ArrayLike],
        sample_rate_hz: int,
        *,
        stages: int = 1,
        level_db: float | None = None,
        has_voice: bool = True,
        voice_id: bytes | None = None,
    ) -> Iterator[bytes]:
        """Samples in blocks → bytes of a `.srn` file."""
