"""Rate control: the least loss with which a recording fits into a number of bytes or packets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from siren_cli.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from siren_cli.streaming.chunk_codec import ChunkCodec

WEIGHTS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Weights of the rate that are tried, besides none, four at most: the more, the smaller."""

LONGEST_S = 60.0

_T = TypeVar("_T")
_C = TypeVar("_C", bound="ChunkCodec")


def fitted(codec: _C, encode: Callable[[_C], _T], size_of: Callable[[_T], int], most: int, unit: str) -> _T:
    """Encodes with the least weight of the rate with which the result is small enough.

    Weights are halved again and again, as if no greater one made anything larger, which is so but for a byte or two.

    Args:
        codec: The model; weights are no less than its own.
        encode: Encodes with the model given.
        size_of: Size of what it returns.
        most: Largest size that fits.
        unit: What sizes count, in the plural, for a person.

    Returns:
        A result that fits.

    Raises:
        UsageError: If none does, or the model has no prior.
    """
    smallest = size_of(result := encode(codec))
    weights = [weight for weight in WEIGHTS if weight > codec.rate_weight] if smallest > most else []
    while weights:
        middle = len(weights) // 2
        size = size_of(candidate := encode(codec.thrifty(weights[middle])))
        smallest = min(smallest, size)
        if size <= most:
            result, weights = candidate, weights[:middle]
        else:
            weights = weights[middle + 1 :]
    if smallest > most:
        raise UsageError(
            f"the recording takes {smallest} {unit} at least, expected at most {most}; shorten it, or give --stages 1 "
            "or --no-voice"
        )
    return result


def fit_file(
    codec: ChunkCodec,
    wav: ArrayLike,
    sample_rate_hz: int,
    *,
    stages: int,
    max_bytes: int,
    has_voice: bool = True,
    voice_id: bytes | None = None,
) -> bytes:
    """Encodes a recording to a `.srn` file that is not larger than asked for.

    Args:
        codec: The model.
        wav: Samples [T] or [T, C], full scale at 1.
        sample_rate_hz: Their rate.
        stages: 1 or 2.
        max_bytes: Largest file.
        has_voice: Whether it carries the voice.
        voice_id: Name of a voice, 2 bytes, to say instead of one.

    Returns:
        The file.

    Raises:
        UsageError: If it does not fit, or is longer than a minute and so would take long to find out.
        AudioEmpty: If there are no samples.
        AudioInvalid: If a sample is not finite or the shape is neither [T] nor [T, C].
    """
    seconds = len(np.asarray(wav)) / sample_rate_hz
    if seconds > LONGEST_S:
        raise UsageError(f"the recording lasts {seconds:.0f} s, --max-bytes fits up to {LONGEST_S:.0f} s; split it")

    def encode(codec: ChunkCodec) -> bytes:
        blocks = [np.asarray(wav, np.float32)]
        return b"".join(
            codec.encode_stream(blocks, sample_rate_hz, stages=stages, has_voice=has_voice, voice_id=voice_id)
        )

    return fitted(codec, encode, len, max_bytes, "bytes")
