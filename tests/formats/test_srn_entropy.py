"""Coder 1 against a second implementation in plain integers, and the shortness of what it writes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from siren_format.entropy import decode_indices, encode_indices
from siren_format.errors import BadPayload
from siren_format.tables import Tables, array_name, array_shape, cross_entropy_bits
from tests.formats import reference_coder
from tests.formats.vector_material import likely_indices, noise_indices, vector_tables

TABLES = vector_tables()
ROWS = [[table.tolist() for table in stage] for stage in TABLES.frequencies]


def extreme_tables() -> Tables:
    """Make rows in which one value has all the frequency there is."""
    arrays = {}
    for stage in range(2):
        for digit in range(4):
            rows = np.ones(array_shape(digit), dtype=np.uint16)
            rows[..., -1] = 65_536 - rows.shape[-1] + 1
            arrays[array_name(stage, digit)] = rows
    return Tables.from_arrays(arrays)


@st.composite
def index_arrays(draw: st.DrawFn) -> NDArray[np.int16]:
    frames, stages = draw(st.integers(1, 40)), draw(st.integers(1, 2))
    seed = draw(st.integers(0, 2**32 - 1))
    if draw(st.booleans()):
        return noise_indices(seed, frames, stages)
    return likely_indices(TABLES, frames, stages, noise_every=1 + seed % 9)


@settings(max_examples=100)
@given(indices=index_arrays())
def test_both_implementations_agree_both_ways(indices: NDArray[np.int16]) -> None:
    payload = encode_indices(indices, TABLES)
    assert payload == reference_coder.encode(indices.tolist(), ROWS)
    assert reference_coder.decode(payload, len(indices), indices.shape[1], ROWS) == indices.tolist()
    np.testing.assert_array_equal(decode_indices(payload, len(indices), indices.shape[1], TABLES, offset=0), indices)


@settings(max_examples=60)
@given(indices=index_arrays())
def test_payload_is_as_short_as_can_be(indices: NDArray[np.int16]) -> None:
    payload = encode_indices(indices, TABLES)
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
    assert 8 * len(payload) < cross_entropy_bits(indices, TABLES) + 10


def decoded_by_reference(payload: bytes, indices: NDArray[np.int16]) -> list[list[int]] | None:
    try:
        return reference_coder.decode(payload, len(indices), indices.shape[1], ROWS)
    except ArithmeticError:
        return None


@pytest.mark.parametrize("index", [0, 7, 8, 500, 999])
@pytest.mark.parametrize("frames", [1, 2, 375])
def test_all_same_indices(index: int, frames: int) -> None:
    indices = np.full((frames, 2), index, dtype=np.int16)
    for tables in (TABLES, extreme_tables()):
        payload = encode_indices(indices, tables)
        np.testing.assert_array_equal(decode_indices(payload, frames, 2, tables, offset=0), indices)


def test_certain_digits_cost_next_to_nothing_and_impossible_ones_sixteen_bits() -> None:
    tables = extreme_tables()
    assert len(encode_indices(np.full((375, 2), 999, dtype=np.int16), tables)) == 1
    assert len(encode_indices(np.full((10, 1), 0, dtype=np.int16), tables)) == 0
    assert len(encode_indices(np.full((10, 1), 1 + 8 + 40 + 200, dtype=np.int16), tables)) == 80


def test_every_index_alone() -> None:
    for index in range(1_000):
        indices = np.array([[index]], dtype=np.int16)
        assert decode_indices(encode_indices(indices, TABLES), 1, 1, TABLES, offset=0).tolist() == [[index]]


def test_payload_outside_the_interval_is_refused_at_its_offset() -> None:
    with pytest.raises(BadPayload, match="does not belong to any indices") as caught:
        decode_indices(b"\xff" * 20, 19, 1, TABLES, offset=8)
    assert (caught.value.offset, caught.value.field) == (8, "payload")


def test_payload_with_a_zero_byte_more_is_refused() -> None:
    payload = encode_indices(noise_indices(1, 5, 1), TABLES)
    with pytest.raises(BadPayload, match="is not the one form of its indices"):
        decode_indices(payload + b"\x00", 5, 1, TABLES, offset=8)


def test_stage_one_does_not_depend_on_stage_two() -> None:
    first = noise_indices(1, 9, 1)
    changed = [np.concatenate([first, noise_indices(seed, 9, 1)], axis=1) for seed in (2, 3)]
    bits = [cross_entropy_bits(both, TABLES) - cross_entropy_bits(both[:, :1], TABLES) for both in changed]
    alone = [
        cross_entropy_bits(both[:, 1:], Tables((TABLES.frequencies[1], TABLES.frequencies[1]))) for both in changed
    ]
    assert bits == pytest.approx(alone)
