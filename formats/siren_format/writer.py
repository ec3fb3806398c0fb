"""A ``.srn`` file written while its recording still goes on: indices in, bytes out as soon as a group is full."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_format.header import Header
from siren_format.limits import FRAME_SAMPLES, MAX_GROUP_SAMPLES, MAX_GROUPS, SAMPLE_RATE_HZ, Coder, frames_for
from siren_format.prior import NeuralPrior
from siren_format.stream import Stream, group_to_bytes, stream_to_bytes

_GROUP_FRAMES = MAX_GROUP_SAMPLES // FRAME_SAMPLES


class StreamWriter:
    """Writes a file group by group; its bytes are those of ``stream_to_bytes``.

    Args:
        model_id: Leading 2 bytes of the sha256 of the model's weights file.
        voice: Voice field of 8 bytes; None means the default voice.
        source_rate_hz: Sample rate of the recording before it was brought to 16 kHz.
        prior: Neural prior of the model; None to do without.
        voice_id: Name of a voice that the receiver has, 2 bytes; None to name none.
    """

    def __init__(
        self,
        model_id: bytes,
        voice: bytes | None = None,
        source_rate_hz: int = SAMPLE_RATE_HZ,
        prior: NeuralPrior | None = None,
        voice_id: bytes | None = None,
    ) -> None:
        self._model_id = model_id
        self._voice_id = voice_id
        self._voice = voice
        self._source_rate_hz = source_rate_hz
        self._prior = prior
        self._waiting: NDArray[np.int16] | None = None
        self._header = b""
        self._groups = 0

    def write(self, indices: NDArray[np.integer[Any]], *, goes_on: bool = False) -> bytes:
        """Take the indices of further frames.

        Args:
            indices: Indices [F, Q], 0..999 each; F may be anything, Q is the same each time.
            goes_on: Whether more frames are certain to follow; a full group then need not wait for them.

        Returns:
            The bytes that are certain now: all groups but the one that may be the last; the header with the first.

        Raises:
            ValueError: There are more groups than a file may have.
        """
        waiting = indices.astype(np.int16)
        if self._waiting is not None:
            waiting = np.concatenate([self._waiting, waiting])
        parts = []
        while len(waiting) >= _GROUP_FRAMES + (not goes_on):
            parts.append(self._group(waiting[:_GROUP_FRAMES], None))
            waiting = waiting[_GROUP_FRAMES:]
        self._waiting = waiting
        return b"".join(parts)

    def finish(self, sample_count: int) -> bytes:
        """End the file.

        Args:
            sample_count: Samples of the whole recording at 16 kHz.

        Returns:
            The rest of the bytes; all of them if the recording is up to 60 s long.

        Raises:
            ValueError: The indices do not fit the sample count, or a value is outside what version 1 can say.
        """
        left = sample_count - self._groups * MAX_GROUP_SAMPLES
        frames = 0 if self._waiting is None else len(self._waiting)
        if self._waiting is None or frames_for(left) != frames:
            raise ValueError(
                f"{frames} frames are left for {left} samples, expected {frames_for(left)}; "
                "give one row per 2560 samples"
            )
        if self._groups == 0:
            stream = Stream(
                self._model_id, self._waiting, sample_count, self._voice, self._source_rate_hz, self._voice_id
            )
            return stream_to_bytes(stream, self._prior)
        return self._group(self._waiting, left)

    def _group(self, indices: NDArray[np.int16], last_sample_count: int | None) -> bytes:
        if self._groups == MAX_GROUPS - (last_sample_count is None):
            raise ValueError(f"more than {MAX_GROUPS} groups of 60 s, expected at most that many; split the recording")
        start = b""
        if self._groups == 0:
            start = self._header = Header(
                model_id=self._model_id,
                stages=indices.shape[1],
                coder=Coder.PACKED,
                sample_count=None,
                voice=self._voice,
                voice_id=self._voice_id,
                source_rate_hz=self._source_rate_hz,
                grouped=True,
            ).to_bytes()
        number = self._groups
        self._groups += 1
        return start + group_to_bytes(self._header, number, indices, last_sample_count, self._prior)
