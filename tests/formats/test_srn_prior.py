"""Coder 2: the same integers from every way of computing them, and against a second implementation."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from siren_format.entropy import decode_indices, decode_payload, encode_indices
from siren_format.errors import BadPayload
from siren_format.layout import parse_layout
from siren_format.limits import Coder
from siren_format.packing import pack_indices
from siren_format.prior import DIGIT_LEVELS, NeuralPrior
from siren_format.prior_rows import PriorWalk, largest_sum, point_bits, prior_digit_bits, prior_rows
from siren_format.prior_voice import voice_bits
from siren_format.stream import Stream, bytes_to_stream, encode_payload, stream_to_bytes
from tests.conftest import HUNG_AFTER_S
from tests.formats import reference_prior
from tests.formats.vector_material import (
    MODEL_ID,
    UNLIKELY_VOICE,
    likely_to_prior,
    likely_voice_to_prior,
    noise_indices,
    vector_prior,
    wide_prior,
)

ROOT = Path(__file__).parents[2]
PRIOR = vector_prior()
ARRAYS = {name.removeprefix("prior."): array.tolist() for name, array in PRIOR.to_arrays().items()}


@st.composite
def index_arrays(draw: st.DrawFn, most_frames: int = 40) -> NDArray[np.int16]:
    frames, stages = draw(st.integers(1, most_frames)), draw(st.integers(1, 2))
    seed = draw(st.integers(0, 2**32 - 1))
    if draw(st.booleans()):
        return noise_indices(seed, frames, stages)
    return likely_to_prior(PRIOR, frames, stages, noise_every=1 + seed % 9)


@settings(max_examples=25)
@given(indices=index_arrays(most_frames=7))
def test_both_implementations_agree(indices: NDArray[np.int16]) -> None:
    columns = prior_rows(indices, PRIOR)
    expected = [row for row, _ in reference_prior.rows(ARRAYS, indices.tolist())]
    assert [columns[k][t].tolist() for t in range(len(indices)) for k in range(len(columns))] == expected
    assert encode_indices(indices, PRIOR) == reference_prior.encode(indices.tolist(), ARRAYS)


@settings(max_examples=20)
@given(indices=index_arrays())
def test_rows_are_the_same_with_every_type_that_is_exact(indices: NDArray[np.int16]) -> None:
    for kind in (np.float32, np.float64):
        for found, expected in zip(prior_rows(indices, PRIOR, kind=kind), prior_rows(indices, PRIOR), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_float32_is_taken_only_where_no_sum_can_leave_its_integers() -> None:
    assert largest_sum(PRIOR) <= 2**24
    biased = replace(PRIOR, bias=np.full_like(PRIOR.bias, 2**24))
    assert largest_sum(biased) > 2**24
    # An odd sum above 2**24 is none of float32's numbers: what is taken instead has to say what integers say.
    indices = noise_indices(4, 30, 2)
    for found, expected in zip(prior_rows(indices, biased), prior_rows(indices, biased, kind=np.int64), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
@settings(max_examples=40)
@given(indices=index_arrays())
def test_rows_are_frequencies_and_the_same_with_int64_and_digit_by_digit(indices: NDArray[np.int16]) -> None:
    for prior in (PRIOR, wide_prior(PRIOR)):
        columns = prior_rows(indices, prior)
        for k, (floats, ints) in enumerate(zip(columns, prior_rows(indices, prior, kind=np.int64), strict=True)):
            assert floats.shape == (len(indices), DIGIT_LEVELS[k])
            assert floats.min() >= 1 and np.all(floats.sum(axis=1) == 65_536)
            np.testing.assert_array_equal(floats, ints)
        walk = PriorWalk(prior, *indices.shape)
        for frame, row_of_indices in enumerate(indices.tolist()):
            for k, value in enumerate(value for index in row_of_indices for value in reference_prior.split(index)):
                assert walk.row() == columns[k][frame].tolist()
                walk.take(value)


@settings(max_examples=40)
@given(indices=index_arrays())
def test_round_trip_and_length(indices: NDArray[np.int16]) -> None:
    payload = encode_indices(indices, PRIOR)
    np.testing.assert_array_equal(decode_indices(payload, *indices.shape, PRIOR, offset=0), indices)
    bits = prior_digit_bits(indices, PRIOR)
    assert bits.shape == (*indices.shape, 4)
    # The bound of the issue: 2 % and a byte above the model's own cross-entropy.
    assert 8 * len(payload) <= 1.02 * bits.sum() + 8


@settings(max_examples=10)
@given(indices=index_arrays(most_frames=4), data=st.data())
def test_bits_of_every_point_are_those_of_the_coder(indices: NDArray[np.int16], data: st.DataObject) -> None:
    for stage in range(indices.shape[1]):
        every = point_bits(indices, PRIOR, stage)
        assert every.shape == (len(indices), 1_000)
        np.testing.assert_allclose(np.exp2(-every.astype(np.float64)).sum(axis=1), 1.0, rtol=1e-5)
        frame, point = data.draw(st.integers(0, len(indices) - 1)), data.draw(st.integers(0, 999))
        other = indices.copy()
        other[frame, stage] = point
        own = prior_digit_bits(other, PRIOR)[frame, stage].sum()
        assert every[frame, point] == pytest.approx(own, rel=1e-5)


@settings(max_examples=20)
@given(indices=index_arrays(most_frames=4), voice=st.binary(min_size=8, max_size=8))
def test_a_voice_is_coded_before_the_frames(indices: NDArray[np.int16], voice: bytes) -> None:
    payload = encode_indices(indices, PRIOR, voice)
    assert payload == reference_prior.encode(indices.tolist(), ARRAYS, voice)
    decoded, again = decode_payload(payload, *indices.shape, PRIOR, offset=0, has_voice=True)
    np.testing.assert_array_equal(decoded, indices)
    assert again == voice
    assert 8 * len(payload) <= 1.02 * (prior_digit_bits(indices, PRIOR).sum() + voice_bits(voice, PRIOR)) + 8


def test_a_voice_is_coded_where_that_is_shorter() -> None:
    indices = likely_to_prior(PRIOR, 19, 1, noise_every=4)
    sizes = {}
    for name, voice in (("likely", likely_voice_to_prior(PRIOR)), ("unlikely", UNLIKELY_VOICE)):
        stream = Stream(MODEL_ID, indices, 48_000, voice)
        data = stream_to_bytes(stream, PRIOR)
        assert bytes_to_stream(data, MODEL_ID, PRIOR).voice == voice
        layout = parse_layout(data)
        assert layout.header.has_coded_voice == (name == "likely")
        assert layout.voice_bytes == (0 if name == "likely" else 8)
        sizes[name] = len(data)
    assert sizes["unlikely"] - sizes["likely"] > 4


@pytest.mark.parametrize("frames", [1, 2, 375])
def test_all_group_lengths(frames: int) -> None:
    for stages in (1, 2):
        indices = noise_indices(frames, frames, stages)
        payload = encode_indices(indices, PRIOR)
        np.testing.assert_array_equal(decode_indices(payload, frames, stages, PRIOR, offset=0), indices)


def test_a_digit_depends_on_nothing_that_comes_later() -> None:
    indices = noise_indices(4, 12, 2)
    changed = indices.copy()
    changed[7:] = noise_indices(5, 5, 2)
    for before, after in zip(prior_rows(indices, PRIOR), prior_rows(changed, PRIOR), strict=True):
        np.testing.assert_array_equal(before[:7], after[:7])
    first, again = (prior_rows(both, PRIOR) for both in (indices, changed))
    np.testing.assert_array_equal(first[0][7], again[0][7])
    assert any(not np.array_equal(a[8:], b[8:]) for a, b in zip(first, again, strict=True))


def test_the_shorter_coder_is_chosen() -> None:
    liked = likely_to_prior(PRIOR, 30, 1, noise_every=9)
    assert encode_payload(liked, PRIOR) == (Coder.NEURAL, encode_indices(liked, PRIOR))
    for indices in (liked, noise_indices(1, 30, 1), noise_indices(2, 1, 2)):
        sizes = (len(pack_indices(indices)), len(encode_indices(indices, PRIOR)))
        assert len(encode_payload(indices, PRIOR)[1]) == min(sizes)
        assert encode_payload(indices) == (Coder.PACKED, pack_indices(indices))


def test_noise_is_refused_or_has_one_form() -> None:
    rng = np.random.default_rng(6)
    refused = 0
    for length in range(40):
        payload = rng.bytes(length)
        try:
            indices = decode_indices(payload, 19, 1, PRIOR, offset=8)
        except BadPayload:
            refused += 1
        else:
            assert encode_indices(indices, PRIOR) == payload
    assert refused >= 20


@pytest.mark.slow
@pytest.mark.parametrize(
    "variables",
    [{"OPENBLAS_NUM_THREADS": "1"}, {"OPENBLAS_NUM_THREADS": "2"}, {"OPENBLAS_NUM_THREADS": "4"},
     {"OPENBLAS_CORETYPE": "Prescott"}, {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3"}],
    ids=str,
)  # fmt: skip
def test_threads_and_kinds_of_processor_do_not_matter(variables: dict[str, str]) -> None:
    code = (
        "from siren_format.entropy import encode_indices\n"
        "from tests.formats.test_srn_prior import wide_prior, PRIOR\n"
        "from tests.formats.vector_material import noise_indices\n"
        "for prior in (wide_prior(PRIOR), PRIOR):\n    print(encode_indices(noise_indices(9, 375, 2), prior).hex())\n"
    )
    paths = os.pathsep.join((str(ROOT), str(ROOT / "formats")))
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=HUNG_AFTER_S, check=False,
        env={**os.environ, "PYTHONPATH": paths, **variables},
    )  # fmt: skip
    indices = noise_indices(9, 375, 2)
    assert result.stdout.split() == [encode_indices(indices, prior).hex() for prior in (wide_prior(PRIOR), PRIOR)]


def changed(name: str, array: Any) -> dict[str, Any]:
    return {**PRIOR.to_arrays(), f"prior.{name}": array}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"prior.embed": PRIOR.embed}, r"missing: \['prior.back'"),
        ({**PRIOR.to_arrays(), "prior.more": PRIOR.embed}, r"not known: \['prior.more'\]"),
        (changed("embed", PRIOR.embed[0]), "not a matrix"),
        (changed("embed", PRIOR.embed[:, :0]), "states of 0"),
        (changed("near", PRIOR.near[:, :-1]), "prior.near is int8"),
        (changed("near", PRIOR.near.astype(np.int16)), "expected int8"),
        (changed("dilations", np.array([0, 3], np.int16)), "a dilation is not 1..375"),
        (changed("bias", PRIOR.bias + 2**25), "a bias is above"),
        (changed("out", np.full_like(PRIOR.out, -128)), "a weight is -128"),
        (changed("exp2", PRIOR.exp2[::-1]), "exp2 does not fall"),
        (changed("voice_parents", PRIOR.voice_parents + 3), "depends on a later one"),
        (changed("voice_level", PRIOR.voice_level[::-1] // 2), "a row of the voice"),
        (changed("voice_digits", np.zeros_like(PRIOR.voice_digits)), "a row of the voice"),
    ],
)
def test_an_impossible_prior_is_refused(arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NeuralPrior.from_arrays(arrays)


def test_a_prior_is_read_only_and_keeps_its_arrays() -> None:
    again = NeuralPrior.from_arrays({"other": PRIOR.embed, **PRIOR.to_arrays()})
    for name, array in again.to_arrays().items():
        np.testing.assert_array_equal(array, PRIOR.to_arrays()[name])
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
