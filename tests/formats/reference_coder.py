"""A second implementation of the range coder, from ``SRN1.md`` alone: plain integers, no constriction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

STATE_BITS = 64
WORD_BITS = 32
PROBABILITY_BITS = 24
LEVELS = (8, 5, 5, 5)


def boundaries(row: Sequence[int]) -> list[int]:
    """Map a row to the coder's 24-bit boundaries: value v owns boundaries[v]..boundaries[v + 1] - 1.

    Args:
        row: Frequencies that sum to 65536.

    Returns:
        One boundary more than the row has entries.
    """
    free = 2**PROBABILITY_BITS - len(row)
    cumulative = [sum(row[:v]) for v in range(len(row))]
    return [k * free // 65_536 + v for v, k in enumerate(cumulative)] + [2**PROBABILITY_BITS]


class Interval:
    """The interval as exact integers: ``low`` and ``width`` in units of 2 ** -``scale_bits``."""

    def __init__(self) -> None:
        self.low = 0
        self.width = 2**STATE_BITS - 1
        self.scale_bits = STATE_BITS

    def narrow(self, row: Sequence[int], value: int) -> None:
        """Keep the part of the interval that stands for a value.

        Args:
            row: Frequencies of the context.
            value: Digit value.
        """
        bounds = boundaries(row)
        unit = self.width >> PROBABILITY_BITS
        self.low += unit * bounds[value]
        self.width = unit * (bounds[value + 1] - bounds[value])
        if self.width < 2**WORD_BITS:
            self.low <<= WORD_BITS
            self.width <<= WORD_BITS
            self.scale_bits += WORD_BITS

    def find(self, row: Sequence[int], fraction: Fraction) -> int:
        """Find the value whose part of the interval holds a point.

        Args:
            row: Frequencies of the context.
            fraction: The point, 0 or more and below 1.

        Returns:
            The value.

        Raises:
            ArithmeticError: The point is in no part.
        """
        point = int(fraction * 2**self.scale_bits)
        quantile = (point - self.low) // (self.width >> PROBABILITY_BITS)
        if not 0 <= quantile < 2**PROBABILITY_BITS:
            raise ArithmeticError("the point is outside the interval")
        bounds = boundaries(row)
        return next(v for v in range(len(row)) if bounds[v] <= quantile < bounds[v + 1])

    def shortest(self) -> bytes:
        """Find the shortest byte string in the interval, and of those the smallest.

        Returns:
            The bytes.
        """
        low = Fraction(self.low, 2**self.scale_bits)
        high = Fraction(self.low + self.width, 2**self.scale_bits)
        length = 0
        while True:
            number = -((-low * 256**length) // 1)
            if Fraction(number, 256**length) < high:
                return int(number).to_bytes(length, "big")
            length += 1


def split(index: int) -> Iterator[int]:
    """Split an index into digits.

    Args:
        index: Index, 0..999.

    Yields:
        Digits 0 to 3.
    """
    for level in LEVELS:
        index, value = divmod(index, level)
        yield value
