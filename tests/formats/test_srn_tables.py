"""The tables: validation, fitting, and what they measure."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from siren_format.entropy import encode_indices
from siren_format.fitting import fit_tables
from siren_format.tables import Tables, context_rows, cross_entropy_bits
from tests.formats.vector_material import noise_indices


def walk(seed: int, frames: int) -> NDArray[np.int16]:
    """Make speech-like indices: every digit of stage 1 moves by at most one; stage 2 is noise."""
    random = np.random.default_rng(seed)
    steps = random.integers(-1, 2, size=(frames, 4))
    digits = np.empty((frames, 4), dtype=np.int64)
    state = np.array([4, 2, 2, 2])
    for t in range(frames):
        state = np.clip(state + steps[t], 0, [7, 4, 4, 4])
        digits[t] = state
    return np.stack([digits @ [1, 8, 40, 200], random.integers(0, 1_000, frames)], axis=1).astype(np.int16)


def test_arrays_and_back(tables: Tables) -> None:
    arrays = tables.to_arrays()
    assert {name: array.shape for name, array in arrays.items()} == {
        f"tables.stage{stage}.digit{digit}": shape
        for stage in (1, 2)
        for digit, shape in enumerate([(9, 1, 8), (6, 8, 5), (6, 40, 5), (6, 200, 5)])
    }
    again = Tables.from_arrays({**arrays, "encoder.weight": np.zeros(3)})
    for name, array in again.to_arrays().items():
        np.testing.assert_array_equal(array, arrays[name])
        assert not array.flags.writeable


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda a: a.pop("tables.stage2.digit3"),
            r"tables missing: \['tables.stage2.digit3'\], not known: \[\]",
        ),
        (
            lambda a: a.update({"tables.stage3.digit0": a["tables.stage1.digit0"]}),
            "not known: .*stage3.digit0",
        ),
        (
            lambda a: a.update({"tables.stage1.digit0": a["tables.stage1.digit0"][:8]}),
            r"uint16 \(8, 1, 8\), exp",
        ),
        (lambda a: a.update({"tables.stage1.digit0": a["tables.stage1.digit0"].astype(int)}), "is int64"),
        (lambda a: a["tables.stage1.digit1"].__setitem__((0, 0), [0, 1, 1, 1, 65_533]), "an entry of 0"),
        (
            lambda a: a["tables.stage1.digit1"].__setitem__((0, 0), [1, 1, 1, 1, 65_533]),
            "does not sum to 65536",
        ),
    ],
)
def test_tables_that_are_refused(change: object, message: str, tables: Tables) -> None:
    arrays = {name: array.copy() for name, array in tables.to_arrays().items()}
    assert callable(change)
    change(arrays)
    with pytest.raises(ValueError, match=message):
        Tables.from_arrays(arrays)


def test_tables_of_one_stage_are_refused(tables: Tables) -> None:
    with pytest.raises(ValueError, match="4 arrays for each of 2 stages"):
        Tables(tables.frequencies[:1])


def test_rows_count_the_predecessor_and_the_earlier_digits() -> None:
    # Digits 3 1 2 4 and then 7 4 4 4.
    indices = np.array([[3 + 8 * 1 + 40 * 2 + 200 * 4], [999]])
    digits, rows = context_rows(indices)
    assert digits[:, 0].tolist() == [[3, 1, 2, 4], [7, 4, 4, 4]]
    assert rows[0, 0].tolist() == [8, 5 * 8 + 3, 5 * 40 + 11, 5 * 200 + 91]
    assert rows[1, 0].tolist() == [3, 1 * 8 + 7, 2 * 40 + 39, 4 * 200 + 199]


def test_without_recordings_all_values_are_equally_likely() -> None:
    tables = fit_tables([])
    assert {tuple(row) for row in tables.frequencies[0][0].reshape(-1, 8)} == {(8_192,) * 8}
    assert {tuple(row) for row in tables.frequencies[1][3].reshape(-1, 5)} == {(13_108, *(13_107,) * 4)}
    assert cross_entropy_bits(noise_indices(1, 100, 2), tables) == pytest.approx(200 * np.log2(1_000), rel=1e-4)


def test_fitted_tables_predict_unseen_recordings() -> None:
    tables = fit_tables([walk(seed, 60) for seed in range(200)])
    unseen = walk(1_000, 375)
    stage_1 = cross_entropy_bits(unseen[:, :1], tables) / 375
    both = cross_entropy_bits(unseen, tables) / 375
    # Each of four digits takes one of three steps, or of two at an edge: at most 4 log2(3) = 6.3 bits.
    assert stage_1 < 6.0
    # Noise cannot be predicted, and must not cost much more for having been counted.
    assert np.log2(1_000) - 0.1 < both - stage_1 < 1.02 * np.log2(1_000)
    payload_bits = 8 * len(encode_indices(unseen, tables))
    assert cross_entropy_bits(unseen, tables) - 1 < payload_bits < cross_entropy_bits(unseen, tables) + 10


def test_fitting_is_deterministic_and_does_not_depend_on_order() -> None:
    recordings = [walk(seed, 30) for seed in range(20)]
    first = fit_tables(recordings).to_arrays()
    second = fit_tables(recordings[::-1]).to_arrays()
    for name, array in first.items():
        np.testing.assert_array_equal(second[name], array)


def test_a_single_recording_leaves_every_value_possible() -> None:
    for stage in fit_tables([np.full((375, 2), 999, dtype=np.int16)]).frequencies:
        for table in stage:
            assert table.min() >= 1


def test_recordings_of_one_stage_are_refused() -> None:
    with pytest.raises(ValueError, match=r"not \[F, 2\]"):
        fit_tables([np.zeros((3, 1), dtype=np.int16)])
