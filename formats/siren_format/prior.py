"""Coder 2's integer weights: a causal network that predicts every digit from the frames and digits before it.

``prior_rows`` computes with them, exactly; ``SRN1.md``, section 3.3, describes all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_format.limits import FREQUENCY_TOTAL, LEVELS, MAX_STAGES
from siren_format.voice import VOICE_DIGIT_LEVELS, VOICE_DIGITS

ACTIVATION_BITS = 6
"""An activation a stands for a / 64."""
ACTIVATION_MAX = 127
WEIGHT_BITS = 7
"""A weight w stands for w / 128, and an accumulator, activations times weights, for its 8192nd part."""
LOGIT_BITS = 6
"""A logit y stands for the frequency 2 to the power of y / 64, times what is common to all values of the digit."""
EXP2_ENTRIES = 1_024

DIGIT_LEVELS = LEVELS * MAX_STAGES
DIGIT_OFFSETS = tuple(sum(DIGIT_LEVELS[:k]) for k in range(len(DIGIT_LEVELS)))
"""Where the values of each of the 8 digits begin among the rows of ``embed`` and ``earlier``."""
ONE_HOT_ROWS = sum(DIGIT_LEVELS)

MAX_WIDTH = 1_024
MAX_BLOCKS = 16
MAX_DILATION = 375
_MAX_BIAS = 2**24
_PREFIX = "prior."


@dataclass(frozen=True, eq=False)
class NeuralPrior:
    """The arrays of coder 2, validated and read-only. Compares by identity.

    With N blocks of width Z on states of width H, and heads of width U:

    Attributes:
        dilations: int16 [N], frames that each block looks back, 1..375.
        embed: int8 [46, H], a row for each value of each digit, stage 1 first.
        start: int8 [N + 1, H], what the input of each block, and at last its output, is before the first frame.
        near: int8 [N, Z, H], weights of a block's input.
        far: int8 [N, Z, H], weights of its input as many frames ago as its dilation.
        bias: int32 [N, Z].
        back: int8 [N, H, Z], weights from a block's inside to what it adds to its input.
        context: int8 [8, U, H], weights of the state in the head of every digit.
        context_bias: int32 [8, U].
        earlier: int8 [46, 8, U], what the value of a digit adds in the heads of later digits of the frame.
        out: int8 [8, 8, U], weights of the logits; 5 of 8 rows are in use where the digit has 5 values.
        out_bias: int32 [8, 8].
        exp2: int32 [1024], not increasing, from 65536 to 1: the power of two of minus its number / 64.
        voice_level: uint16 [256], frequencies of the voice's level byte; they sum to 65536.
        voice_parents: int16 [28], for each digit of the voice one that comes before it, or -1.
        voice_digits: uint16 [28, 4, 4], frequencies of the digit's values for each value of its parent, or for 0.

    Raises:
        ValueError: A shape, a type or an entry is otherwise.
    """

    dilations: NDArray[np.int16]
    embed: NDArray[np.int8]
    start: NDArray[np.int8]
    near: NDArray[np.int8]
    far: NDArray[np.int8]
    bias: NDArray[np.int32]
    back: NDArray[np.int8]
    context: NDArray[np.int8]
    context_bias: NDArray[np.int32]
    earlier: NDArray[np.int8]
    out: NDArray[np.int8]
    out_bias: NDArray[np.int32]
    exp2: NDArray[np.int32]
    voice_level: NDArray[np.uint16]
    voice_parents: NDArray[np.int16]
    voice_digits: NDArray[np.uint16]

    def __post_init__(self) -> None:
        for name, array in ((field.name, getattr(self, field.name)) for field in fields(self)):
            frozen = np.array(array)
            frozen.setflags(write=False)
            object.__setattr__(self, name, frozen)
        if self.embed.ndim != 2 or self.bias.ndim != 2 or self.context_bias.ndim != 2:
            raise ValueError("prior.embed, bias or context_bias is not a matrix; use a released weights file")
        blocks, inner, width, head = *self.bias.shape, self.embed.shape[1], self.context_bias.shape[1]
        if not (1 <= blocks <= MAX_BLOCKS and all(1 <= size <= MAX_WIDTH for size in (inner, width, head))):
            raise ValueError(
                f"prior of {blocks} blocks of {inner}, states of {width}, heads of {head}; expected at most "
                f"{MAX_BLOCKS} blocks and widths of 1..{MAX_WIDTH}; use a released weights file"
            )
        digits, most = len(DIGIT_LEVELS), max(DIGIT_LEVELS)
        expected: dict[str, tuple[type[np.integer[Any]], tuple[int, ...]]] = {
            "dilations": (np.int16, (blocks,)),
            "embed": (np.int8, (ONE_HOT_ROWS, width)),
            "start": (np.int8, (blocks + 1, width)),
            "near": (np.int8, (blocks, inner, width)),
            "far": (np.int8, (blocks, inner, width)),
            "bias": (np.int32, (blocks, inner)),
            "back": (np.int8, (blocks, width, inner)),
            "context": (np.int8, (digits, head, width)),
            "context_bias": (np.int32, (digits, head)),
            "earlier": (np.int8, (ONE_HOT_ROWS, digits, head)),
            "out": (np.int8, (digits, most, head)),
            "out_bias": (np.int32, (digits, most)),
            "exp2": (np.int32, (EXP2_ENTRIES,)),
            "voice_level": (np.uint16, (256,)),
            "voice_parents": (np.int16, (VOICE_DIGITS,)),
            "voice_digits": (np.uint16, (VOICE_DIGITS, VOICE_DIGIT_LEVELS, VOICE_DIGIT_LEVELS)),
        }
        for name, (kind, shape) in expected.items():
            array = getattr(self, name)
            if array.dtype != kind or array.shape != shape:
                raise ValueError(
                    f"prior.{name} is {array.dtype} {array.shape}, expected {kind.__name__} {shape}; "
                    "use a released weights file"
                )
        self._require_possible()

    def _require_possible(self) -> None:
        biases = (self.bias, self.context_bias, self.out_bias)
        bytes_found = (self.embed, self.start, self.near, self.far, self.back, self.context, self.earlier, self.out)
        faults = (
            (self.dilations.min() < 1 or self.dilations.max() > MAX_DILATION, f"a dilation is not 1..{MAX_DILATION}"),
            (any(np.abs(bias.astype(np.int64)).max() > _MAX_BIAS for bias in biases), "a bias is above 2**24"),
            (any(array.min() < -ACTIVATION_MAX for array in bytes_found), "a weight is -128, expected -127..127"),
            (
                self.exp2[0] != 2**16 or self.exp2[-1] != 1 or np.any(np.diff(self.exp2) > 0),
                "exp2 does not fall from 65536 to 1",
            ),
            (
                any(not -1 <= parent < number for number, parent in enumerate(self.voice_parents.tolist())),
                "a digit of the voice depends on a later one",
            ),
            (
                any(
                    rows.min() < 1 or np.any(rows.sum(axis=-1, dtype=np.int64) != FREQUENCY_TOTAL)
                    for rows in (self.voice_level, self.voice_digits)
                ),
                f"a row of the voice has a 0 or does not sum to {FREQUENCY_TOTAL}",
            ),
        )
        for is_fault, message in faults:
            if is_fault:
                raise ValueError(f"the prior is impossible: {message}; use a released weights file")

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> NeuralPrior:
        """Take the prior out of the arrays of a weights file.

        Args:
            arrays: Arrays by name; names that do not start with ``prior.`` are not looked at.

        Returns:
            The prior.

        Raises:
            ValueError: An array is missing, unknown or not valid.
        """
        expected = {_PREFIX + field.name for field in fields(cls)}
        found = {name for name in arrays if name.startswith(_PREFIX)}
        if found != expected:
            raise ValueError(
                f"prior arrays missing: {sorted(expected - found)}, not known: {sorted(found - expected)}; "
                "expected those of version 1; use a released weights file"
            )
        return cls(**{field.name: arrays[_PREFIX + field.name] for field in fields(cls)})

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Name the arrays, for a weights file.

        Returns:
            Arrays by name, such as ``prior.embed``.
        """
        return {_PREFIX + field.name: getattr(self, field.name) for field in fields(self)}


def exp2_table() -> NDArray[np.int32]:
    """Make the table of powers of two that a new prior gets; coding uses the one that is stored.

    Returns:
        int32 [1024]: 65536 times 2 to the power of minus the entry's number / 64, rounded; at least 1.
    """
    exponents = np.arange(EXP2_ENTRIES) / 2**LOGIT_BITS
    table: NDArray[np.int32] = np.maximum(1, np.rint(65_536.0 * 2.0**-exponents)).astype(np.int32)
    return table
