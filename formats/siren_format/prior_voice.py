"""The voice as coder 2 codes it, before the first frame: a level, then 28 digits, each given an earlier one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from siren_format.voice import VOICE_DIGITS, voice_digits, voice_to_bytes

if TYPE_CHECKING:
    from siren_format.prior import NeuralPrior


class VoiceWalk:
    """The rows of a voice's values one after another, asking for nothing that is not known yet.

    Args:
        prior: The prior.
    """

    def __init__(self, prior: NeuralPrior) -> None:
        self._prior = prior
        self._level: int | None = None
        self._digits: list[int] = []

    @property
    def is_complete(self) -> bool:
        """Whether level and all digits are known."""
        return len(self._digits) == VOICE_DIGITS

    def row(self) -> NDArray[np.uint16]:
        """Look up the frequencies of the next value.

        Returns:
            256 or 4 frequencies that sum to 65536.
        """
        if self._level is None:
            return self._prior.voice_level
        number = len(self._digits)
        parent = int(self._prior.voice_parents[number])
        row: NDArray[np.uint16] = self._prior.voice_digits[number, 0 if parent < 0 else self._digits[parent]]
        return row

    def take(self, value: int) -> None:
        """Go on to the value after this one.

        Args:
            value: The value whose row was asked for.
        """
        if self._level is None:
            self._level = value
        else:
            self._digits.append(value)

    def voice(self) -> bytes:
        """Write the voice.

        Returns:
            The field of 8 bytes.
        """
        return voice_to_bytes(-(self._level or 0) / 2, self._digits)


def voice_rows(voice: bytes, prior: NeuralPrior) -> Iterator[tuple[NDArray[np.uint16], int]]:
    """Yield the row and the value of everything in a voice.

    Args:
        voice: Voice field of 8 bytes.
        prior: The prior.

    Yields:
        29 rows of frequencies, and the value of each.
    """
    walk = VoiceWalk(prior)
    for value in (voice[0], *voice_digits(voice)):
        yield walk.row(), value
        walk.take(value)


def voice_bits(voice: bytes, prior: NeuralPrior) -> float:
    """Compute the information of a voice under the prior.

    Args:
        voice: Voice field of 8 bytes.
        prior: The prior.

    Returns:
        Bits.
    """
    return -sum(float(np.log2(int(row[value]) / 65_536)) for row, value in voice_rows(voice, prior))
