"""Long recordings piece by piece: the same bytes and samples as at once, before the recording has ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from siren_cli.audio.activity import voice_minute
from siren_cli.audio.level import LevelMeter, speech_level_db
from siren_cli.audio.resampling import mono_16_khz
from siren_cli.codec import Codec
from siren_cli.coded import Coded
from siren_cli.config import FRAME_SAMPLES
from siren_cli.errors import AudioEmpty, AudioInvalid, UsageError
from siren_cli.streaming.decoder import StreamDecoder
from siren_cli.streaming.encoder import Intake, encode_stream, level_db_of
from siren_cli.streaming.salvage import loss_facts, loss_rows, speak_salvage
from siren_format.errors import FormatError
from siren_format.layout import parse_layout
from siren_format.voice import voice_level_db

MINUTE = 60 * 16_000
Wav = NDArray[np.float32]


@pytest.fixture(scope="module")
def speech(demo_clip: Path, short_clips: list[Path]) -> Wav:
    """2 minutes and a bit, the second half of it much softer."""
    clips = [soundfile.read(clip, dtype="float32")[0] for clip in (demo_clip, *short_clips)]
    wav = np.tile(np.concatenate(clips), 6)[: 2 * MINUTE + 41_234]
    wav[MINUTE:] *= 0.25
    return wav


@pytest.fixture(scope="module")
def coded(codec: Codec, speech: Wav) -> Coded:
    return codec.encode(speech, 16_000, stages=2)


@pytest.fixture(scope="module")
def whole(codec: Codec, coded: Coded) -> Wav:
    return codec.decode(coded)


def blocks(wav: Wav, size: int) -> Iterator[Wav]:
    yield from (wav[start : start + size] for start in range(0, len(wav), size))


@pytest.mark.parametrize("size", [30_011, 10**9])
def test_the_bytes_are_those_of_encoding_at_once(codec: Codec, speech: Wav, coded: Coded, size: int) -> None:
    level_db = level_db_of(blocks(speech, size), 16_000)
    assert level_db == speech_level_db(mono_16_khz(speech, 16_000))
    data = b"".join(codec.encode_stream(blocks(speech, size), 16_000, stages=2, level_db=level_db))
    assert data == coded.to_bytes()


@pytest.mark.parametrize("sample_count", [1, 2_560, MINUTE + 1, MINUTE + FRAME_SAMPLES])
def test_up_to_a_minute_nothing_need_be_known(codec: Codec, speech: Wav, sample_count: int) -> None:
    wav = speech[:sample_count]
    assert b"".join(codec.encode_stream(blocks(wav, 70_000), 16_000)) == codec.encode(wav, 16_000).to_bytes()


def test_rates_and_channels_make_no_difference(codec: Codec, speech: Wav) -> None:
    wav = np.stack([speech[:99_999], speech[1:100_000]], axis=1)
    assert b"".join(codec.encode_stream(blocks(wav, 777), 44_100)) == codec.encode(wav, 44_100).to_bytes()


@pytest.mark.parametrize("size", [7, 10_000])
def test_samples_are_those_of_decoding_at_once(codec: Codec, coded: Coded, whole: Wav, size: int) -> None:
    data = coded.to_bytes()
    decoded = list(codec.decode_stream(data[start : start + size] for start in range(0, len(data), size)))
    assert np.array_equal(np.concatenate(decoded), whole)
    assert max(map(len, decoded)) <= MINUTE


def test_output_begins_before_the_input_ends(codec: Codec, speech: Wav) -> None:
    taken = 0

    def counted() -> Iterator[Wav]:
        nonlocal taken
        for block in blocks(speech, 16_000):
            taken += len(block)
            yield block

    first = next(encode_stream(codec, counted(), 16_000, stages=2))
    assert MINUTE < taken <= MINUTE + 64 * FRAME_SAMPLES
    decoder = StreamDecoder(codec)
    heard = sum(len(wav) for wav in decoder.push(first))
    assert MINUTE - 64 * FRAME_SAMPLES <= heard == decoder.sample_count < MINUTE


def test_without_a_first_pass_the_first_minute_decides_the_level(codec: Codec, speech: Wav) -> None:
    loud_first = np.concatenate([speech[:MINUTE], 0.01 * speech[MINUTE : MINUTE + MINUTE // 2]])
    streamed = codec.from_bytes(b"".join(codec.encode_stream(blocks(loud_first, 50_000), 16_000)))
    assert streamed.voice == codec.encode(speech[:MINUTE], 16_000).voice != codec.encode(0.1 * loud_first, 16_000).voice


def test_the_first_minute_with_speech_decides_voice_and_level(codec: Codec, speech: Wav) -> None:
    hiss = 0.001 * np.random.default_rng(1).standard_normal(MINUTE + 16_000)
    said = codec.encode(speech[: MINUTE // 2], 16_000).voice
    for quiet in (np.zeros(2 * MINUTE, np.float32), hiss.astype(np.float32)):
        late = np.concatenate([quiet, speech[: MINUTE // 2]])
        level_db = level_db_of(blocks(late, 100_000), 16_000)
        at_once = codec.encode(late, 16_000)
        filed = b"".join(codec.encode_stream(blocks(late, 100_000), 16_000, level_db=level_db))
        assert filed == at_once.to_bytes()
        piped = codec.from_bytes(b"".join(codec.encode_stream(blocks(late, 100_000), 16_000)))
        assert piped.sample_count == len(late)
        assert piped.voice is not None and at_once.voice is not None and said is not None
        for voice in (piped.voice, at_once.voice):
            assert abs(voice_level_db(voice) - voice_level_db(said)) <= 1.0


def test_a_stream_in_which_nobody_speaks_has_no_voice(codec: Codec) -> None:
    silence = np.zeros(MINUTE + 20 * 16_000, np.float32)
    coded = codec.from_bytes(b"".join(codec.encode_stream(blocks(silence, 100_000), 16_000)))
    assert coded.voice is None
    assert coded.sample_count == len(silence)


def test_pauses_around_speech_do_not_change_the_voice(codec: Codec, speech: Wav) -> None:
    said = speech[:160_000]
    silence = np.zeros(320_000, np.float32)
    level_db = speech_level_db(said)
    assert len(voice_minute(said, level_db)) == len(said)
    for padded in ((silence, said), (said, silence), (said[:80_000], silence, said[80_000:])):
        wav = np.concatenate(padded)
        assert speech_level_db(wav) == pytest.approx(level_db, abs=0.2)
        assert len(voice_minute(wav, level_db)) <= len(said) + 4 * 16_000


def test_what_cannot_be_encoded_is_refused(codec: Codec) -> None:
    with pytest.raises(AudioEmpty):
        list(codec.encode_stream([], 16_000))
    with pytest.raises(AudioEmpty):
        level_db_of([], 16_000)
    with pytest.raises(AudioInvalid, match="not finite"):
        list(codec.encode_stream([[0.0], [float("nan")]], 16_000))
    with pytest.raises(AudioInvalid, match="shape"):
        list(codec.encode_stream([np.zeros((2, 2, 2))], 16_000))
    with pytest.raises(UsageError, match="3 stages"):
        list(codec.encode_stream([[0.1]], 16_000, stages=3))


def test_more_than_a_file_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siren_cli.audio.resampling.MAX_DURATION_S", 2)
    intake = Intake(8_000)
    intake.push(np.zeros(15_000, np.float32))
    with pytest.raises(AudioInvalid, match="longer than the 2 s that a file can hold"):
        intake.push(np.zeros(2_000, np.float32))


def test_a_broken_stream_is_refused_after_what_was_sound(codec: Codec, coded: Coded) -> None:
    data = coded.to_bytes()
    record = parse_layout(data).records[1]
    heard = []
    with pytest.raises(FormatError):
        heard.extend(codec.decode_stream([data[: record.payload_start], bytes([data[record.payload_start] ^ 1])]))
    assert sum(map(len, heard)) > MINUTE // 2


def test_the_meter_does_not_care_how_a_recording_is_cut(speech: Wav) -> None:
    for size in (100, 319, 320, 48_001):
        meter = LevelMeter()
        for block in blocks(speech[:100_000], size):
            meter.add(block)
        assert meter.level_db == speech_level_db(speech[:100_000])
    assert LevelMeter().level_db == -100.0


def test_pauses_do_not_count_for_the_level(speech: Wav) -> None:
    paused = np.concatenate([speech[:160_000], np.zeros(320_000, np.float32)])
    assert speech_level_db(paused) == pytest.approx(speech_level_db(speech[:160_000]), abs=1.0)
    tone = np.full(32_000, 0.1, np.float32)
    assert speech_level_db(tone) == pytest.approx(-20.0, abs=1e-6)


def test_another_voice_may_speak(codec: Codec, speech: Wav) -> None:
    coded = codec.encode(speech[:100_000], 16_000)
    expected = codec.decode(replace(coded, voice=None))
    decoder = StreamDecoder(codec, lambda first: replace(first, voice=None))
    heard = [*decoder.push(coded.to_bytes()), *decoder.finish()]
    assert np.array_equal(np.concatenate(heard), expected)
    left = codec.salvage(coded.to_bytes())
    assert np.array_equal(np.concatenate(list(speak_salvage(codec, left, decoder.spoken_by))), expected)


def test_what_is_lost_is_silent_and_of_its_length(codec: Codec, coded: Coded, whole: Wav) -> None:
    data = coded.to_bytes()
    record = parse_layout(data).records[1]
    left = codec.salvage(data[: record.payload_start] + data[record.payload_start + 3 :])
    heard = np.concatenate(list(speak_salvage(codec, left)))
    assert heard.shape == whole.shape
    assert not heard[MINUTE : 2 * MINUTE].any()
    assert np.array_equal(heard[: MINUTE // 2], whole[: MINUTE // 2])
    assert abs(heard[MINUTE - 1]) < 0.01 and abs(heard[2 * MINUTE]) < 0.01
    assert heard[2 * MINUTE : 2 * MINUTE + 3_000].any()
    facts = loss_facts(left)
    assert (facts["lost_s"], [(lost["start_s"], lost["end_s"]) for lost in facts["lost"]]) == (60.0, [(60.0, 120.0)])
    assert loss_rows(facts)[0][1].startswith("60.000 s to 120.000 s, silent: ")
    assert len(loss_rows(facts)) == 1


def test_an_undamaged_file_is_salvaged_to_what_it_decodes_to(codec: Codec, coded: Coded, whole: Wav) -> None:
    left = codec.salvage(coded.to_bytes())
    assert np.array_equal(np.concatenate(list(speak_salvage(codec, left))), whole)
    assert loss_rows(loss_facts(left)) == [("lost", "nothing")]
