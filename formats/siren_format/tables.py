"""Integer probability tables of digits, given the frame before and the earlier digits of the frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_format.limits import LEVELS, MAX_STAGES
from siren_format.packing import RADICES, indices_to_digits

TOTAL = 65_536


def array_name(stage: int, digit: int) -> str:
    """Name an array of the tables, as the weights file has it.

    Args:
        stage: Stage, from 0.
        digit: Digit, 0..3.

    Returns:
        A name such as ``tables.stage1.digit0``; stages count from 1 there.
    """
    return f"tables.stage{stage + 1}.digit{digit}"


def array_shape(digit: int) -> tuple[int, int, int]:
    """Shape of the array of a digit.

    Args:
        digit: Digit, 0..3.

    Returns:
        Values of the same digit one frame before (the last one stands for "no frame before"), combinations of
        the earlier digits of the frame, values of the digit.
    """
    return (LEVELS[digit] + 1, RADICES[digit], LEVELS[digit])


@dataclass(frozen=True, eq=False)
class Tables:
    """The tables of both stages, validated and read-only. Compares by identity.

    Attributes:
        frequencies: For each stage, for each digit, uint16 of ``array_shape``; every entry is at least 1 and
            every row sums to 65536. The second axis counts the earlier digits as an index does: digit 0 + 8
            digit 1 + 40 digit 2.

    Raises:
        ValueError: A shape, a type, an entry or a sum is otherwise.
    """

    frequencies: tuple[tuple[NDArray[np.uint16], ...], ...]

    def __post_init__(self) -> None:
        if [len(stage) for stage in self.frequencies] != [len(LEVELS)] * MAX_STAGES:
            raise ValueError("tables need 4 arrays for each of 2 stages, found others; use those of the weights")
        frozen = tuple(
            tuple(_frozen_array(array, array_name(s, d), array_shape(d)) for d, array in enumerate(stage))
            for s, stage in enumerate(self.frequencies)
        )
        object.__setattr__(self, "frequencies", frozen)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Tables:
        """Take the tables out of the arrays of a weights file.

        Args:
            arrays: Arrays by name; names that do not start with ``tables.`` are not looked at.

        Returns:
            The tables.

        Raises:
            ValueError: A table is missing, unknown or not valid.
        """
        names = [[array_name(s, d) for d in range(len(LEVELS))] for s in range(MAX_STAGES)]
        expected = {name for stage in names for name in stage}
        found = {name for name in arrays if name.startswith("tables.")}
        if found != expected:
            raise ValueError(
                f"tables missing: {sorted(expected - found)}, not known: {sorted(found - expected)}; "
                "expected those of version 1; use a released weights file"
            )
        return cls(tuple(tuple(arrays[name] for name in stage) for stage in names))

    def to_arrays(self) -> dict[str, NDArray[np.uint16]]:
        """Name the arrays, for a weights file.

        Returns:
            Arrays by name, such as ``tables.stage1.digit0``.
        """
        return {array_name(s, d): array for s, stage in enumerate(self.frequencies) for d, array in enumerate(stage)}


def context_rows(indices: NDArray[np.integer[Any]]) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Find for every digit the row of its table, counted through the first two axes of ``array_shape``.

    Args:
        indices: Indices [F, Q] of one group.

    Returns:
        Digits [F, Q, 4] and rows [F, Q, 4].
    """
    digits = indices_to_digits(indices)
    start = np.broadcast_to(np.array(LEVELS, dtype=np.int16), (1, *digits.shape[1:]))
    previous = np.concatenate([start, digits[:-1]])
    earlier = indices.astype(np.int64)[..., None] % np.array(RADICES)
    return digits, previous * np.array(RADICES) + earlier


def table_digit_bits(indices: NDArray[np.integer[Any]], tables: Tables) -> NDArray[np.float64]:
    """Compute the information of every digit under the tables.

    Args:
        indices: Indices [F, Q] of one group.
        tables: Tables.

    Returns:
        Minus the base-2 logarithms of the probabilities (Shannon 1948) [F, Q, 4], in bits.
    """
    digits, rows = context_rows(indices)
    bits = np.empty(digits.shape)
    for s in range(digits.shape[1]):
        for d, level_count in enumerate(LEVELS):
            table = tables.frequencies[s][d].reshape(-1, level_count)
            bits[:, s, d] = -np.log2(table[rows[:, s, d], digits[:, s, d]] / TOTAL)
    return bits


def cross_entropy_bits(indices: NDArray[np.integer[Any]], tables: Tables) -> float:
    """Compute the information of indices under the tables; the coded payload is at most a byte or so longer.

    Args:
        indices: Indices [F, Q] of one group.
        tables: Tables.

    Returns:
        The sum of ``table_digit_bits``, in bits.
    """
    return float(table_digit_bits(indices, tables).sum())


def _frozen_array(array: NDArray[Any], name: str, shape: tuple[int, int, int]) -> NDArray[np.uint16]:
    if array.dtype != np.uint16 or array.shape != shape:
        raise ValueError(f"{name} is {array.dtype} {array.shape}, expected uint16 {shape}; use a released weights file")
    sums = array.sum(axis=-1, dtype=np.int64)
    if array.min() < 1 or np.any(sums != TOTAL):
        raise ValueError(
            f"{name} has an entry of 0 or a row that does not sum to {TOTAL}; expected neither; "
            "use a released weights file"
        )
    frozen = array.copy()
    frozen.setflags(write=False)
    return frozen
