"""Damaged files: sound of what is left of them, silence for what is lost, and what to say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from siren_cli.config import FRAME_SAMPLES, SAMPLE_RATE_HZ
from siren_cli.streaming.chunking import CHUNK_FRAMES
from siren_cli.streaming.decoder import Speaker
from siren_cli.terminal.console import Rows
from siren_format.salvage import Part, Salvage

if TYPE_CHECKING:
    from siren_cli.coded import Coded
    from siren_cli.streaming.chunk_codec import ChunkCodec

_FADE_SAMPLES = SAMPLE_RATE_HZ // 100


def loss_facts(left: Salvage) -> dict[str, Any]:
    """What is lost of a file.

    Args:
        left: What is left of it.

    Returns:
        Plain values by name, units in the names, ready for JSON.
    """
    return {
        "duration_s": left.sample_count / SAMPLE_RATE_HZ,
        "lost_s": sum(part.sample_count for part in left.lost) / SAMPLE_RATE_HZ,
        "lost": [
            {
                "start_s": part.start_sample / SAMPLE_RATE_HZ,
                "end_s": (part.start_sample + part.sample_count) / SAMPLE_RATE_HZ,
                "reason": part.reason,
            }
            for part in left.lost
        ],
        "is_end_missing": left.is_end_missing,
        "trailing_bytes": left.trailing_bytes,
    }


def loss_rows(facts: dict[str, Any]) -> Rows:
    """The same for a person.

    Args:
        facts: What `loss_facts` returned.

    Returns:
        Names and values, in the order to print them.
    """
    rows = [
        ("lost", f"{lost['start_s']:.3f} s to {lost['end_s']:.3f} s, silent: {lost['reason']}")
        for lost in facts["lost"]
    ]
    if facts["is_end_missing"]:
        rows.append(("lost", f"what follows {facts['duration_s']:.3f} s: the file ends early, nobody knows how much"))
    if facts["trailing_bytes"]:
        rows.append(("left out", f"{facts['trailing_bytes']} bytes after the end of the file"))
    return rows or [("lost", "nothing")]


def speak_salvage(
    codec: ChunkCodec, left: Salvage, spoken_by: Callable[[Coded], Coded] | None = None
) -> Iterator[NDArray[np.float32]]:
    """Decodes what is left of a damaged file, with silence where it is lost, faded over 10 ms.

    Args:
        codec: The model.
        left: What is left.
        spoken_by: Changes the voice, as for `siren_cli.streaming.decoder.StreamDecoder`.

    Yields:
        The next samples [T] at 16 kHz, full scale at 1.
    """
    first = next(part for part in left.parts if part.indices is not None)
    coded = codec.coded(first.require_indices(), left.voice, first.sample_count, voice_id=left.header.voice_id)
    voice = (coded if spoken_by is None else spoken_by(coded)).voice_to_speak()
    runs = [list(run) for _, run in groupby(left.parts, key=lambda part: part.indices is None)]
    for number, run in enumerate(runs):
        sample_count = sum(part.sample_count for part in run)
        if run[0].indices is None:
            block = CHUNK_FRAMES * FRAME_SAMPLES
            for start in range(0, sample_count, block):
                yield np.zeros(min(block, sample_count - start), np.float32)
            continue
        pieces = _speak_run(Speaker(codec, voice, run[0].start_sample // FRAME_SAMPLES), run, sample_count)
        yield from _faded(pieces, fade_in=number > 0, fade_out=number < len(runs) - 1 or left.is_end_missing)


def _speak_run(speaker: Speaker, run: list[Part], sample_count: int) -> Iterator[NDArray[np.float32]]:
    """Parts without a gap between them, decoded as one recording."""
    given = 0
    for piece in chain(*(speaker.push(part.indices) for part in run if part.indices is not None), speaker.finish()):
        wav = piece[: sample_count - given]
        given += len(wav)
        yield wav


def _faded(pieces: Iterator[NDArray[np.float32]], *, fade_in: bool, fade_out: bool) -> Iterator[NDArray[np.float32]]:
    """The pieces, their first and last samples faded, so that silence does not begin or end with a click."""
    held: NDArray[np.float32] | None = None
    for piece in pieces:
        if held is not None:
            yield held
        elif fade_in:
            ramp = np.linspace(0, 1, min(_FADE_SAMPLES, len(piece)), dtype=np.float32)
            piece[: len(ramp)] *= ramp
        held = piece
    if held is not None:
        if fade_out:
            ramp = np.linspace(1, 0, min(_FADE_SAMPLES, len(held)), dtype=np.float32)
            held[-len(ramp) :] *= ramp
        yield held
