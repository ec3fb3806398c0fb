"""`siren_cli.load()`: the two arrows of the codec, on real recordings, with a small random model."""

from __future__ import annotations

import pickle  # noqa: TID251 - that callers' pickles of recordings are small is what is tested
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.numpy import load_file

import siren_cli
from siren_cli.audio.level import speech_level_db
from siren_cli.codec import Codec
from siren_cli.config import FRAME_SAMPLES, ModelConfig
from siren_cli.errors import AudioEmpty, AudioInvalid, UsageError
from siren_cli.registry.weights import find_model, save_model
from siren_cli.streaming.chunking import Chunking, Cutter
from siren_format.errors import OtherModel
from siren_format.layout import parse_layout
from siren_format.limits import Coder
from tests.formats.vector_material import likely_to_prior, vector_prior


@pytest.fixture(scope="module")
def speech(demo_clip: Path) -> np.ndarray:
    wav, rate_hz = soundfile.read(demo_clip, dtype="float32")
    assert rate_hz == 16000
    return wav


def test_round_trip_keeps_the_length_to_the_sample(codec: Codec, speech: np.ndarray) -> None:
    for samples in (1, 159, 2559, 2560, 2561, 40_001):
        coded = codec.encode(speech[:samples], 16000, stages=2)
        assert coded.indices.shape == (-(-samples // FRAME_SAMPLES), 2)
        assert coded.indices.dtype == np.int16
        decoded = codec.decode(coded.to_bytes())
        assert decoded.shape == (samples,) and decoded.dtype == np.float32
        assert np.isfinite(decoded).all() and np.abs(decoded).max() <= 1


def test_bytes_say_what_was_encoded(codec: Codec, speech: np.ndarray) -> None:
    coded = codec.encode(speech, 16000, stages=2)
    again = codec.from_bytes(coded.to_bytes())
    assert np.array_equal(again.indices, coded.indices)
    assert (again.voice, again.sample_count, again.source_rate_hz) == (coded.voice, 160_000, 16000)
    assert again.model_id == codec.model_id and again.duration_s == 10.0
    assert np.array_equal(codec.decode(again), codec.decode(coded))


def test_stage_one_of_two_is_stage_one_alone(codec: Codec, speech: np.ndarray) -> None:
    both, one = (codec.encode(speech, 16000, stages=stages) for stages in (2, 1))
    assert np.array_equal(both.indices[:, :1], one.indices) and both.voice == one.voice


def test_the_same_file_decodes_to_the_same_indices_with_one_and_two_threads(
    tiny_model: Path, codec: Codec, speech: np.ndarray
) -> None:
    data = codec.encode(speech, 16000, stages=2).to_bytes()
    before = torch.get_num_threads()
    try:
        indices = [siren_cli.load(tiny_model, threads=threads).from_bytes(data).indices for threads in (1, 2)]
        wavs = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            wavs.append(codec.decode(data))
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(*indices)
    np.testing.assert_allclose(*wavs, atol=1e-3)


def test_a_recording_gives_the_same_bytes_whatever_was_encoded_before_it(
    tiny_model: Path, codec: Codec, short_clips: list[Path]
) -> None:
    recordings = [soundfile.read(clip, dtype="float32")[0] for clip in short_clips]
    one_after_another = [codec.encode(wav, 16000).to_bytes() for wav in recordings]
    alone = [siren_cli.load(tiny_model).encode(wav, 16000).to_bytes() for wav in recordings]
    backwards = [codec.encode(wav, 16000).to_bytes() for wav in reversed(recordings)]
    assert one_after_another == alone == backwards[::-1]


def test_decoding_twice_gives_the_same_samples(codec: Codec, speech: np.ndarray) -> None:
    coded = codec.encode(speech[:40_000], 16000)
    assert np.array_equal(codec.decode(coded), codec.decode(coded))


def test_level_travels_with_the_voice(codec: Codec, speech: np.ndarray) -> None:
    loud = codec.encode(speech, 16000)
    soft = codec.encode(speech * 0.1, 16000)
    assert np.array_equal(loud.indices, soft.indices)
    drop_db = speech_level_db(codec.decode(loud)) - speech_level_db(codec.decode(soft))
    assert abs(drop_db - 20) <= 0.5


def test_channels_are_mixed_and_rates_converted(codec: Codec, speech: np.ndarray) -> None:
    mono = codec.encode(speech, 16000)
    stereo = codec.encode(np.stack([speech, speech], axis=1), 16000)
    assert mono.to_bytes() == stereo.to_bytes()
    fast = codec.encode(np.repeat(speech[:8000], 3), 48000)
    assert (fast.sample_count, fast.source_rate_hz) == (8000, 48000)


def test_digital_silence_is_legal_and_stays_silent(codec: Codec) -> None:
    decoded = codec.decode(codec.encode(np.zeros(30_000, np.float32), 16000).to_bytes())
    assert decoded.shape == (30_000,) and np.abs(decoded).max() < 1e-3


def test_a_voice_is_optional(codec: Codec, speech: np.ndarray) -> None:
    coded = codec.encode(speech[:40_000], 16000)
    nobody = siren_cli.Coded(coded.indices, None, coded.sample_count, 16000, coded.model_id)
    decoded = codec.decode(nobody.to_bytes())
    assert decoded.shape == (40_000,) and not np.array_equal(decoded, codec.decode(coded))


def test_what_cannot_be_encoded_is_refused(codec: Codec) -> None:
    with pytest.raises(AudioEmpty):
        codec.encode([], 16000)
    with pytest.raises(AudioInvalid, match="not finite"):
        codec.encode([0.0, float("nan")], 16000)
    with pytest.raises(AudioInvalid, match="shape"):
        codec.encode(np.zeros((2, 2, 2)), 16000)
    with pytest.raises(UsageError, match="3 stages"):
        codec.encode([0.1], 16000, stages=3)


def test_another_models_file_is_refused(codec: Codec, speech: np.ndarray) -> None:
    coded = codec.encode(speech[:5000], 16000)
    stranger = siren_cli.Coded(coded.indices, coded.voice, coded.sample_count, 16000, b"\0\0")
    with pytest.raises(OtherModel):
        codec.decode(stranger.to_bytes())


def test_impossible_devices_are_refused(tiny_model: Path) -> None:
    with pytest.raises(UsageError, match="abacus"):
        siren_cli.load(tiny_model, device="abacus")


CONFIG = ModelConfig()


@pytest.mark.parametrize("chunking", [Chunking.for_encoding(CONFIG), Chunking.for_decoding(CONFIG), Chunking(7, 20, 3)])
@pytest.mark.parametrize("frames", [1, 358, 359, 375, 376, 391, 392, 3 * 375 + 7])
def test_chunks_keep_every_frame_once(chunking: Chunking, frames: int) -> None:
    chunks = list(chunking.chunks_of(frames))
    kept = [frame for chunk in chunks for frame in range(chunk.start, chunk.stop)[chunk.keep]]
    assert kept == list(range(frames))
    most = chunking.chunk_frames + 2 * chunking.context_frames
    assert all(chunk.stop - chunk.start <= most for chunk in chunks)
    assert all(
        chunk.start == max(0, kept_from - chunking.context_frames) and chunk.stop <= frames
        for chunk in chunks
        for kept_from in [chunk.start + chunk.keep.start]
    )


@pytest.mark.parametrize("piece_rows", [1, 7, 100, 5_000])
def test_what_arrives_piece_by_piece_is_cut_the_same(piece_rows: int) -> None:
    rows, chunking = np.arange(1_001), Chunking(7, 20, 3)
    whole = [(chunk, list(shown)) for chunk, shown in chunking.cut(rows, 4)]
    cutter = Cutter(chunking, 4)
    pushed = [cut for start in range(0, 1_001, piece_rows) for cut in cutter.push(rows[start : start + piece_rows])]
    assert [(chunk, list(shown)) for chunk, shown in [*pushed, *cutter.finish()]] == whole


def test_chunks_meet_without_a_seam(codec: Codec, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    coded = codec.encode(speech, 16000, stages=2)
    whole = codec.decode(coded)
    context = codec.decoding.context_frames
    monkeypatch.setattr(codec, "decoding", Chunking(5, 10, context))
    np.testing.assert_allclose(codec.decode(coded), whole, atol=1e-3)
    # Without the context they would not: what is compared can tell.
    monkeypatch.setattr(codec, "decoding", Chunking(5, 10, 1))
    assert np.abs(codec.decode(coded) - whole).max() > 1e-2


def test_long_recordings_become_groups(codec: Codec, speech: np.ndarray) -> None:
    long = np.tile(speech, 7)[: 61 * 16000]
    data = codec.encode(long, 16000).to_bytes()
    assert codec.decode(data).shape == long.shape
    assert codec.from_bytes(data).indices.shape == (382, 1)


def test_a_models_prior_codes_its_files(tiny_model: Path, tmp_path: Path, codec: Codec) -> None:
    prior = vector_prior()
    tensors = {**load_file(tiny_model / "model.safetensors"), **prior.to_arrays()}
    save_model(tmp_path / "with-prior", (tiny_model / "config.json").read_text(), tensors)
    with_prior = siren_cli.load(tmp_path / "with-prior")
    assert with_prior.model_id == find_model(tmp_path / "with-prior").model_id != codec.model_id
    indices = likely_to_prior(prior, 20, 2, noise_every=9)
    wav = with_prior.encode(np.zeros(20 * FRAME_SAMPLES, np.float32), 16000, stages=2)
    data = replace(wav, indices=indices).to_bytes()
    assert [record.coder for record in parse_layout(data).records] == [Coder.NEURAL]
    assert np.array_equal(with_prior.from_bytes(data).indices, indices)
    assert with_prior.decode(data).shape == (20 * FRAME_SAMPLES,)


def test_a_coded_recording_compares_prints_and_pickles_small(codec: Codec, speech: np.ndarray) -> None:
    coded = codec.encode(speech[None], 16_000)
    assert coded == codec.encode(torch.from_numpy(speech), 16_000) != codec.encode(speech[1:], 16_000)
    assert len({coded, codec.from_bytes(coded.to_bytes())}) == 1
    assert repr(coded).startswith("Coded(10.000 s, 63 frames, stages 1, voice ")
    data = pickle.dumps(coded)
    again = pickle.loads(data)  # noqa: S301
    assert len(data) < 2_000
    assert again == coded and again.to_bytes() == coded.to_bytes()
    assert np.array_equal(codec.decode(bytearray(again.to_bytes())), codec.decode(coded))


@pytest.mark.parametrize(
    ("indices", "sample_count", "message"),
    [
        (np.full((1, 1), -1), 2_560, "an index is -1, expected 0..999"),
        (np.full((1, 1), 1_000), 2_560, "an index is 1000, expected 0..999"),
        (np.zeros((1, 1)), 2_560, "float64"),
        (np.zeros((0, 1), np.int16), 0, "at least one frame"),
        (np.zeros((2, 1), np.int16), 2_560, "2 frames and 2560 samples"),
        (np.zeros((1, 3), np.int16), 2_560, "1 or 2 stages"),
    ],
)
def test_what_is_no_recording_is_refused(codec: Codec, indices: np.ndarray, sample_count: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        codec.coded(indices, None, sample_count)
    with pytest.raises(UsageError, match="a str was given"):
        codec.decode("talk.srn")  # type: ignore[arg-type]


def test_torch_s_state_is_the_caller_s(tiny_model: Path, speech: np.ndarray) -> None:
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    own = siren_cli.load(tiny_model, device="cpu")
    assert torch.equal(torch.rand(3), wanted)
    before = own.encode(speech[:9_000], 16_000)
    try:
        torch.set_default_dtype(torch.float64)
        other = siren_cli.load(tiny_model, device="cpu").encode(speech[:9_000], 16_000)
        assert other == before == own.encode(speech[:9_000], 16_000)
        assert own.decode(other).dtype == np.float32
        assert torch.get_default_dtype() is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
