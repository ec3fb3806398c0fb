"""`siren eval` as a person runs it: what is broken is named and left out, and what is asked for is written."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors.numpy import load_file

from siren_cli.__main__ import main
from siren_cli.config import ModelConfig
from siren_cli.errors import ExitStatus
from siren_cli.evaluation.metrics import asr
from siren_cli.registry.weights import save_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, short_clips: list[Path]) -> Path:
    """Recordings of two speakers, one of 3 minutes, and a broken, an empty, a silent and a very short one."""
    folder = tmp_path_factory.mktemp("mixed")
    speech = soundfile.read(short_clips[1], dtype="float32")[0]
    for name in ("ann", "bob"):
        (folder / name).mkdir()
    soundfile.write(folder / "ann" / "long.flac", np.resize(speech, 180 * 16_000), 16_000)
    (folder / "bob" / "good.flac").write_bytes(short_clips[0].read_bytes())
    (folder / "ann" / "broken.flac").write_bytes(b"fLaC but no more")
    soundfile.write(folder / "ann" / "silent.wav", np.zeros(32_000), 16_000)
    soundfile.write(folder / "bob" / "short.wav", speech[20_000:21_600], 16_000)
    soundfile.write(folder / "bob" / "empty.wav", np.zeros(0), 16_000)
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


def run(folder: Path, model: Path, store: Path, *more: str | Path) -> int:
    words = ["eval", folder, "--model", model, "--cache", store, "--stages", "1", "--baselines", "none",
             "--skip", "words,dnsmos,pitch,stoi,voice,cost", "--threads", "1", *more]  # fmt: skip
    return main([str(word) for word in words])


def test_a_mixed_folder_is_measured_and_what_cannot_be_is_named(
    folder: Path, tiny_model: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = ["--json", tmp_path / "e.json", "--csv", tmp_path / "e.csv", "--html", tmp_path / "page",
               "--plots", tmp_path / "plots"]  # fmt: skip
    assert run(folder, tiny_model, store, *outputs) == ExitStatus.OK
    printed = capsys.readouterr()
    assert "SIREN, 1 stage" in printed.out
    assert "2 clips of 2 speakers, 184 s" in printed.out
    for name, reason in (
        ("ann/broken", "not readable as audio"),
        ("ann/silent", "is silent, expected speech"),
        ("bob/short", "0.10 s long, expected at least 0.3 s"),
        ("bob/empty", "holds no samples"),
    ):
        assert f"siren: note: {name} left out: {reason}" in printed.err
    record = json.loads((tmp_path / "e.json").read_text())
    assert [clip["id"] for clip in record["clips"]] == ["ann/long", "bob/good"]
    assert len(record["left_out"]) == 4
    with (tmp_path / "e.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(record["rows"])
    assert {row["clip"] for row in rows} == {"ann/long", "bob/good"}
    assert (tmp_path / "page" / "index.html").is_file()
    assert len(list((tmp_path / "page" / "audio").iterdir())) == len(rows)
    assert (tmp_path / "plots" / "mel_distance.svg").is_file()
    assert (tmp_path / "plots" / "mel_distance-dark.svg").is_file()


def test_strict_fails_after_all_is_done(
    folder: Path, tiny_model: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, tiny_model, store, "--strict", "--json", tmp_path / "e.json") == ExitStatus.AUDIO
    printed = capsys.readouterr()
    assert "4 clips left out and 0 programs or packages missing, --strict expects none" in printed.err
    assert "SIREN, 1 stage" in printed.out
    assert (tmp_path / "e.json").is_file()


def test_json_on_standard_output_is_json_alone(
    folder: Path, tiny_model: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder / "bob", tiny_model, store, "--json", "-") == ExitStatus.OK
    record = json.loads(capsys.readouterr().out)
    assert [row["system"] for row in record["rows"]] == ["original", "siren-1", "siren-1-effort-24", "floor"]


def test_existing_outputs_stay_unless_forced(
    folder: Path, tiny_model: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "e.json").write_text("mine")
    assert run(folder, tiny_model, store, "--json", tmp_path / "e.json") == ExitStatus.OUTPUT_EXISTS
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text("mine")
    assert run(folder, tiny_model, store, "--html", tmp_path / "page") == ExitStatus.OUTPUT_EXISTS
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "stoi.svg").write_text("mine")
    assert run(folder, tiny_model, store, "--plots", tmp_path / "plots") == ExitStatus.OUTPUT_EXISTS
    assert (tmp_path / "e.json").read_text() == (tmp_path / "page" / "index.html").read_text() == "mine"
    printed = capsys.readouterr().err
    assert printed.count("exists already") == 2
    assert "holds plots already" in printed
    assert "clips" not in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stages", "3"], "--stages is '3', expected 1, 2 or 1,2"),
        (["--skip", "ears"], "--skip names 'ears'"),
        (["--ber", "2"], "--ber holds 2, expected shares above 0 and up to 1"),
        (["--drop", "half"], "--drop is 'half', expected shares"),
        (["--baselines", "mp3"], "baseline 'mp3' is not known"),
        (["--packet-bytes", "15"], "Input should be greater than or equal to 16"),
        (["--skip", "", "--asr", "nowhere"], "nowhere: no such folder and no hub name; give --asr pocketsphinx, a"),
    ],
)
def test_wrong_options_are_refused_before_any_work(
    folder: Path, tiny_model: Path, store: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, tiny_model, store, *words) == ExitStatus.USAGE
    assert message in capsys.readouterr().err


def test_efforts_alone_are_refused_for_a_model_without_a_guide(
    folder: Path, tiny_model: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = replace(ModelConfig.from_json(tiny_model / "config.json"), guide_width=0)
    arrays = load_file(tiny_model / "model.safetensors")
    save_model(tmp_path, config.to_json(), {k: v for k, v in arrays.items() if not k.startswith("guide.")})
    assert run(folder, tmp_path, store, "--efforts", "12") == ExitStatus.USAGE
    assert "has no guide, which efforts above 0 need" in capsys.readouterr().err


WORDS_ALONE = "dnsmos,pitch,stoi,voice,cost,pesq,signal,phones"


def test_each_recogniser_has_a_column_and_the_transcript_a_row(
    tiny_model: Path, store: Path, ctc_folder: Path, multilingual_folder: Path, root: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    manifest = root / "tests" / "data" / "manifest.jsonl"
    words = ["--asr", ctc_folder, "--asr", multilingual_folder, "--skip", WORDS_ALONE, "--limit", "2",
             "--json", tmp_path / "e.json"]  # fmt: skip
    assert run(manifest, tiny_model, store, *words) == ExitStatus.OK
    record = json.loads((tmp_path / "e.json").read_text())
    names = [ctc_folder.name, multilingual_folder.name]
    assert record["recognisers"] == names
    figures = {row["system"]: row["figures"] for row in record["rows"]}
    for name in names:
        assert figures["original"][f"dwer:{name}"]["value"] == 0.0
        assert figures["siren-1"][f"wer:{name}"]["count"] == 2
        assert figures["original"][f"cer:{name}"]["value"] > 0.5  # it is random
        assert f"WER ({name})" in {column["label"] for column in record["columns"]}
    for method in ("zstd", "PPM"):
        row = figures[f"transcript-{method}"]
        assert row[f"wer:{names[0]}"] == figures["original"][f"wer:{names[0]}"]
        assert f"wer:{names[1]}" not in row
        assert 0 < row["file_bps"]["value"] < figures["original"]["file_bps"]["value"]
    assert "Transcript alone, PPM" in capsys.readouterr().out


def test_a_recogniser_of_several_languages_wants_the_language(
    folder: Path, tiny_model: Path, store: Path, multilingual_folder: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    words = ["--asr", multilingual_folder, "--skip", WORDS_ALONE, "--json", tmp_path / "e.json", "--efforts", "0"]
    assert run(folder / "bob", tiny_model, store, *words) == ExitStatus.USAGE
    assert (
        "its language is unknown and tiny-whisper transcribes several; give --asr-language" in capsys.readouterr().err
    )
    assert run(folder / "bob", tiny_model, store, *words, "--asr-language", "de") == ExitStatus.OK
    record = json.loads((tmp_path / "e.json").read_text())
    figures = {row["system"]: row["figures"] for row in record["rows"]}
    assert figures["siren-1"]["dwer:tiny-whisper"]["count"] == 1
    assert "transcript-PPM" not in figures  # the compressors know English


def test_without_any_recogniser_all_else_is_measured(
    folder: Path, tiny_model: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    real = asr.importlib.util.find_spec
    monkeypatch.setattr(
        asr.importlib.util, "find_spec", lambda name: None if name in ("pocketsphinx", "transformers") else real(name)
    )
    skipped = ["--skip", "dnsmos,pitch,stoi,voice,cost,pesq", "--json", tmp_path / "e.json", "--efforts", "0"]
    assert run(folder / "bob", tiny_model, store, *skipped) == ExitStatus.OK
    record = json.loads((tmp_path / "e.json").read_text())
    assert record["recognisers"] == []
    assert "mel_distance" in record["rows"][1]["figures"]
    assert "WER by PocketSphinx left out; pip install pocketsphinx to have it" in capsys.readouterr().err


def test_no_usable_clip_is_an_error(
    tmp_path: Path, tiny_model: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.wav").write_bytes(b"nothing")
    assert run(tmp_path, tiny_model, store) == ExitStatus.AUDIO
    assert "none of 1 clips can be used" in capsys.readouterr().err


def test_an_unknown_split_is_refused_with_those_there_are(
    tiny_model: Path, store: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = root / "tests" / "data" / "manifest.jsonl"
    assert run(manifest, tiny_model, store, "--split", "dev") == ExitStatus.AUDIO
    assert "no clips of split 'dev', it has test" in capsys.readouterr().err


def test_roundtrip_prints_the_same_figures_for_one_file(
    short_clips: list[Path], tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["roundtrip", short_clips[1], "--metrics", "--json", "--model", tiny_model]
    assert main([str(word) for word in words]) == ExitStatus.OK
    facts = json.loads(capsys.readouterr().out)
    assert {"stoi", "estoi", "pesq", "mel_distance", "si_sdr", "dwer:PocketSphinx", "dnsmos_ovrl"} <= facts[
        "metrics"
    ].keys()
    assert facts["metrics"]["stoi"] == pytest.approx(facts["stoi"], abs=0.01)
    assert isinstance(facts["words_heard"], str)
