"""A second implementation of coder 2, from ``SRN1.md`` alone: plain Python integers, one digit at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from tests.formats.reference_coder import Interval, split

FIRST_ROW = (0, 8, 13, 18, 23, 31, 36, 41)
VALUES = (8, 5, 5, 5, 8, 5, 5, 5)

# The arrays of the weights file as nested lists, without their prefix.
Arrays = dict[str, Any]


def scaled(number: int) -> int:
    """Divide an accumulator by 128, rounding to the nearest, halves up."""
    return (number + 64) // 128


def held(number: int, least: int = -127) -> int:
    """Hold an activation within its range."""
    return min(max(number, least), 127)


def times(matrix: Sequence[Sequence[int]], vector: Sequence[int]) -> list[int]:
    """Multiply a matrix and a vector."""
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def state_after(arrays: Arrays, frames: Sequence[Sequence[int]], level: int) -> list[int]:
    """Compute s_level of the last of some frames of digits; with no frames, the start."""
    if not frames:
        return list(arrays["start"][level])
    if level == 0:
        rows = [arrays["embed"][FIRST_ROW[k] + value] for k, value in enumerate(frames[-1])]
        return [held(sum(column)) for column in zip(*rows, strict=True)]
    block = level - 1
    own = state_after(arrays, frames, block)
    before = state_after(arrays, frames[: max(0, len(frames) - arrays["dilations"][block])], block)
    near, far = times(arrays["near"][block], own), times(arrays["far"][block], before)
    inner = [held(scaled(a + b + c), 0) for a, b, c in zip(near, far, arrays["bias"][block], strict=True)]
    return [held(a + scaled(b)) for a, b in zip(own, times(arrays["back"][block], inner), strict=True)]


def row_of(arrays: Arrays, past: Sequence[Sequence[int]], earlier: Sequence[int]) -> list[int]:
    """Compute the frequencies of a digit from the digits of past frames and the earlier ones of its frame."""
    digit = len(earlier)
    sums = times(arrays["context"][digit], state_after(arrays, past, len(arrays["dilations"])))
    sums = [a + b for a, b in zip(sums, arrays["context_bias"][digit], strict=True)]
    for j, value in enumerate(earlier):
        sums = [a + 64 * b for a, b in zip(sums, arrays["earlier"][FIRST_ROW[j] + value][digit], strict=True)]
    hidden = [held(scaled(number), 0) for number in sums]
    count = VALUES[digit]
    products = times(arrays["out"][digit][:count], hidden)
    logits = [scaled(a + b) for a, b in zip(products, arrays["out_bias"][digit][:count], strict=True)]
    weights = [arrays["exp2"][min(max(logits) - y, 1_023)] for y in logits]
    row = [1 + weight * (65_536 - count) // sum(weights) for weight in weights]
    row[logits.index(max(logits))] += 65_536 - sum(row)
    return row


def rows(arrays: Arrays, indices: Sequence[Sequence[int]]) -> Iterator[tuple[list[int], int]]:
    """Yield the row and the value of every digit of a group."""
    frames = [[value for index in frame for value in split(index)] for frame in indices]
    for t, digits in enumerate(frames):
        for k, value in enumerate(digits):
            yield row_of(arrays, frames[:t], digits[:k]), value


def voice_rows(arrays: Arrays, voice: bytes) -> Iterator[tuple[list[int], int]]:
    """Yield the row and the value of the level and the digits of a voice."""
    yield arrays["voice_level"], voice[0]
    digits = [voice[1 + i // 4] >> 2 * (i % 4) & 3 for i in range(28)]
    for i, digit in enumerate(digits):
        parent = arrays["voice_parents"][i]
        yield arrays["voice_digits"][i][digits[parent] if parent >= 0 else 0], digit


def encode(indices: Sequence[Sequence[int]], arrays: Arrays, voice: bytes | None = None) -> bytes:
    """Code a voice, if there is one, and the indices of a group with coder 2."""
    interval = Interval()
    for row, value in voice_rows(arrays, voice) if voice is not None else ():
        interval.narrow(row, value)
    for row, value in rows(arrays, indices):
        interval.narrow(row, value)
    return interval.shortest()


def decode(payload: bytes, frames: int, stages: int, arrays: Arrays) -> list[list[int]]:
    """Decode the payload of a group without a voice.

    Args:
        payload: The payload.
        frames: Frames F.
        stages: Stages Q.
        arrays: Arrays of the prior.

    Returns:
        Indices [F][Q].

    Raises:
        ArithmeticError: The payload belongs to no indices.
    """
    fraction = Fraction(int.from_bytes(payload, "big"), 256 ** len(payload))
    interval = Interval()
    past: list[list[int]] = []
    for _ in range(frames):
        digits: list[int] = []
        for _ in range(4 * stages):
            row = row_of(arrays, past, digits)
            digits.append(interval.find(row, fraction))
            interval.narrow(row, digits[-1])
        past.append(digits)
    return [[join(digits[4 * stage : 4 * stage + 4]) for stage in range(stages)] for digits in past]


def join(digits: Sequence[int]) -> int:
    """Join the digits of an index."""
    return digits[0] + 8 * digits[1] + 40 * digits[2] + 200 * digits[3]
