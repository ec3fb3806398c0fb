"""Encoding piece by piece: memory does not grow with the recording's length.

```
 blocks of samples ─Intake─► 16 kHz ─Cutter─► chunks ─Codec─► indices ─StreamWriter─► bytes
```
The networks see the same chunks as in `Codec.encode`, and so give the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siren_cli.audio.activity import MINUTE_SAMPLES, VoiceMinute
from siren_cli.audio.level import NOMINAL_LEVEL_DB, LevelMeter, speech_level_db
from siren_cli.audio.resampling import Intake
from siren_cli.audio.samples import BlockReader
from siren_cli.config import FRAME_SAMPLES
from siren_cli.errors import AudioEmpty
from siren_cli.streaming.chunking import Chunk, Cutter
from siren_cli.streaming.decoder import give_back_memory
from siren_format.writer import StreamWriter

if TYPE_CHECKING:
    from siren_cli.streaming.chunk_codec import ChunkCodec

NO_SPEECH_DB = -60.0
"""A minute of a stream that is no louder says nothing of the level and the voice to come."""

MAX_HELD_CHUNKS = 15
"""Minutes without speech that a stream waits for the first minute with speech."""


def level_db_of(blocks: Iterable[NDArray[np.float32]], sample_rate_hz: int) -> float:
    """Level of a whole recording's speech, for a first pass over it before it is encoded.

    Args:
        blocks: Samples [T], [T, C] or [C, T] in pieces of any size; see `siren_cli.audio.samples.BlockReader`.
        sample_rate_hz: Their rate.

    Returns:
        The level in dB relative to full scale, as `Codec.encode` finds it.

    Raises:
        AudioEmpty: If there are no samples.
        AudioInvalid: If a sample is not finite, the shape is neither [T] nor [T, C], or a file cannot hold that many.
    """
    intake, meter = Intake(sample_rate_hz), LevelMeter()
    reader = BlockReader(sample_rate_hz)
    for block in blocks:
        meter.add(intake.push(reader.read(block)))
    meter.add(intake.finish())
    return meter.level_db


def encode_stream(
    codec: ChunkCodec,
    blocks: Iterable[ArrayLike],
    sample_rate_hz: int,
    *,
    stages: int = 1,
    level_db: float | None = None,
    has_voice: bool = True,
    voice_id: bytes | None = None,
) -> Iterator[bytes]:
    """Encodes a recording of any length group by group (60 s), as its samples arrive.

    The bytes are those of `codec.encode(...).to_bytes()` if the recording is up to 62 s long, or if `level_db` is what
    `level_db_of` says of the whole of it. Otherwise its first minute with speech decides how loud it is (see
    `StreamEncoder`).

    Args:
        codec: The model.
        blocks: Samples [T], [T, C] or [C, T] in pieces of any size; see `siren_cli.audio.samples.BlockReader`.
        sample_rate_hz: Their rate; anything but 16 kHz is resampled.
        stages: 1 (about 68 bps) or 2 (about twice that).
        level_db: Level of the speech; None to find it in the first minute.
        has_voice: Whether the file carries the speaker's voice; it is decoded with the default voice if not.
        voice_id: Name of a voice, 2 bytes, to say instead of one.

    Yields:
        The next bytes of the file.

    Raises:
        AudioEmpty: If there are no samples.
        AudioInvalid: If a sample is not finite, the shape is not [T] or [T, C], or they are too many for a file.
        UsageError: If the model has fewer stages.
    """
    encoder = StreamEncoder(
        codec, sample_rate_hz, stages=stages, level_db=level_db, has_voice=has_voice, voice_id=voice_id
    )
    for block in blocks:
        if data := encoder.push(block):
            yield data
    yield encoder.finish()


class StreamEncoder:
    """Encodes a recording that arrives block by block.

    The voice is that of the first minute in which somebody speaks (`siren_cli.audio.activity`). Minutes before it are
    held, up to `MAX_HELD_CHUNKS`. If nobody has spoken by then, above `NO_SPEECH_DB` in a stream of unknown level, the
    file carries no voice: it is decoded with the default voice at the usual level.

    Args:
        codec: The model.
        sample_rate_hz: Rate of the blocks.
        stages: 1 or 2.
        level_db: Level of the recording's speech; None to take that of the first minute with speech, or of all of it
            up to 62 s.
        has_voice: As for `encode_stream`.
        voice_id: As for `encode_stream`.

    Raises:
        AudioInvalid: If the rate is out of range.
        UsageError: If the model has fewer stages.
    """

    def __init__(
        self,
        codec: ChunkCodec,
        sample_rate_hz: int,
        *,
        stages: int = 1,
        level_db: float | None = None,
        has_voice: bool = True,
        voice_id: bytes | None = None,
    ) -> None:
        codec.require_stages(stages)
        self._codec = codec
        self._sample_rate_hz = sample_rate_hz
        self._stages = stages
        self._level_db = level_db
        self._has_voice = has_voice and voice_id is None
        self._voice_id = voice_id
        self._heard: bytes | None = None
        self._reader = BlockReader(sample_rate_hz)
        self._intake = Intake(sample_rate_hz)
        self._minute = VoiceMinute()
        self._held_chunks: list[tuple[Chunk, NDArray[np.float32]]] = []
        self._cutter = Cutter(codec.encoding, FRAME_SAMPLES)
        self._writer: StreamWriter | None = None

    def push(self, block: ArrayLike) -> bytes:
        """Takes a block.

        Args:
            block: Samples [T], [T, C] or [C, T].

        Returns:
            The bytes that are certain now, often none.

        Raises:
            AudioInvalid: If a sample is not finite, the shape is not [T] or [T, C], or they are too many for a file.
        """
        chunks = self._cutter.push(self._intake.push(self._reader.read(block)))
        return b"".join(self._take(chunk, shown, is_last=False) for chunk, shown in chunks)

    def finish(self) -> bytes:
        """Ends the recording.

        Returns:
            The rest of the file.

        Raises:
            AudioEmpty: If there were no samples.
        """
        chunks = [*self._cutter.push(self._intake.finish()), *self._cutter.finish()]
        data = b"".join(
            self._take(chunk, shown, is_last=number == len(chunks)) for number, (chunk, shown) in enumerate(chunks, 1)
        )
        return data + self._require_writer().finish(self._intake.sample_count)

    def _take(self, chunk: Chunk, shown: NDArray[np.float32], *, is_last: bool) -> bytes:
        if self._writer is not None:
            return self._encode(chunk, shown)
        self._held_chunks.append((chunk, shown))
        own = shown[chunk.keep.start * FRAME_SAMPLES : chunk.keep.stop * FRAME_SAMPLES]
        for start in range(0, len(own), MINUTE_SAMPLES):
            minute = own[start : start + MINUTE_SAMPLES]
            is_whole = is_last and chunk.start + chunk.keep.start == 0
            level_db = self._level_db
            if level_db is None:
                level_db = speech_level_db(own if is_whole else minute)
            is_loud = self._level_db is not None or is_whole or level_db > NO_SPEECH_DB
            if is_loud and self._minute.add(minute, level_db):
                return self._begin()
        return self._begin() if is_last or len(self._held_chunks) == MAX_HELD_CHUNKS else b""

    def _begin(self) -> bytes:
        """Decides level and voice, which the file begins with, and encodes what was held for them."""
        if len(self._minute.samples):
            if self._level_db is None:
                self._level_db = self._minute.level_db
            if self._has_voice or self._voice_id is not None:
                self._heard = self._codec.samples_to_voice(self._minute.samples, self._level_db)
        self._writer = self._codec.writer(
            self._heard if self._has_voice else None, self._sample_rate_hz, self._voice_id
        )
        held, self._held_chunks = self._held_chunks, []
        return b"".join(self._encode(chunk, shown) for chunk, shown in held)

    def _encode(self, chunk: Chunk, shown: NDArray[np.float32]) -> bytes:
        level_db = NOMINAL_LEVEL_DB if self._level_db is None else self._level_db
        indices = self._codec.samples_to_indices(shown, chunk, level_db, self._stages, self._heard)
        give_back_memory()
        return self._require_writer().write(indices, goes_on=chunk.start + chunk.keep.stop < chunk.stop)

    def _require_writer(self) -> StreamWriter:
        if self._writer is None:
            raise AudioEmpty("there are no samples, expected at least one; check the recording")
        return self._writer
