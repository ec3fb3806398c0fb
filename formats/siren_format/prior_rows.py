"""Runs the neural prior: rows of frequencies for known digits all at once, or digit by digit while decoding.

All numbers are integers. They are held as floating-point numbers because NumPy multiplies matrices of those quickly,
and a sum of integers is exact in any order if none can pass 2**24 (float32) or 2**53 (float64): the first if the
prior's weights allow it, which takes half the time. With int64 the same functions compute the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from siren_format.limits import FREQUENCY_TOTAL, LEVELS
from siren_format.packing import indices_to_digits
from siren_format.prior import ACTIVATION_BITS, ACTIVATION_MAX, DIGIT_LEVELS, DIGIT_OFFSETS, WEIGHT_BITS, NeuralPrior

Numbers = NDArray[Any]
_HALF = 1 << (WEIGHT_BITS - 1)
_DIGITS = len(LEVELS)
_Kind = type[np.float32] | type[np.float64] | type[np.int64]


class _Machine:
    """A prior's arrays in the type to compute with, laid out for it."""

    def __init__(self, prior: NeuralPrior, kind: _Kind) -> None:
        def typed(array: Numbers) -> Numbers:
            return np.ascontiguousarray(array.astype(kind))

        self.kind = kind
        self.dilations: list[int] = prior.dilations.tolist()
        self.embed, self.start = typed(prior.embed), typed(prior.start)
        self.inward = typed(np.concatenate([prior.near, prior.far], axis=2))
        self.bias, self.back = typed(prior.bias), typed(prior.back)
        self.head_width = prior.context_bias.shape[1]
        self.context = typed(prior.context.reshape(-1, prior.context.shape[-1]))
        self.context_bias = typed(prior.context_bias.reshape(-1))
        # What a digit adds counts as a weight times an activation of 1.
        self.earlier = typed(prior.earlier.reshape(len(prior.earlier), -1)) * kind(1 << ACTIVATION_BITS)
        self.out = [typed(prior.out[k, :levels]) for k, levels in enumerate(DIGIT_LEVELS)]
        self.out_bias = [typed(prior.out_bias[k, :levels]) for k, levels in enumerate(DIGIT_LEVELS)]
        self.exp2 = prior.exp2.astype(np.int64)
        self.exp2_list: list[int] = prior.exp2.tolist()
        self.scaled: Callable[[Numbers], Numbers] = _scaled_int if kind is np.int64 else _scaled_float

    def block(self, level: int, state: Numbers, both: Numbers) -> Numbers:
        """One block: states [.., H] and [state, state before] [.., 2 H] -> states [.., H]."""
        inner = self.scaled(both @ self.inward[level].T + self.bias[level]).clip(0, ACTIVATION_MAX)
        added: Numbers = state + self.scaled(inner @ self.back[level].T)
        return added.clip(-ACTIVATION_MAX, ACTIVATION_MAX)

    def logits(self, digit: int, sums: Numbers) -> Numbers:
        """The head of a digit: accumulators [.., U] -> logits [.., L]."""
        hidden = self.scaled(sums).clip(0, ACTIVATION_MAX)
        return self.scaled(hidden @ self.out[digit].T + self.out_bias[digit])


_kinds: WeakKeyDictionary[NeuralPrior, _Kind] = WeakKeyDictionary()
_machines: WeakKeyDictionary[NeuralPrior, dict[Any, _Machine]] = WeakKeyDictionary()


def largest_sum(prior: NeuralPrior) -> int:
    """Bound what any accumulator of a prior can reach, in any order of summation.

    Args:
        prior: The prior.

    Returns:
        The largest sum of magnitudes, every activation at its limit and what rounding adds included.
    """

    def reach(weights: Numbers) -> Numbers:
        return np.abs(weights.astype(np.int64)).sum(axis=-1) * ACTIVATION_MAX

    def most(biases: Numbers) -> Numbers:
        return np.abs(biases.astype(np.int64))

    # Of each digit's values one row is added, so that all rows together are more than enough.
    earlier = most(prior.earlier).sum(axis=0) << ACTIVATION_BITS
    sums = (
        reach(prior.near) + reach(prior.far) + most(prior.bias),
        reach(prior.back),
        reach(prior.context) + most(prior.context_bias) + earlier,
        reach(prior.out) + most(prior.out_bias),
        most(prior.embed).sum(axis=0),
    )
    return max(int(found.max()) for found in sums) + _HALF


def _machine(prior: NeuralPrior, kind: _Kind | None) -> _Machine:
    if kind is None:
        kind = _kinds.get(prior)
        if kind is None:
            kind = _kinds[prior] = np.float32 if largest_sum(prior) <= 2**24 else np.float64
    machines = _machines.setdefault(prior, {})
    if kind not in machines:
        machines[kind] = _Machine(prior, kind)
    return machines[kind]


def prior_rows(
    indices: NDArray[np.integer[Any]],
    prior: NeuralPrior,
    *,
    kind: _Kind | None = None,
) -> list[NDArray[np.int64]]:
    """Compute the frequencies of every digit of a group whose indices are known.

    Args:
        indices: Indices [F, Q], 0..999 each.
        prior: The prior.
        kind: Type to compute with; None for the fastest that is exact. The result is the same.

    Returns:
        For each of the 4 Q digits of a frame, frequencies [F, 8 or 5] that sum to 65536, each at least 1.
    """
    machine = _machine(prior, kind)
    rows, sums = _digit_rows(indices), _context_sums(machine, indices)
    count, width = rows.shape[1], machine.head_width
    frequencies = []
    for digit in range(count):
        logits = machine.logits(digit, sums[:, digit * width : (digit + 1) * width])
        frequencies.append(_rows_of(logits.astype(np.int64), machine.exp2))
        sums += machine.earlier[rows[:, digit], : sums.shape[1]]
    return frequencies


def point_bits(indices: NDArray[np.integer[Any]], prior: NeuralPrior, stage: int) -> NDArray[np.float32]:
    """Compute what every index of a stage would cost in each frame, all frames and stages before it being known.

    Args:
        indices: Indices [F, Q] of one group.
        prior: The prior.
        stage: Which stage's, from 0.

    Returns:
        Minus the base-2 logarithms of the probabilities [F, 1000], in bits.
    """
    machine = _machine(prior, None)
    rows, sums = _digit_rows(indices), _context_sums(machine, indices)
    frames, width = len(indices), machine.head_width
    first, end = _DIGITS * stage, _DIGITS * (stage + 1)
    for digit in range(first):
        sums += machine.earlier[rows[:, digit], : sums.shape[1]]
    heads = sums[:, None, first * width : end * width]  # of the digits that follow, for all values of those before
    bits = np.zeros((frames, 1))
    for digit in range(first, end):
        logits = machine.logits(digit, heads[..., :width]).astype(np.int64)
        frequencies = _rows_of(logits.reshape(-1, logits.shape[-1]), machine.exp2).reshape(logits.shape)
        bits = (bits[..., None] - np.log2(frequencies / FREQUENCY_TOTAL)).reshape(frames, -1)
        values = machine.earlier[DIGIT_OFFSETS[digit] : DIGIT_OFFSETS[digit] + DIGIT_LEVELS[digit]]
        heads = heads[:, :, None, width:] + values[:, (digit + 1) * width : end * width]
        heads = heads.reshape(frames, bits.shape[1], -1 if digit + 1 < end else 0)
    # The first digit varies slowest here, and fastest in an index.
    ordered = bits.reshape(-1, *LEVELS).transpose(0, 4, 3, 2, 1)
    return ordered.reshape(len(indices), -1).astype(np.float32)


class PriorWalk:
    """The prior while decoding: asks for nothing that is not decoded yet.

    Args:
        prior: The prior.
        frames: Frames F of the group.
        stages: Stages Q.
    """

    def __init__(self, prior: NeuralPrior, frames: int, stages: int) -> None:
        machine = self._machine = _machine(prior, None)
        self._count = _DIGITS * stages
        size = self._count * machine.head_width
        self._context = machine.context[:size]
        self._context_bias = machine.context_bias[:size]
        self._earlier = machine.earlier[:, :size]
        self._frame = 0
        self._digit = 0
        width = machine.embed.shape[1]
        # Inputs of every block, of all frames; what precedes the first frame is the learned start.
        self._states = [np.empty((dilation + frames, width), machine.kind) for dilation in machine.dilations]
        for states, start, dilation in zip(self._states, machine.start, machine.dilations, strict=False):
            states[:dilation] = start
        self._embedded = np.zeros(width, machine.kind)
        self._sums = self._context @ machine.start[-1] + self._context_bias

    def row(self) -> list[int]:
        """Compute the frequencies of the next digit.

        Returns:
            8 or 5 frequencies that sum to 65536, each at least 1.
        """
        machine, width = self._machine, self._machine.head_width
        sums = self._sums[self._digit * width : (self._digit + 1) * width]
        logits: list[int] = machine.logits(self._digit, sums).astype(np.int64).tolist()
        exp2 = machine.exp2_list
        highest = max(logits)
        weights = [exp2[min(highest - logit, len(exp2) - 1)] for logit in logits]
        total, free = sum(weights), FREQUENCY_TOTAL - len(weights)
        row = [1 + weight * free // total for weight in weights]
        row[logits.index(highest)] += FREQUENCY_TOTAL - sum(row)
        return row

    def take(self, value: int) -> None:
        """Go on to the digit after this one.

        Args:
            value: Value of the digit whose row was asked for.
        """
        machine, hot = self._machine, DIGIT_OFFSETS[self._digit] + value
        self._sums += self._earlier[hot]
        self._embedded += machine.embed[hot]
        self._digit += 1
        if self._digit == self._count:
            self._next_frame()

    def _next_frame(self) -> None:
        machine = self._machine
        state: Numbers = self._embedded.clip(-ACTIVATION_MAX, ACTIVATION_MAX)
        for level, (states, dilation) in enumerate(zip(self._states, machine.dilations, strict=True)):
            states[dilation + self._frame] = state
            state = machine.block(level, state, np.concatenate([state, states[self._frame]]))
        self._sums = self._context @ state + self._context_bias
        self._embedded[:] = 0
        self._digit = 0
        self._frame += 1


def prior_digit_bits(indices: NDArray[np.integer[Any]], prior: NeuralPrior) -> NDArray[np.float64]:
    """Compute the information of every digit under the prior.

    Args:
        indices: Indices [F, Q] of one group.
        prior: The prior.

    Returns:
        Minus the base-2 logarithms of the probabilities [F, Q, 4], in bits.
    """
    digits = indices_to_digits(indices).reshape(len(indices), -1)
    frames = np.arange(len(indices))
    columns = [row[frames, digits[:, k]] for k, row in enumerate(prior_rows(indices, prior))]
    bits: NDArray[np.float64] = -np.log2(np.stack(columns, axis=1) / FREQUENCY_TOTAL).reshape(len(indices), -1, _DIGITS)
    return bits


def _scaled_float(sums: Numbers) -> Numbers:
    """Accumulators / 128, rounded to the nearest integer, halves up; exact, for only the exponent changes."""
    number = sums.dtype.type
    scaled: Numbers = np.floor((sums + number(_HALF)) * number(2.0**-WEIGHT_BITS))
    return scaled


def _scaled_int(sums: Numbers) -> Numbers:
    scaled: Numbers = (sums + _HALF) >> WEIGHT_BITS
    return scaled


def _digit_rows(indices: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Indices [F, Q] -> which rows of ``embed`` and ``earlier`` their digits have [F, 4 Q]."""
    digits = indices_to_digits(indices).reshape(len(indices), -1).astype(np.int64)
    rows: NDArray[np.int64] = digits + np.array(DIGIT_OFFSETS[: digits.shape[1]])
    return rows


def _context_sums(machine: _Machine, indices: NDArray[np.integer[Any]]) -> Numbers:
    """What the frames before make of the accumulators of every head in each frame of a group [F, 4 Q U]."""
    rows = _digit_rows(indices)
    size = rows.shape[1] * machine.head_width
    state = machine.embed[rows].sum(axis=1).clip(-ACTIVATION_MAX, ACTIVATION_MAX)
    for level, dilation in enumerate(machine.dilations):
        before = _delayed(state, machine.start[level], dilation)
        state = machine.block(level, state, np.concatenate([state, before], axis=1))
    sums: Numbers = _delayed(state, machine.start[-1], 1) @ machine.context[:size].T + machine.context_bias[:size]
    return sums


def _delayed(states: Numbers, start: Numbers, frames: int) -> Numbers:
    """States [F, H] some frames earlier, the learned start before the first."""
    first = np.broadcast_to(start, (min(frames, len(states)), len(start)))
    return np.concatenate([first, states[:-frames]])


def _rows_of(logits: NDArray[np.int64], exp2: NDArray[np.int64]) -> NDArray[np.int64]:
    """Logits [F, L] -> frequencies [F, L]; what rounding leaves over goes to the first of the likeliest."""
    highest = logits.max(axis=1, keepdims=True)
    weights = exp2[np.minimum(highest - logits, len(exp2) - 1)]
    rows: NDArray[np.int64] = 1 + weights * (FREQUENCY_TOTAL - logits.shape[1]) // weights.sum(axis=1, keepdims=True)
    rows[np.arange(len(rows)), logits.argmax(axis=1)] += FREQUENCY_TOTAL - rows.sum(axis=1)
    return rows
