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

from siren_cli.audio.level import NOMINAL_LEVEL_DB, LevelMeter, speech_level_db
from siren_cli.audio.resampling import Intake
from siren_cli.config import FRAME_SAMPLES
from siren_cli.errors import AudioEmpty
from siren_cli.streaming.chunking import CHUNK_FRAMES, Chunk, Cutter
from siren_cli.streaming.decoder import give_back_memory
from siren_format.writer import StreamWriter

if TYPE_CHECKING:
    from siren_cli.streaming.chunk_codec import ChunkCodec

NO_SPEECH_DB = -60.0
"""If the first minute of a stream is no louder, nobody has spoken yet, and it says nothing of the voice to come."""


def level_db_of(blocks: Iterable[NDArray[np.float32]], sample_rate_hz: int) -> float:
    """Level of a whole recording's speech, for a first pass over it before it is encoded.

    Args:
        blocks: Samples [T] or [T, C], full scale at 1, in pieces of any size.
        sample_rate_hz: Their rate.

    Returns:
        The level in dB relative to full scale, as `Codec.encode` finds it.

    Raises:
        AudioEmpty: If there are no samples.
        AudioInvalid: If a sample is not finite, the shape is neither [T] nor [T, C], or a file cannot hold that many.
    """
    intake, meter = Intake(sample_rate_hz), LevelMeter()
    for block in blocks:
        meter.add(intake.push(block))
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
    `level_db_of` says of the whole of it. Otherwise its first minute decides how loud it is (see `StreamEncoder`).

    Args:
        codec: The model.
        blocks: Samples [T] or [T, C], full scale at 1, in pieces of any size.
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
        if data := encoder.push(np.asarray(block, np.float32)):
            yield data
    yield encoder.finish()


class StreamEncoder:
    """Encodes a recording that arrives block by block.

    Args:
        codec: The model.
        sample_rate_hz: Rate of the blocks.
        stages: 1 or 2.
        level_db: Level of the recording's speech; None to take that of its first minute, or of all of it up to 62 s.
            A first minute in which nobody speaks decides nothing: the file then carries no voice, so that it is decoded
            with the default voice at the usual level.
        has_voice: As for `encode_stream`.
        voice_id: As for `encode_stream`.

    Raises:
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
        self._intake = Intake(sample_rate_hz)
        self._cutter = Cutter(codec.encoding, FRAME_SAMPLES)
        self._writer: StreamWriter | None = None

    def push(self, block: NDArray[np.float32]) -> bytes:
        """Takes a block.

        Args:
            block: Samples [T] or [T, C], full scale at 1.

        Returns:
            The bytes that are certain now, often none.

        Raises:
            AudioInvalid: If a sample is not finite, the shape is not [T] or [T, C], or they are too many for a file.
        """
        chunks = self._cutter.push(self._intake.push(block))
        return b"".join(self._encode(chunk, shown, is_all=False) for chunk, shown in chunks)

    def finish(self) -> bytes:
        """Ends the recording.

        Returns:
            The rest of the file.

        Raises:
            AudioEmpty: If there were no samples.
        """
        is_all = self._writer is None
        chunks = [*self._cutter.push(self._intake.finish()), *self._cutter.finish()]
        data = b"".join(self._encode(chunk, shown, is_all=is_all) for chunk, shown in chunks)
        return data + self._require_writer().finish(self._intake.sample_count)

    def _encode(self, chunk: Chunk, shown: NDArray[np.float32], *, is_all: bool) -> bytes:
        if self._writer is None:
            self._start(shown, is_all=is_all)
        level_db = NOMINAL_LEVEL_DB if self._level_db is None else self._level_db
        indices = self._codec.samples_to_indices(shown, chunk, level_db, self._stages, self._heard)
        give_back_memory()
        return self._require_writer().write(indices, goes_on=chunk.start + chunk.keep.stop < chunk.stop)

    def _start(self, shown: NDArray[np.float32], *, is_all: bool) -> None:
        """Decides level and voice, which the file begins with."""
        first_minute = shown[: CHUNK_FRAMES * FRAME_SAMPLES]
        if self._level_db is None:
            level_db = speech_level_db(shown if is_all else first_minute)
            self._level_db = level_db if is_all or level_db > NO_SPEECH_DB else None
        if self._level_db is not None and (self._has_voice or self._voice_id is not None):
            self._heard = self._codec.samples_to_voice(first_minute, self._level_db)
        self._writer = self._codec.writer(
            self._heard if self._has_voice else None, self._sample_rate_hz, self._voice_id
        )

    def _require_writer(self) -> StreamWriter:
        if self._writer is None:
            raise AudioEmpty("there are no samples, expected at least one; check the recording")
        return self._writer
