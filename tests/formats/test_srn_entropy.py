"""The range coder of coder 2 against a second implementation in plain integers, and the shortness of its payloads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from siren_format.entropy import decode_indices, encode_indices
from siren_format.errors import BadPayload
from siren_format.prior import DIGIT_LEVELS, NeuralPrior
from siren_format.prior_rows import prior_digit_bits
from tests.formats import reference_prior
from tests.formats.vector_material import likely_to_prior, noise_indices, vector_prior

PRIOR = vector_prior()
ARRAYS = {name.removeprefix("prior."): array.tolist() for name, array in PRIOR.to_arrays().items()}


def extreme_prior() -> NeuralPrior:
    """Make a prior that gives the last value of every digit all the frequency there is."""
    bias = np.zeros_like(PRIOR.out_bias)
    for digit, level_count in enumerate(DIGIT_LEVELS):
        bias[digit, level_count - 1] = 2**18
    return replace(PRIOR, out=np.zeros_like(PRIOR.out), out_bias=bias)


@st.composite
def index_arrays(draw: st.DrawFn) -> NDArray[np.int16]:
    frames, stages = draw(st.integers(1, 8)), draw(st.integers(1, 2))
    seed = draw(st.integers(0, 2**32 - 1))
    if draw(st.booleans()):
        return noise_indices(seed, frames, stages)
    return likely_to_prior(PRIOR, frames, stages, noise_every=1 + seed % 9)


@settings(max_examples=40)
@given(indices=index_arrays())
def test_both_implementations_agree_both_ways(indices: NDArray[np.int16]) -> None:
    payload = encode_indices(indices, PRIOR)
    assert payload == reference_prior.encode(indices.tolist(), ARRAYS)
    assert reference_prior.decode(payload, len(indices), indices.shape[1], ARRAYS) == indices.tolist()
    np.testing.assert_array_equal(decode_indices(payload, len(indices), indices.shape[1], PRIOR, offset=0), indices)


@settings(max_examples=40)
@given(indices=index_arrays())
def test_payload_is_as_short_as_can_be(indices: NDArray[np.int16]) -> None:
    payload = encode_indices(indices, PRIOR)
    assert not payload.endswith(b"\x00")
    # One byte less reaches the interval neither from below nor from above.
    if payload:
        below = payload[:-1]
        above = int.from_bytes(below, "big") + 1
        candidates = [below]
        if above < 256 ** len(below):
            candidates.append(above.to_bytes(len(below), "big"))
        for candidate in candidates:
            assert decoded_by_reference(candidate, indices) != indices.tolist()
        smaller = below + bytes((payload[-1] - 1,))
        assert decoded_by_reference(smaller, indices) != indices.tolist()
    assert 8 * len(payload) < prior_digit_bits(indices, PRIOR).sum() + 10


def decoded_by_reference(payload: bytes, indices: NDArray[np.int16]) -> list[list[int]] | None:
    try:
        return reference_prior.decode(payload, len(indices), indices.shape[1], ARRAYS)
    except ArithmeticError:
        return None


@pytest.mark.parametrize("index", [0, 7, 8, 500, 999])
@pytest.mark.parametrize("frames", [1, 2, 60])
def test_all_same_indices(index: int, frames: int) -> None:
    indices = np.full((frames, 2), index, dtype=np.int16)
    for prior in (PRIOR, extreme_prior()):
        payload = encode_indices(indices, prior)
        np.testing.assert_array_equal(decode_indices(payload, frames, 2, prior, offset=0), indices)


def test_certain_digits_cost_next_to_nothing_and_impossible_ones_sixteen_bits() -> None:
    prior = extreme_prior()
    assert len(encode_indices(np.full((375, 2), 999, dtype=np.int16), prior)) == 1
    assert len(encode_indices(np.full((10, 1), 0, dtype=np.int16), prior)) == 0
    assert len(encode_indices(np.full((10, 1), 1 + 8 + 40 + 200, dtype=np.int16), prior)) == 80


def test_every_index_alone() -> None:
    for index in range(1_000):
        indices = np.array([[index]], dtype=np.int16)
        assert decode_indices(encode_indices(indices, PRIOR), 1, 1, PRIOR, offset=0).tolist() == [[index]]


def test_payload_outside_the_interval_is_refused_at_its_offset() -> None:
    with pytest.raises(BadPayload, match="does not belong to any indices") as caught:
        decode_indices(b"\xff" * 20, 19, 1, PRIOR, offset=8)
    assert (caught.value.offset, caught.value.field) == (8, "payload")


def test_payload_with_a_zero_byte_more_is_refused() -> None:
    payload = encode_indices(noise_indices(1, 5, 1), PRIOR)
    with pytest.raises(BadPayload, match="is not the one form of its indices"):
        decode_indices(payload + b"\x00", 5, 1, PRIOR, offset=8)
