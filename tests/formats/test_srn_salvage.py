"""What is left of damaged files: every sound group, at its place, and nothing that is a guess."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siren_format.errors import CheckFailed, FormatError, NeedsPrior, OtherModel
from siren_format.layout import GroupRecord, parse_layout
from siren_format.salvage import Salvage, salvage_groups
from siren_format.stream import Stream, stream_to_bytes
from tests.formats.vector_material import (
    MINUTE_SAMPLES,
    MODEL_ID,
    VECTORS,
    VOICE,
    likely_to_prior,
    noise_indices,
    vector_prior,
)

PRIOR = vector_prior()
GROUPS = 5
LAST_SAMPLES = 100_000
INDICES = np.concatenate([noise_indices(11, 4 * 375, 1), likely_to_prior(PRIOR, 40, 1, noise_every=12)])
STREAM = Stream(MODEL_ID, INDICES, 4 * MINUTE_SAMPLES + LAST_SAMPLES, VOICE)
DATA = stream_to_bytes(STREAM, PRIOR)
RECORDS: tuple[GroupRecord, ...] = parse_layout(DATA).records


def salvaged(data: bytes) -> Salvage:
    """What is left, after what must hold of anything that is."""
    left = salvage_groups(data, MODEL_ID, PRIOR)
    place = 0
    for part in left.parts:
        assert part.start_sample == place
        place += part.sample_count
        if part.indices is not None:
            first = part.start_sample // 2_560
            np.testing.assert_array_equal(part.indices, INDICES[first : first + len(part.indices)])
            assert part.reason == ""
        else:
            assert part.reason and part.sample_count > 0
    assert place == left.sample_count
    assert left.voice == VOICE
    return left


def lost_minutes(left: Salvage) -> list[tuple[float, float]]:
    """Beginning and end of what is lost, in groups."""
    return [
        (part.start_sample / MINUTE_SAMPLES, (part.start_sample + part.sample_count) / MINUTE_SAMPLES)
        for part in left.lost
    ]


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_a_sound_file_loses_nothing() -> None:
    left = salvaged(DATA)
    assert (left.lost, left.is_end_missing, left.trailing_bytes, left.is_lossy) == ((), False, 0, False)
    assert left.sample_count == STREAM.sample_count


@pytest.mark.parametrize("number", range(GROUPS))
def test_a_damaged_payload_costs_its_minute(number: int) -> None:
    record = RECORDS[number]
    end = 4 + LAST_SAMPLES / MINUTE_SAMPLES if number == 4 else number + 1
    for data in (
        flipped(DATA, 8 * record.payload_start + 3),
        flipped(DATA, 8 * record.payload_end + 12),
        DATA[: record.payload_start] + bytes(9) + DATA[record.payload_start + 9 :],
    ):
        left = salvaged(data)
        assert lost_minutes(left) == [(number, end)]
        assert not left.is_end_missing
        assert left.sample_count == STREAM.sample_count


@pytest.mark.parametrize("number", range(GROUPS - 1))
def test_a_damaged_head_or_length_costs_its_minute(number: int) -> None:
    for bit in range(8 * RECORDS[number].start, 8 * RECORDS[number].payload_start):
        left = salvaged(flipped(DATA, bit))
        assert lost_minutes(left) == [(number, number + 1)]
        assert left.sample_count == STREAM.sample_count


def test_a_last_group_with_a_damaged_head_is_lost_and_said() -> None:
    for bit in range(8 * RECORDS[4].start, 8 * RECORDS[4].payload_start):
        left = salvaged(flipped(DATA, bit))
        assert left.is_lossy
        assert sum(part.indices is not None for part in left.parts) == 4


@pytest.mark.parametrize("count", [1, 2, 3])
def test_missing_groups_leave_a_gap_of_their_length(count: int) -> None:
    left = salvaged(DATA[: RECORDS[1].start] + DATA[RECORDS[1 + count].start :])
    assert lost_minutes(left) == [(1, 1 + count)]
    assert left.sample_count == STREAM.sample_count


def test_missing_and_added_bytes_do_not_shift_what_follows() -> None:
    inside = RECORDS[1].payload_start + 50
    assert lost_minutes(salvaged(DATA[:inside] + DATA[inside + 17 :])) == [(1, 2)]
    assert lost_minutes(salvaged(DATA[:inside] + bytes(range(30)) + DATA[inside:])) == [(1, 2)]
    assert lost_minutes(salvaged(DATA[: RECORDS[2].start] + bytes(range(30)) + DATA[RECORDS[2].start :])) == []
    assert lost_minutes(salvaged(DATA[:inside] + DATA[RECORDS[3].payload_start :])) == [(1, 4)]


def test_a_download_that_broke_off() -> None:
    for cut in (RECORDS[1].start, RECORDS[1].start + 1, RECORDS[1].payload_start + 5, RECORDS[2].start - 1):
        left = salvaged(DATA[:cut])
        assert left.is_end_missing and left.is_lossy
        assert [part.indices is not None for part in left.parts][:1] == [True]
        assert lost_minutes(left) == ([] if cut == RECORDS[1].start else [(1, 2)])
    left = salvaged(DATA[: RECORDS[4].payload_start + 3])
    assert lost_minutes(left) == [(4, 4 + LAST_SAMPLES / MINUTE_SAMPLES)]


def test_bytes_behind_the_end_are_counted() -> None:
    left = salvaged(DATA + b"tail")
    assert (left.trailing_bytes, left.is_lossy) == (4, False)


def test_what_cannot_be_helped_is_refused() -> None:
    with pytest.raises(FormatError):  # the header is covered by every check
        salvage_groups(flipped(DATA, 8 * 5), MODEL_ID, PRIOR)
    with pytest.raises(OtherModel):
        salvage_groups(DATA, b"\0\0", PRIOR)
    with pytest.raises(FormatError):
        salvage_groups(DATA[: RECORDS[0].payload_start + 9], MODEL_ID, PRIOR)
    with pytest.raises(NeedsPrior):
        salvage_groups(DATA, MODEL_ID)
    one = flipped((VECTORS / "valid" / "one-minute.srn").read_bytes(), 8 * 30)
    with pytest.raises(CheckFailed):
        salvage_groups(one, MODEL_ID, PRIOR)


@settings(max_examples=60, derandomize=True)
@given(
    wounds=st.lists(
        st.tuples(st.integers(0, len(DATA) - 1), st.integers(0, 40), st.binary(max_size=40)), min_size=1, max_size=4
    )
)
def test_any_damage_gives_the_original_or_silence(wounds: list[tuple[int, int, bytes]]) -> None:
    data = DATA
    for place, removed, added in wounds:
        data = data[:place] + added + data[place + removed :]
    with suppress(FormatError):  # nothing is left, or the header is hit
        salvaged(data)
