"""A recording as indices and voice: what `siren_cli.codec` encodes to and decodes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_cli.config import FRAME_SAMPLES, SAMPLE_RATE_HZ
from siren_cli.errors import UsageError, VoiceMissing
from siren_format.prior import NeuralPrior
from siren_format.stream import Stream, stream_to_bytes
from siren_format.voice import voice_digits, voice_level_db, voice_to_bytes

_INDEX_COUNT = 1000
_MAX_STAGES = 2


@dataclass(frozen=True, eq=False, repr=False)
class Coded:
    """A recording as indices and voice: what a `.srn` file says.

    Two are equal if they say the same. A pickle holds the bytes of the file instead of the model's probabilities.

    Attributes:
        indices: [F, Q] integers 0..999, one row per 160 ms, one column per stage.
        voice: 8 bytes (level and timbre), or None for the default voice or one that is only named.
        sample_count: Length at 16 kHz; F is this divided by 2,560, rounded up.
        source_rate_hz: Sample rate of the recording that was encoded.
        model_id: The model that gave the indices their meaning.
        voice_id: Name of a voice that the receiver has, 2 bytes; None if none is named.

    Raises:
        UsageError: If indices or length are none of a recording.
    """

    indices: NDArray[np.int16]
    voice: bytes | None
    sample_count: int
    source_rate_hz: int
    model_id: bytes
    _prior: NeuralPrior | None = field(default=None, repr=False)
    voice_id: bytes | None = None
    _file: bytes | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuses what is no recording."""
        shape, kind = self.indices.shape, self.indices.dtype.kind
        if len(shape) != 2 or kind not in "iu" or shape[0] == 0 or not 1 <= shape[1] <= _MAX_STAGES:
            raise UsageError(
                f"indices are {self.indices.dtype} {list(shape)}, expected integers [F, Q] of at least one frame and 1 "
                f"or {_MAX_STAGES} stages; give those of a recording"
            )
        low, high = int(self.indices.min()), int(self.indices.max())
        if low < 0 or high >= _INDEX_COUNT:
            raise UsageError(
                f"an index is {low if low < 0 else high}, expected 0..{_INDEX_COUNT - 1}; give those of a recording"
            )
        if -(-self.sample_count // FRAME_SAMPLES) != shape[0]:
            raise UsageError(
                f"{shape[0]} frames and {self.sample_count} samples, expected {FRAME_SAMPLES} samples a frame, fewer "
                "in the last alone; give the length of the recording"
            )

    def __eq__(self, other: object) -> bool:
        """Whether both say the same: indices, voice, length, rate and model."""
        if not isinstance(other, Coded):
            return NotImplemented
        return self._identity() == other._identity() and np.array_equal(self.indices, other.indices)

    def __hash__(self) -> int:
        """Equal ones have the same."""
        return hash((*self._identity(), self.indices.astype(np.int16).tobytes()))

    def __repr__(self) -> str:
        """One line for a person."""
        voice = "default" if self.voice is None else self.voice.hex()
        voice = voice if self.voice_id is None else f"named {self.voice_id.hex()}"
        frames, stages = self.indices.shape
        return (
            f"Coded({self.duration_s:.3f} s, {frames} frames, stages {stages}, voice {voice}, "
            f"model {self.model_id.hex()})"
        )

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle holds: a few hundred bytes a minute."""
        return {**self.__dict__, "_prior": None, "_file": self.to_bytes()}

    def _identity(self) -> tuple[Any, ...]:
        return self.indices.shape, self.voice, self.voice_id, self.sample_count, self.source_rate_hz, self.model_id

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.sample_count / SAMPLE_RATE_HZ

    def to_bytes(self) -> bytes:
        """The `.srn` file, entropy coded."""
        if self._file is not None:
            return self._file
        stream = Stream(self.model_id, self.indices, self.sample_count, self.voice, self.source_rate_hz, self.voice_id)
        return stream_to_bytes(stream, self._prior)

    def voice_to_speak(self) -> bytes | None:
        """The voice to speak with, 8 bytes; None for the default voice.

        Raises:
            VoiceMissing: If the recording only names its voice; say which it is with `spoken_by`.
        """
        if self.voice_id is not None:
            raise VoiceMissing(
                f"the recording names voice {self.voice_id.hex()} and does not carry it; give it with spoken_by"
            )
        return self.voice

    def spoken_by(self, voice: bytes | None) -> Coded:
        """The same words in another voice.

        Args:
            voice: 8 bytes, the level of which counts only if the recording carries none; None for the default
                voice.

        Returns:
            The recording with its own level and the timbre of that voice.
        """
        if voice is not None and self.voice is not None:
            voice = voice_to_bytes(voice_level_db(self.voice), voice_digits(voice))
        return replace(self, voice=voice, voice_id=None)


@dataclass(frozen=True)
class Heard:
    """What one recording says of a speaker.

    `codes` are not rounded, `level_db` is in dBFS, `samples` how many it rests on at 16 kHz; `digits` are what a file
    of this recording alone carries, for which some levels may stand for others.
    """

    codes: Sequence[float]
    level_db: float
    samples: int
    digits: Sequence[int]


def bytes_of(data: object) -> bytes:
    """The bytes of a `.srn` file, from whatever holds bytes.

    Args:
        data: Bytes, a bytearray or a memoryview.

    Raises:
        UsageError: If it is something else.
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise UsageError(
            f"a {type(data).__name__} was given, expected a Coded or the bytes of a .srn file; read the file"
        )
    return bytes(data)
