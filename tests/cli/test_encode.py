"""`siren encode`: what it writes, what it prints, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from siren_cli.codec import Codec
from siren_format.layout import parse_layout
from tests.cli.conftest import Siren, voice_like


def test_whole_output(siren: Siren, recording: Path, srn: Path) -> None:
    out = recording.with_name("out.srn")
    outcome = siren("encode", recording, "-o", out)
    layout = parse_layout(out.read_bytes())
    assert out.read_bytes() == srn.read_bytes()
    assert outcome.status == 0
    assert outcome.err == ""
    assert outcome.untimed == (
        "duration     1.250 s\n"
        f"bytes        {layout.file_bytes}: header 7, voice 8, payload {layout.payload_bytes}, check 2\n"
        f"payload bps  {layout.payload_bps:.1f}\n"
        f"file bps     {layout.file_bps:.1f}\n"
        "encoding     . s, . times real time\n"
    )


def test_output_takes_the_input_s_name(siren: Siren, one_codec: Codec, recording: Path) -> None:
    assert siren("encode", recording).status == 0
    assert recording.with_suffix(".srn").stat().st_size > 0


def test_json_counts_the_bytes_on_disk(siren: Siren, one_codec: Codec, recording: Path) -> None:
    out = recording.with_name("out.srn")
    facts = json.loads(siren("encode", recording, "-o", out, "--json").out)
    assert facts["file_bytes"] == out.stat().st_size
    assert facts["file_bytes"] == sum(facts[f"{part}_bytes"] for part in ("header", "voice", "payload", "check"))
    assert facts["file_bps"] == pytest.approx(8 * out.stat().st_size / (20_001 / 16_000))
    assert (facts["input"], facts["output"]) == (str(recording), str(out))
    assert facts["encode_real_time_factor"] == pytest.approx(facts["duration_s"] / facts["encode_s"])


def test_two_stages_cost_more(siren: Siren, one_codec: Codec, recording: Path) -> None:
    one, two = recording.with_name("one.srn"), recording.with_name("two.srn")
    assert siren("encode", recording, "-o", one).status == 0
    assert siren("encode", recording, "-o", two, "--stages", "2").status == 0
    assert parse_layout(two.read_bytes()).header.stages == 2
    assert two.stat().st_size > one.stat().st_size


def test_quiet_prints_nothing(siren: Siren, one_codec: Codec, recording: Path) -> None:
    outcome = siren("encode", recording, "-q")
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "")


def test_mix_down_and_resampling_are_said(siren: Siren, one_codec: Codec, tmp_path: Path) -> None:
    source = tmp_path / "stereo.flac"
    soundfile.write(source, np.stack([voice_like(44_100), -voice_like(44_100)], axis=1), 44_100)
    outcome = siren("encode", source)
    assert outcome.status == 0
    assert outcome.err == (
        "siren: note: 2 channels are mixed down to one\nsiren: note: resampled from 44100 Hz to 16000 Hz\n"
    )
    header = parse_layout(source.with_suffix(".srn").read_bytes()).header
    assert (header.sample_count, header.source_rate_hz) == (16_000, 44_100)


@pytest.mark.parametrize("sample_count", [1, 2_559, 2_560, 2_561])
def test_short_and_silent_recordings_work(siren: Siren, one_codec: Codec, tmp_path: Path, sample_count: int) -> None:
    source = tmp_path / "silence.wav"
    soundfile.write(source, np.zeros(sample_count, np.float32), 16_000)
    assert siren("encode", source).status == 0
    assert siren("decode", source.with_suffix(".srn"), "-o", tmp_path / "out.wav").status == 0
    assert soundfile.info(tmp_path / "out.wav").frames == sample_count


def test_folder_s_files_get_the_bytes_of_each_alone(
    siren: Siren, one_codec: Codec, codec: Codec, tmp_path: Path
) -> None:
    for number, sample_count in enumerate((5_000, 30_000, 2_000)):
        soundfile.write(tmp_path / f"{number}.wav", voice_like(sample_count), 16_000, subtype="FLOAT")
        assert siren("encode", tmp_path / f"{number}.wav").status == 0
    for number, sample_count in reversed(list(enumerate((5_000, 30_000, 2_000)))):
        alone = codec.searching().encode(voice_like(sample_count), 16_000).to_bytes()
        assert (tmp_path / f"{number}.srn").read_bytes() == alone


def test_existing_output_is_kept_unless_forced(siren: Siren, one_codec: Codec, recording: Path) -> None:
    out = recording.with_name("out.srn")
    out.write_bytes(b"precious")
    outcome = siren("encode", recording, "-o", out)
    assert outcome.status == 6
    assert outcome.out == ""
    assert outcome.err == (
        f"siren: error: {out}: exists already; give --force to replace it or another output with -o\n"
    )
    assert out.read_bytes() == b"precious"
    assert siren("encode", recording, "-o", out, "--force").status == 0
    assert parse_layout(out.read_bytes()).sample_count == 20_001


def test_input_is_never_the_output(siren: Siren, recording: Path) -> None:
    before = recording.read_bytes()
    outcome = siren("encode", recording, "-o", recording, "--force")
    assert outcome.status == 2
    assert outcome.err == (
        f"siren: error: {recording}: is the input as well as the output; give another output with -o\n"
    )
    assert recording.read_bytes() == before


def test_json_and_bytes_cannot_share_standard_output(siren: Siren, recording: Path) -> None:
    outcome = siren("encode", recording, "-o", "-", "--json")
    assert outcome.status == 2
    assert outcome.err == (
        "siren: error: --json and an output of - both ask for standard output; give the output a path\n"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.wav", "no such file; check the path"),
        ("empty.wav", "is empty (0 bytes), expected audio; check what wrote it"),
        ("no-samples.wav", "holds no samples, expected at least one; check what wrote it"),
        ("nan.wav", "sample 7 is not a finite number; remove NaN and infinity first"),
        ("infinity.wav", "sample 7 is not a finite number; remove NaN and infinity first"),
        ("slow.wav", "sample rate of 999 Hz, expected 1000..768000; resample it first"),
        ("fast.wav", "sample rate of 768001 Hz, expected 1000..768000; resample it first"),
    ],
)
def test_what_is_wrong_with_audio_is_said(siren: Siren, tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty.wav").touch()
    bad = np.zeros((3, 100), np.float32)
    bad[0, 7], bad[1, 7] = np.nan, np.inf
    soundfile.write(tmp_path / "no-samples.wav", np.zeros(0), 16_000)
    soundfile.write(tmp_path / "nan.wav", bad[0], 16_000, subtype="FLOAT")
    soundfile.write(tmp_path / "infinity.wav", bad[1], 16_000, subtype="FLOAT")
    soundfile.write(tmp_path / "slow.wav", bad[2], 999)
    soundfile.write(tmp_path / "fast.wav", bad[2], 768_001)
    outcome = siren("encode", tmp_path / name, "-o", tmp_path / "out.srn")
    assert outcome.status == 5
    assert outcome.err == f"siren: error: {tmp_path / name}: {message}\n"
    assert not (tmp_path / "out.srn").exists()


def test_what_is_not_audio_is_refused(siren: Siren, tmp_path: Path) -> None:
    source = tmp_path / "text.wav"
    source.write_text("this is no recording")
    outcome = siren("encode", source)
    assert outcome.status == 5
    assert outcome.err.startswith(f"siren: error: {source}: not readable as audio (")
    assert outcome.err.endswith("; convert it to WAV or FLAC\n")
    assert outcome.err.count("\n") == 1


def test_output_that_cannot_be_written(siren: Siren, recording: Path, tmp_path: Path) -> None:
    output = tmp_path / "absent" / "out.srn"
    outcome = siren("encode", recording, "-o", output)
    assert outcome.status == 7
    folder = tmp_path.resolve() / "absent"
    assert outcome.err == f"siren: error: {output}: the folder {folder} does not exist; make it\n"


def test_full_disk_leaves_nothing_behind(
    siren: Siren, one_codec: Codec, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    for name in ("os.link", "os.replace"):
        monkeypatch.setattr(name, no_space)
    out = recording.with_name("out.srn")
    outcome = siren("encode", recording, "-o", out)
    assert outcome.status == 7
    assert outcome.err == f"siren: error: {out}: cannot be written (no space left on device); write elsewhere\n"
    assert [path.name for path in recording.parent.iterdir()] == ["in.wav"]


def test_missing_model(siren: Siren, recording: Path, tmp_path: Path) -> None:
    outcome = siren("encode", recording, "--model", tmp_path / "none")
    assert outcome.status == 4
    assert outcome.err == (
        f"siren: error: {tmp_path / 'none'}: no such folder or packaged model; give a folder with model.safetensors\n"
    )


def test_damaged_model(siren: Siren, recording: Path, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((tiny_model / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes((tiny_model / "model.safetensors").read_bytes()[:-100])
    outcome = siren("encode", recording, "--model", tmp_path)
    assert outcome.status == 4
    assert str(tmp_path / "model.safetensors") in outcome.err
    assert outcome.err.count("\n") == 1
    assert not recording.with_suffix(".srn").exists()


def test_device_that_is_not_there(siren: Siren, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    outcome = siren("encode", recording, "--device", "cuda")
    assert outcome.status == 2
    assert "device cuda" in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize("words", [("--stages", "3"), ("--threads", "0"), ("--device", "tpu"), ("--speed", "9")])
def test_wrong_options_are_refused_in_one_line(siren: Siren, recording: Path, words: tuple[str, str]) -> None:
    outcome = siren("encode", recording, *words)
    assert outcome.status == 2
    assert outcome.err.startswith("siren: error: ")
    assert words[0] in outcome.err
    assert outcome.err.endswith("; see 'siren encode --help'\n")
    assert outcome.err.count("\n") == 1
