"""Damage: every truncation, flipped bit and random byte string ends in a ``FormatError`` alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siren_format.entropy import decode_indices
from siren_format.errors import BadPayload, CheckFailed, FormatError, OtherModel
from siren_format.header import parse_header
from siren_format.layout import parse_layout
from siren_format.prior import NeuralPrior
from siren_format.stream import Stream, bytes_to_stream, stream_to_bytes
from tests.formats import reference_prior
from tests.formats.vector_material import MODEL_ID, VECTORS, vector_prior
from tests.tools.determinism.mutation import outcomes

UNGROUPED = [
    "worked-example",
    "packed-two-stages",
    "neural-one-stage",
    "neural-two-stages",
    "neural-payload-of-no-bytes",
    "voice",
    "source-rate-written-out",
    "one-sample",
]
GROUPED = ["groups-one-minute-and-a-sample", "groups-of-both-coders"]
PRIOR = vector_prior()
ARRAYS = {name.removeprefix("prior."): array.tolist() for name, array in PRIOR.to_arrays().items()}


def vector(name: str) -> bytes:
    return (VECTORS / "valid" / f"{name}.srn").read_bytes()


def flipped(data: bytes, bit: int) -> bytes:
    return (int.from_bytes(data, "little") ^ 1 << bit).to_bytes(len(data), "little")


@pytest.mark.parametrize("name", UNGROUPED + GROUPED)
def test_every_truncation_is_refused(name: str, prior: NeuralPrior) -> None:
    data = vector(name)
    for length in range(len(data)):
        with pytest.raises(FormatError):
            bytes_to_stream(data[:length], MODEL_ID, prior)


@pytest.mark.parametrize("name", UNGROUPED + GROUPED)
def test_every_flipped_bit_is_refused(name: str, prior: NeuralPrior) -> None:
    data = vector(name)
    for bit in range(8 * len(data)):
        with pytest.raises(OtherModel if 16 <= bit < 32 else FormatError):
            bytes_to_stream(flipped(data, bit), MODEL_ID, prior)


@pytest.mark.parametrize("name", UNGROUPED)
def test_every_flipped_bit_is_refused_without_a_model(name: str) -> None:
    data = vector(name)
    for bit in range(8 * len(data)):
        with pytest.raises(FormatError):
            parse_layout(flipped(data, bit))


@pytest.mark.parametrize("name", GROUPED)
def test_flipped_payload_bits_of_groups_are_refused_without_a_model(name: str) -> None:
    data = vector(name)
    for record in parse_layout(data).records:
        for bit in range(8 * record.payload_start, 8 * (record.payload_end + 2)):
            with pytest.raises(CheckFailed):
                parse_layout(flipped(data, bit))


@pytest.mark.parametrize("name", ["embed", "start", "near", "far", "bias", "back", "context", "earlier", "out", "exp2"])
def test_a_changed_prior_never_gives_other_indices(name: str, prior: NeuralPrior) -> None:
    data = vector("neural-two-stages")
    stream = bytes_to_stream(data, MODEL_ID, prior)
    rng = np.random.default_rng(len(name))
    arrays = prior.to_arrays()
    for _ in range(8):
        array = np.array(arrays[f"prior.{name}"])
        place = int(rng.integers(1, array.size - 1))
        array.flat[place] = array.flat[place + 1] if name == "exp2" else array.flat[place] // 2 + 1
        try:
            read = bytes_to_stream(data, MODEL_ID, NeuralPrior.from_arrays({**arrays, f"prior.{name}": array}))
        except FormatError:
            continue
        np.testing.assert_array_equal(read.indices, stream.indices)


def test_a_number_changed_anywhere_in_the_weights_never_gives_other_indices() -> None:
    # Every 60th number; make determinism changes all of them.
    found = outcomes(every=60)
    assert found["OTHER"] == 0 and found["refused"] > 20


@settings(max_examples=300, derandomize=True)
@given(head=st.sampled_from([bytes((0xD3, flags)) + MODEL_ID for flags in range(128)]), rest=st.binary())
def test_random_bytes_raise_nothing_but_format_errors(head: bytes, rest: bytes) -> None:
    with pytest.raises(FormatError):
        bytes_to_stream(head + rest, MODEL_ID, PRIOR)


@settings(max_examples=300, derandomize=True)
@given(payload=st.one_of(st.binary(max_size=9), st.binary(max_size=16)), stages=st.integers(1, 2))
def test_random_payloads_decode_to_one_form_or_are_refused(payload: bytes, stages: int) -> None:
    try:
        expected = reference_prior.decode(payload, 5, stages, ARRAYS)
    except ArithmeticError:
        expected = None
    if expected is not None and reference_prior.encode(expected, ARRAYS) == payload:
        assert decode_indices(payload, 5, stages, PRIOR, offset=0).tolist() == expected
    else:
        with pytest.raises(BadPayload):
            decode_indices(payload, 5, stages, PRIOR, offset=0)


def test_other_model_is_named_before_anything_else_is_looked_at() -> None:
    data = vector("neural-one-stage")
    with pytest.raises(OtherModel, match="needs model a1b2, the weights at hand are model ffff") as caught:
        bytes_to_stream(data[:-3], b"\xff\xff")
    assert (caught.value.found, caught.value.expected) == (MODEL_ID, b"\xff\xff")


def test_an_absurd_claim_allocates_nothing() -> None:
    claim = bytes.fromhex("d301a1b2ffffff")
    with pytest.raises(FormatError, match=r"sample count 16777215, expected 1\.\.960000"):
        parse_header(claim)


def test_a_file_of_more_than_20000_groups_is_refused() -> None:
    header = bytes.fromhex("d340a1b2")
    # Parity is looked at after the structure, so the check bytes do not matter here.
    record = bytes.fromhex("0400000000")
    with pytest.raises(FormatError, match="more than 20000 groups") as caught:
        parse_layout(header + 20_001 * record)
    assert caught.value.offset == 4 + 20_000 * len(record)


def test_parity_fails_before_a_prior_is_needed() -> None:
    stream = Stream(MODEL_ID, np.array([[3], [4]], dtype=np.int16), 5_000)
    data = stream_to_bytes(stream, PRIOR)
    with pytest.raises(CheckFailed, match="odd"):
        bytes_to_stream(flipped(data, 8 * 8), MODEL_ID)
