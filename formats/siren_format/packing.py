"""Indices to digits, and to the packed payload, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_format.errors import BadPayload
from siren_format.limits import INDEX_COUNT, LEVELS, packed_size_bytes

# The weight of every digit in an index; also the number of combinations of the digits before it.
RADICES = (1, 8, 40, 200)


def indices_to_digits(indices: NDArray[np.integer[Any]]) -> NDArray[np.int16]:
    """Split indices into the digits of the finite scalar quantiser.

    Args:
        indices: Indices [F, Q], 0..999 each: digit 0 + 8 digit 1 + 40 digit 2 + 200 digit 3.

    Returns:
        Digits [F, Q, 4], below 8, 5, 5 and 5.
    """
    digits: NDArray[np.int16] = (indices[..., None] // np.array(RADICES) % np.array(LEVELS)).astype(np.int16)
    return digits


def digits_to_indices(digits: NDArray[np.integer[Any]]) -> NDArray[np.int16]:
    """Join digits into indices.

    Args:
        digits: Digits [F, Q, 4], below 8, 5, 5 and 5.

    Returns:
        Indices [F, Q], 0..999 each.
    """
    indices: NDArray[np.int16] = np.sum(digits * np.array(RADICES), axis=-1).astype(np.int16)
    return indices


def pack_indices(indices: NDArray[np.integer[Any]]) -> bytes:
    """Write indices as one number to base 1000, the first index being its most significant digit.

    Args:
        indices: Indices [F, Q], 0..999 each.

    Returns:
        The number, big-endian, in exactly the bytes the largest such number needs.
    """
    number = 0
    for index in indices.ravel().tolist():
        number = number * INDEX_COUNT + index
    return number.to_bytes(packed_size_bytes(indices.size), "big")


def unpack_indices(payload: bytes, frames: int, stages: int, *, offset: int) -> NDArray[np.int16]:
    """Read a packed payload.

    Args:
        payload: The payload, of the size that ``pack_indices`` gives.
        frames: Frames F.
        stages: Stages Q.
        offset: Byte of the file at which the payload starts, for the error.

    Returns:
        Indices [F, Q].

    Raises:
        BadPayload: The number is 1000 to the power of F Q, or more.
    """
    number = int.from_bytes(payload, "big")
    flat = [0] * (frames * stages)
    for i in reversed(range(len(flat))):
        number, flat[i] = divmod(number, INDEX_COUNT)
    if number:
        raise BadPayload(
            f"the packed number is too large, expected less than 1000 to the power of {len(flat)}; "
            "the file is damaged, fetch it again",
            offset=offset,
            field="payload",
        )
    return np.array(flat, dtype=np.int16).reshape(frames, stages)
