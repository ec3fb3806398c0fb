"""`siren decode`: what it writes, what it prints, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from siren_cli.codec import Codec
from siren_format.stream import Stream, stream_to_bytes
from siren_format.voice import voice_level_db
from tests.cli.conftest import Siren


def test_whole_output(siren: Siren, srn: Path, codec: Codec) -> None:
    out = srn.with_name("out.wav")
    outcome = siren("decode", srn, "-o", out)
    voice = codec.from_bytes(srn.read_bytes()).voice
    assert voice is not None
    assert outcome.status == 0
    assert outcome.err == ""
    assert outcome.untimed == (
        "duration  1.250 s, 20001 samples at 16000 Hz\n"
        f"voice     inline, level {voice_level_db(voice):.1f} dBFS\n"
        "decoding  . s, . times real time\n"
    )
    found = soundfile.info(out)
    assert (found.frames, found.samplerate, found.channels, found.subtype) == (20_001, 16_000, 1, "PCM_16")


def test_samples_are_the_codec_s(siren: Siren, one_codec: Codec, srn: Path) -> None:
    assert siren("decode", srn).status == 0
    wav, _ = soundfile.read(srn.with_suffix(".wav"), dtype="float32")
    np.testing.assert_allclose(wav, one_codec.decode(srn.read_bytes()), atol=1 / 32_768)


@pytest.mark.parametrize(
    ("suffix", "file_format", "subtype"),
    [(".wav", "WAV", "PCM_16"), (".flac", "FLAC", "PCM_16"), (".ogg", "OGG", "VORBIS")],
)
def test_suffix_names_the_format(
    siren: Siren, one_codec: Codec, srn: Path, suffix: str, file_format: str, subtype: str
) -> None:
    out = srn.with_suffix(suffix)
    assert siren("decode", srn, "-o", out).status == 0
    found = soundfile.info(out)
    assert (found.format, found.subtype, found.frames) == (file_format, subtype, 20_001)


def test_unknown_suffix(siren: Siren, srn: Path) -> None:
    outcome = siren("decode", srn, "-o", srn.with_suffix(".xyz"))
    assert outcome.status == 2
    assert outcome.err == (
        f"siren: error: {srn.with_suffix('.xyz')}: the output's suffix names no known format; "
        "give one of .wav, .flac, .ogg\n"
    )


@pytest.mark.parametrize(
    ("wanted", "rate_hz", "sample_count"),
    [("model", 16_000, 20_001), ("source", 44_100, 55_128), ("8000", 8_000, 10_001)],
)
def test_sample_rate(siren: Siren, one_codec: Codec, srn: Path, wanted: str, rate_hz: int, sample_count: int) -> None:
    coded = one_codec.from_bytes(srn.read_bytes())
    stream = Stream(coded.model_id, coded.indices, coded.sample_count, coded.voice, 44_100)
    srn.write_bytes(stream_to_bytes(stream, None))
    facts = json.loads(siren("decode", srn, "--sample-rate", wanted, "--json").out)
    found = soundfile.info(srn.with_suffix(".wav"))
    assert (found.samplerate, found.frames) == (rate_hz, sample_count)
    assert (facts["output_rate_hz"], facts["output_samples"]) == (rate_hz, sample_count)
    assert facts["decode_real_time_factor"] == pytest.approx(facts["duration_s"] / facts["decode_s"])


@pytest.mark.parametrize("wanted", ["fast", "999", "768001", "-1", "16e3", ""])
def test_impossible_sample_rate(siren: Siren, srn: Path, wanted: str) -> None:
    outcome = siren("decode", srn, f"--sample-rate={wanted}")
    assert outcome.status == 2
    assert outcome.err == (
        f"siren: error: --sample-rate is {wanted!r}, expected model, source or a number of Hz; "
        "give one of them, a number from 1000 to 768000\n"
    )


def test_default_voice_is_said(siren: Siren, one_codec: Codec, srn: Path) -> None:
    coded = one_codec.from_bytes(srn.read_bytes())
    srn.write_bytes(stream_to_bytes(Stream(coded.model_id, coded.indices, coded.sample_count), None))
    outcome = siren("decode", srn)
    assert outcome.status == 0
    assert outcome.err == "siren: note: the file carries no voice; decoding with the default voice\n"
    assert "voice     none (default voice)\n" in outcome.out


def test_missing_file(siren: Siren, tmp_path: Path) -> None:
    outcome = siren("decode", tmp_path / "none.srn")
    assert outcome.status == 3
    assert outcome.err == f"siren: error: {tmp_path / 'none.srn'}: no such file; check the path\n"


def test_other_weights(siren: Siren, srn: Path, tiny_model: Path, other_model: Path) -> None:
    from siren_cli.registry.weights import find_model

    needed, at_hand = find_model(tiny_model).model_id.hex(), find_model(other_model).model_id.hex()
    outcome = siren("decode", srn, "--model", other_model)
    assert outcome.status == 4
    assert outcome.err == (
        f"siren: error: {srn}: needs model {needed}, the weights at hand are model {at_hand}; {needed} is not in "
        "this installation; give its folder with --model or install the release that has it\n"
    )
    assert not srn.with_suffix(".wav").exists()


def test_existing_output_is_kept_unless_forced(siren: Siren, one_codec: Codec, srn: Path) -> None:
    out = srn.with_suffix(".wav")
    out.write_bytes(b"precious")
    assert siren("decode", srn).status == 6
    assert out.read_bytes() == b"precious"
    assert siren("decode", srn, "-f").status == 0
    assert soundfile.info(out).frames == 20_001


@pytest.mark.slow
def test_every_truncation_and_every_flipped_bit_is_refused(
    siren: Siren, one_codec: Codec, demo_clip: Path, tmp_path: Path
) -> None:
    wav, rate_hz = soundfile.read(demo_clip, dtype="float32")
    data = one_codec.encode(wav, rate_hz).to_bytes()
    damaged = [data[:length] for length in range(len(data))]
    for position in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        damaged.append(bytes(flipped))
    source = tmp_path / "damaged.srn"
    for number, file in enumerate(damaged):
        source.write_bytes(file)
        outcome = siren("decode", source)
        assert outcome.status in (3, 4), (number, outcome)
        assert outcome.out == ""
        assert outcome.err.startswith(f"siren: error: {source}: "), number
        assert outcome.err.count("\n") == 1, number
    assert not source.with_suffix(".wav").exists()
