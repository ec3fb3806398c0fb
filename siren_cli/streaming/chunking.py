"""Long recordings in pieces: what the networks see at a time, and what of it is kept.

Whether a recording lies in memory or arrives piece by piece, it is cut at the same frames, so the networks see the same
numbers and give the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_cli.config import ModelConfig

CHUNK_FRAMES = 375
"""Frames kept at a time, 60 s: the networks' memory does not grow with the recording."""

MAX_CONTEXT_FRAMES = 64
"""Most frames of context shown on both sides, 10.24 s; `make seams` measures what those beyond would change."""


@dataclass(frozen=True)
class Chunk:
    """Frames `start` to `stop` are shown to the networks; the slice `keep` of what comes out is kept."""

    start: int
    stop: int
    keep: slice


@dataclass(frozen=True)
class Chunking:
    """How recordings are cut.

    Attributes:
        first_frames: Frames kept of the first chunk.
        chunk_frames: Frames kept of each other one; the last one takes what is left, up to the context more.
        context_frames: Frames shown on both sides of what is kept, as far as there are any.
    """

    first_frames: int
    chunk_frames: int
    context_frames: int

    @classmethod
    def for_encoding(cls, config: ModelConfig) -> Chunking:
        """Chunks of samples: the frames kept are those of a group of the file.

        What lies beyond half of the networks' reach was not seen to change an index.
        """
        context = min(MAX_CONTEXT_FRAMES, _reach_frames(_encoder_blocks(config), config)) // 2
        return cls(CHUNK_FRAMES, CHUNK_FRAMES, context)

    @classmethod
    def for_decoding(cls, config: ModelConfig) -> Chunking:
        """Chunks of indices: with its context, a chunk ends where a group ends, and need not wait for the next."""
        context = min(MAX_CONTEXT_FRAMES, _reach_frames(config.decoder_blocks, config))
        return cls(CHUNK_FRAMES - context, CHUNK_FRAMES, context)

    def chunk(self, number: int, frames: int) -> Chunk | None:
        """A chunk of a recording, if its context is there.

        Args:
            number: Number of the chunk, from 0.
            frames: Frames that are there, of a recording that may go on.

        Returns:
            The chunk, or None if more frames, or the end of the recording, must be known for it.
        """
        last = self._first_of(number + 1)
        return None if last + self.context_frames > frames else self._cut(number, last, last + self.context_frames)

    def last_chunk(self, number: int, frames: int) -> Chunk | None:
        """The chunk that is left at the end of a recording, after those that `chunk` gave.

        Args:
            number: Its number.
            frames: Frames of the recording.

        Returns:
            The chunk, or None if nothing is left.
        """
        return None if self._first_of(number) >= frames else self._cut(number, frames, frames)

    def chunks_of(self, frames: int) -> Iterator[Chunk]:
        """Cuts a recording.

        Args:
            frames: Its length in frames of 160 ms.

        Yields:
            Chunks whose kept frames are the recording's, in order and once each.
        """
        number = 0
        while chunk := self.chunk(number, frames):
            yield chunk
            number += 1
        if chunk := self.last_chunk(number, frames):
            yield chunk

    def cut(self, rows: NDArray[Any], rows_per_frame: int) -> Iterator[tuple[Chunk, NDArray[Any]]]:
        """Cuts a recording that lies in memory.

        Args:
            rows: Its rows [T, ...], samples or indices; the last frame may be cut short.
            rows_per_frame: Rows that make a frame.

        Yields:
            Chunks, each with the rows of its frames `start` to `stop`.
        """
        for chunk in self.chunks_of(-(-len(rows) // rows_per_frame)):
            yield chunk, rows[chunk.start * rows_per_frame : chunk.stop * rows_per_frame]

    def _first_of(self, number: int) -> int:
        return 0 if number == 0 else self.first_frames + (number - 1) * self.chunk_frames

    def _cut(self, number: int, last: int, stop: int) -> Chunk:
        first = self._first_of(number)
        start = max(0, first - self.context_frames)
        return Chunk(start, stop, slice(first - start, last - start))


def _encoder_blocks(config: ModelConfig) -> tuple[int, ...]:
    """Blocks on the way through the encoder, with those that hear again."""
    return (config.encoder_blocks[0] + config.heard_again, *config.encoder_blocks[1:])


def _reach_frames(blocks: tuple[int, ...], config: ModelConfig) -> int:
    """How far the networks look to each side: 3 steps a block, and the reach of its attention, at 50 to 6.25 Hz."""
    steps = 0.0
    for level, count in enumerate(blocks):
        steps += count * (3 + (config.attention_reach_frames if level else 0)) / 2 ** (3 - level)
    return ceil(steps) + 3  # for the convolutions between the rates and for the vocoder


class Cutter:
    """Cuts what arrives piece by piece, and keeps no more of it than the chunks to come need.

    Args:
        chunking: Where to cut.
        rows_per_frame: Rows of the arrays that make a frame.
    """

    def __init__(self, chunking: Chunking, rows_per_frame: int) -> None:
        self._chunking = chunking
        self._rows_per_frame = rows_per_frame
        self._pieces: list[NDArray[Any]] = []
        self._first_row = 0
        self._rows = 0
        self._number = 0

    @property
    def rows(self) -> int:
        """Rows that have arrived."""
        return self._rows

    def push(self, rows: NDArray[Any]) -> Iterator[tuple[Chunk, NDArray[Any]]]:
        """Takes more rows; every chunk that is complete with its context comes out.

        Args:
            rows: The next rows [T, ...].

        Yields:
            Chunks, each with the rows of its frames `start` to `stop`.
        """
        if len(rows):
            self._pieces.append(rows)
            self._rows += len(rows)
        while chunk := self._chunking.chunk(self._number, self._rows // self._rows_per_frame):
            yield chunk, self._take(chunk)

    def finish(self) -> Iterator[tuple[Chunk, NDArray[Any]]]:
        """Ends the recording; what is left comes out.

        Yields:
            At most one chunk with its rows, fewer than its frames have if the last frame is not full.
        """
        if chunk := self._chunking.last_chunk(self._number, -(-self._rows // self._rows_per_frame)):
            yield chunk, self._take(chunk)

    def _take(self, chunk: Chunk) -> NDArray[Any]:
        """The rows of a chunk; rows that no later chunk shows are dropped."""
        rows = np.concatenate(self._pieces)
        shown = rows[chunk.start * self._rows_per_frame - self._first_row :]
        next_start = chunk.start + chunk.keep.stop - self._chunking.context_frames
        left_out = max(0, next_start * self._rows_per_frame - self._first_row)
        self._pieces = [rows[left_out:].copy()]
        self._first_row += left_out
        self._number += 1
        return shown[: (chunk.stop - chunk.start) * self._rows_per_frame]
