"""Long recordings in pieces: what the networks see at a time, and what of it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

CHUNK_FRAMES = 375
"""Frames kept at a time, 60 s: the networks' memory does not grow with the recording."""

CONTEXT_FRAMES = 16
"""Frames of context shown on both sides, 2.56 s: as far as one attention layer reaches."""


@dataclass(frozen=True)
class Chunk:
    """Frames `start` to `stop` are shown to the networks; the slice `keep` of what comes out is kept."""

    start: int
    stop: int
    keep: slice


def chunks_of(frames: int) -> Iterator[Chunk]:
    """Cuts a recording.

    Args:
        frames: Its length in frames of 160 ms.

    Returns:
        Chunks whose kept frames are the recording's, in order and once each.
    """
    for first in range(0, frames, CHUNK_FRAMES):
        last = min(frames, first + CHUNK_FRAMES)
        start = max(0, first - CONTEXT_FRAMES)
        yield Chunk(start, min(frames, last + CONTEXT_FRAMES), slice(first - start, last - start))
