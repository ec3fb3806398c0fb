"""The voice field."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siren_format.voice import voice_digits, voice_level_db, voice_to_bytes


def test_layout_of_the_field() -> None:
    field = voice_to_bytes(-23.5, [3, 2, 1, 0] + [0] * 23 + [3])
    assert field.hex() == "2f1b0000000000c0"


@given(level=st.integers(0, 255), digits=st.lists(st.integers(0, 3), min_size=28, max_size=28))
def test_round_trip(level: int, digits: list[int]) -> None:
    field = voice_to_bytes(-level / 2, digits)
    assert len(field) == 8
    assert voice_level_db(field) == -level / 2
    assert voice_digits(field) == tuple(digits)


@pytest.mark.parametrize(("level_db", "kept_db"), [(3.0, 0.0), (-math.inf, -127.5), (-10.2, -10.0), (-10.3, -10.5)])
def test_level_is_rounded_and_held_within_range(level_db: float, kept_db: float) -> None:
    assert voice_level_db(voice_to_bytes(level_db, [0] * 28)) == kept_db


@pytest.mark.parametrize(
    ("level_db", "digits", "message"),
    [
        (0.0, [0] * 27, "28 digits, found 27"),
        (0.0, [0] * 27 + [4], r"digit is 0\.\.3"),
        (0.0, [0] * 27 + [-1], r"digit is 0\.\.3"),
        (math.nan, [0] * 28, "not a number"),
    ],
)
def test_voice_that_cannot_be(level_db: float, digits: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        voice_to_bytes(level_db, digits)


def test_field_of_another_size_is_refused() -> None:
    for read in (voice_level_db, voice_digits):
        with pytest.raises(ValueError, match="a voice is 8 bytes, found 7"):
            read(bytes(7))
