"""Digits and packed payloads."""

from __future__ import annotations

import numpy as np
import pytest

from siren_format.errors import BadPayload
from siren_format.limits import packed_size_bytes
from siren_format.packing import digits_to_indices, indices_to_digits, pack_indices, unpack_indices


def test_digits_of_every_index_and_back() -> None:
    indices = np.arange(1_000, dtype=np.int16).reshape(500, 2)
    digits = indices_to_digits(indices)
    assert digits.shape == (500, 2, 4)
    assert (digits >= 0).all()
    assert (digits < [8, 5, 5, 5]).all()
    np.testing.assert_array_equal(digits_to_indices(digits), indices)


def test_digit_weights_are_1_8_40_200() -> None:
    assert digits_to_indices(np.eye(4, dtype=np.int16)[None]).tolist() == [[1, 8, 40, 200]]


def test_first_index_is_the_most_significant_digit_and_bytes_are_big_endian() -> None:
    assert pack_indices(np.array([[1, 23], [456, 0]])) == (1_023_456_000).to_bytes(5, "big")


@pytest.mark.parametrize("count", range(1, 751))
def test_packed_size_is_the_smallest_that_holds_every_number(count: int) -> None:
    size = packed_size_bytes(count)
    assert 256 ** (size - 1) < 1_000**count <= 256**size


def test_largest_number_round_trips_and_one_more_is_refused() -> None:
    largest = np.full((375, 2), 999, dtype=np.int16)
    payload = pack_indices(largest)
    assert len(payload) == 935
    np.testing.assert_array_equal(unpack_indices(payload, 375, 2, offset=8), largest)
    too_large = (1_000**750).to_bytes(935, "big")
    with pytest.raises(BadPayload, match="packed number is too large") as caught:
        unpack_indices(too_large, 375, 2, offset=8)
    assert (caught.value.offset, caught.value.field) == (8, "payload")
