"""A recording as indices and voice: what `siren_cli.codec` encodes to and decodes from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from siren_cli.config import SAMPLE_RATE_HZ
from siren_format.prior import NeuralPrior
from siren_format.stream import Stream, stream_to_bytes
from siren_format.tables import Tables


@dataclass(frozen=True, eq=False)
class Coded:
    """A recording as indices and voice: what a `.srn` file says.

    Attributes:
        indices: [F, Q] integers 0..999, one row per 160 ms, one column per stage.
        voice: 8 bytes (level and timbre), or None for the default voice.
        sample_count: Length at 16 kHz; F is this divided by 2,560, rounded up.
        source_rate_hz: Sample rate of the recording that was encoded.
        model_id: The model that gave the indices their meaning.
    """

    indices: NDArray[np.int16]
    voice: bytes | None
    sample_count: int
    source_rate_hz: int
    model_id: bytes
    _tables: Tables | None = field(default=None, repr=False)
    _prior: NeuralPrior | None = field(default=None, repr=False)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.sample_count / SAMPLE_RATE_HZ

    def to_bytes(self) -> bytes:
        """The `.srn` file, entropy coded."""
        stream = Stream(self.model_id, self.indices, self.sample_count, self.voice, self.source_rate_hz)
        return stream_to_bytes(stream, self._tables, self._prior)
