"""Whole files: round trips, the choice of coder, groups, and what cannot be said."""

from __future__ import annotations

import cProfile
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from siren_format.errors import NeedsPrior
from siren_format.layout import parse_layout
from siren_format.limits import SOURCE_RATES_HZ, Coder, frames_for, packed_size_bytes
from siren_format.prior import NeuralPrior
from siren_format.stream import Stream, bytes_to_stream, stream_to_bytes
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
ONE = np.array([[7]], dtype=np.int16)


def assert_same(a: Stream, b: Stream) -> None:
    np.testing.assert_array_equal(a.indices, b.indices)
    assert a.indices.dtype == b.indices.dtype == np.int16
    assert (a.model_id, a.sample_count, a.voice, a.source_rate_hz) == (
        b.model_id,
        b.sample_count,
        b.voice,
        b.source_rate_hz,
    )


@st.composite
def streams(draw: st.DrawFn, *, only_short: bool = False) -> Stream:
    short = st.integers(1, 60_000)
    near_seams = st.sampled_from([MINUTE_SAMPLES - 1, MINUTE_SAMPLES, MINUTE_SAMPLES + 1, 2 * MINUTE_SAMPLES])
    sample_count = draw(short if only_short else st.one_of(short, short, near_seams, st.integers(1, 3_000_000)))
    stages = draw(st.integers(1, 2))
    frames = frames_for(sample_count)
    seed = draw(st.integers(0, 2**32 - 1))
    kind = draw(st.sampled_from(["noise", "likely", "constant"]))
    indices = {
        "noise": noise_indices(seed, frames, stages),
        "likely": np.tile(likely_to_prior(PRIOR, 20, stages, noise_every=1 + seed % 7), (frames // 20 + 1, 1))[:frames],
        "constant": np.full((frames, stages), seed % 1_000, dtype=np.int16),
    }[kind]
    rates = st.one_of(st.just(16_000), st.sampled_from(SOURCE_RATES_HZ), st.integers(1, 1_000_000))
    return Stream(
        draw(st.binary(min_size=2, max_size=2)),
        indices,
        sample_count,
        draw(st.one_of(st.none(), st.binary(min_size=8, max_size=8))),
        draw(rates),
    )


@settings(max_examples=100)
@given(stream=streams())
def test_round_trip_without_a_prior(stream: Stream) -> None:
    require_round_trip(stream, None)


@settings(max_examples=50)
@given(stream=streams(only_short=True))
def test_round_trip_with_a_prior(stream: Stream) -> None:
    require_round_trip(stream, PRIOR)


def test_round_trip_of_groups_with_a_prior() -> None:
    indices = np.concatenate([likely_to_prior(PRIOR, 375, 1, noise_every=9), ONE, ONE])
    require_round_trip(Stream(MODEL_ID, indices, MINUTE_SAMPLES + 2_561, VOICE), PRIOR)


def require_round_trip(stream: Stream, prior: NeuralPrior | None) -> None:
    data = stream_to_bytes(stream, prior)
    assert_same(bytes_to_stream(data, stream.model_id, prior), stream)
    assert stream_to_bytes(stream, prior) == data
    layout = parse_layout(data)
    assert layout.header.to_bytes() == data[: layout.header_length]
    assert (layout.sample_count, layout.frames) == (stream.sample_count, len(stream.indices))
    assert layout.header.grouped == (stream.sample_count > MINUTE_SAMPLES)
    assert layout.header_bytes + layout.voice_bytes + layout.payload_bytes + layout.check_bytes == len(data)


def test_fixed_overhead_is_nine_bytes_and_the_voice_eight() -> None:
    bare = Stream(MODEL_ID, noise_indices(1, 19, 1), 48_000)
    voiced = Stream(MODEL_ID, noise_indices(1, 19, 1), 48_000, VOICE)
    packed = packed_size_bytes(19)
    assert len(stream_to_bytes(bare, None)) == packed + 9
    assert len(stream_to_bytes(voiced, None)) == packed + 17
    layout = parse_layout(stream_to_bytes(voiced, None))
    assert (layout.header_bytes, layout.voice_bytes, layout.payload_bytes, layout.check_bytes) == (
        7,
        8,
        packed,
        2,
    )
    assert layout.duration_s == 3.0
    assert layout.payload_bps == 8 * packed / 3
    assert layout.file_bps == 8 * (packed + 17) / 3


def test_a_group_costs_five_bytes_the_last_eight() -> None:
    stream = Stream(MODEL_ID, noise_indices(1, 751, 2), 2 * MINUTE_SAMPLES + 1)
    layout = parse_layout(stream_to_bytes(stream, None))
    assert layout.header_bytes + layout.check_bytes == 4 + 5 + 5 + 8
    assert [record.frames for record in layout.records] == [375, 375, 1]
    assert [record.number for record in layout.records] == [0, 1, 2]


def test_the_shorter_coder_is_chosen() -> None:
    likely = Stream(MODEL_ID, likely_to_prior(PRIOR, 19, 1, noise_every=4), 48_000)
    noisy = Stream(MODEL_ID, noise_indices(3, 19, 1), 48_000)
    assert parse_layout(stream_to_bytes(likely, PRIOR)).header.coder == Coder.NEURAL
    assert parse_layout(stream_to_bytes(noisy, PRIOR)).header.coder == Coder.PACKED
    assert len(stream_to_bytes(likely, PRIOR)) < len(stream_to_bytes(likely, None))


def test_groups_are_coded_as_if_alone() -> None:
    minute = likely_to_prior(PRIOR, 375, 1, noise_every=9)
    data = stream_to_bytes(Stream(MODEL_ID, np.concatenate([minute, minute]), 2 * MINUTE_SAMPLES), PRIOR)
    alone = stream_to_bytes(Stream(MODEL_ID, minute, MINUTE_SAMPLES), PRIOR)
    whole = parse_layout(alone).records[0]
    for record in parse_layout(data).records:
        assert data[record.payload_start : record.payload_end] == alone[whole.payload_start : whole.payload_end]


def test_a_prior_is_asked_for_when_the_file_needs_it() -> None:
    for name in ("neural-one-stage", "groups-of-both-coders"):
        data = (VECTORS / "valid" / f"{name}.srn").read_bytes()
        with pytest.raises(NeedsPrior) as caught:
            bytes_to_stream(data, MODEL_ID)
        coded = next(record for record in parse_layout(data).records if record.coder == Coder.NEURAL)
        assert (caught.value.offset, caught.value.field) == (coded.payload_start, "payload")


@pytest.mark.parametrize(
    ("indices", "sample_count", "message"),
    [
        (ONE.astype(np.float32), 2_560, "indices are float32, expected integers"),
        (ONE.astype(bool), 2_560, "indices are bool, expected integers"),
        (ONE, 2_561, r"indices are \[1, 1\], expected \[2, 1 or 2\]"),
        (ONE[0], 2_560, r"indices are \[1\], expected \[1, 1 or 2\]"),
        (np.zeros((1, 3), np.int16), 2_560, r"indices are \[1, 3\]"),
        (np.zeros((1, 0), np.int16), 2_560, r"indices are \[1, 0\]"),
        (np.array([[1_000]]), 2_560, r"indices are 1000\.\.1000, expected 0\.\.999"),
        (np.array([[-1]]), 2_560, r"indices are -1\.\.-1, expected 0\.\.999"),
        (np.array([[65_536]]), 2_560, r"indices are 65536\.\.65536, expected 0\.\.999"),
        (ONE, 0, r"0 samples, expected 1\.\.19200000000"),
        (ONE, 19_200_000_001, r"19200000001 samples, expected 1\.\.19200000000"),
    ],
)
def test_stream_that_cannot_be(indices: NDArray[np.int16], sample_count: int, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Stream(MODEL_ID, indices, sample_count)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model_id", "voice", "rate_hz", "message"),
    [
        (b"abc", None, 16_000, "model id of 3 bytes, expected 2"),
        (MODEL_ID, b"1234567", 16_000, "voice is not 8 bytes long"),
        (MODEL_ID, None, 0, r"source rate 0 Hz, expected 1\.\.1000000"),
        (MODEL_ID, None, 1_000_001, r"source rate 1000001 Hz, expected 1\.\.1000000"),
    ],
)
def test_header_that_cannot_be_said(model_id: bytes, voice: bytes | None, rate_hz: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stream_to_bytes(Stream(model_id, ONE, 2_560, voice, rate_hz), None)


def test_indices_of_any_integer_type_are_kept_as_int16() -> None:
    for dtype in (np.uint16, np.int32, np.int64, np.dtype(">i2")):
        assert_same(Stream(MODEL_ID, ONE.astype(dtype), 2_560), Stream(MODEL_ID, ONE, 2_560))


def test_a_new_process_writes_the_same_bytes() -> None:
    program = (
        "from tests.formats.valid_vectors import valid_files\n"
        "from tests.formats.vector_material import vector_prior\n"
        "files = valid_files(vector_prior())\n"
        "print(files['voice'].hex(), files['neural-two-stages'].hex())\n"
    )
    root = VECTORS.parents[1]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path[:0] = [{str(root)!r}, {str(root / 'formats')!r}]\n{program}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    for text, name in zip(done.stdout.split(), ("voice", "neural-two-stages"), strict=True):
        assert bytes.fromhex(text) == (VECTORS / "valid" / f"{name}.srn").read_bytes()


def test_the_work_of_coding_grows_with_the_frames_and_no_faster() -> None:
    """Counted in calls of functions, since times depend on the machine; `make bench-coding` measures those."""

    def calls(frames: int) -> int:
        stream = Stream(MODEL_ID, noise_indices(8, frames, 2), frames * 2_560)
        profile = cProfile.Profile()
        profile.runcall(lambda: bytes_to_stream(stream_to_bytes(stream, PRIOR), MODEL_ID, PRIOR))
        return sum(entry.callcount for entry in profile.getstats())

    calls(1)  # what happens once in a process
    short, long = calls(63), calls(4 * 63)
    assert short < 100 * 63
    assert long < 4.2 * short
