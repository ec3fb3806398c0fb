"""A recording as indices and voice: what `siren_cli.codec` encodes to and decodes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.errors import VoiceMissing
from siren_format.prior import NeuralPrior
from siren_format.stream import Stream, stream_to_bytes
from siren_format.voice import voice_digits, voice_level_db, voice_to_bytes


@dataclass(frozen=True, eq=False)
class Coded:
    """A recording as indices and voice: what a `.srn` file says.

    Attributes:
        indices: [F, Q] integers 0..999, one row per 160 ms, one column per stage.
        voice: 8 bytes (level and timbre), or None for the default voice or one that is only named.
        sample_count: Length at 16 kHz; F is this divided by 2,560, rounded up.
        source_rate_hz: Sample rate of the recording that was encoded.
        model_id: The model that gave the indices their meaning.
        voice_id: Name of a voice that the receiver has, 2 bytes; None if none is named.
    """

    indices: NDArray[np.int16]
    voice: bytes | None
    sample_count: int
    source_rate_hz: int
    model_id: bytes
    _prior: NeuralPrior | None = field(default=None, repr=False)
    voice_id: bytes | None = None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.sample_count / SAMPLE_RATE_HZ

    def to_bytes(self) -> bytes:
        """The `.srn` file, entropy coded."""
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
