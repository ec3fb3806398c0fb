"""`siren eval --voices`: error rates with known answers, and a small run on real recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from siren_cli.__main__ import main
from siren_cli.errors import ExitStatus
from siren_cli.evaluation.metrics.verification import centroid_scores, classifier_scores, equal_error_rate, estimate_eer
from siren_cli.evaluation.report.readme import VOICE_BEGIN, VOICE_RECORD, VOICES, paste
from siren_cli.evaluation.report.readme import main as paste_into_readme
from siren_cli.evaluation.report.voices import FIGURES, voice_markdown, voice_table
from siren_cli.evaluation.voices import words_kept
from siren_cli.registry.manifest import read_manifest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("same", "other", "rate"),
    [
        ([3, 4], [1, 2], 0.0),
        ([1, 2], [3, 4], 1.0),
        ([1, 1], [1, 1], 0.5),
        ([1, 3], [2, 4], 0.5),
        ([2, 5, 6, 7], [1, 1, 1, 3], 0.25),
    ],
)
def test_equal_error_rates_with_known_answers(same: list[float], other: list[float], rate: float) -> None:
    assert equal_error_rate(same, other) == pytest.approx(rate)


def crowd(spread: float) -> tuple[np.ndarray, list[str]]:
    """Ten clips each of five speakers, whose voices are apart by 1 in a space of 16 and spread around that."""
    rng = np.random.default_rng(3)
    centres = np.repeat(rng.normal(size=(5, 16)), 10, axis=0)
    voices = centres + spread * rng.normal(size=(50, 16))
    return voices / np.linalg.norm(voices, axis=1, keepdims=True), [str(n // 10) for n in range(50)]


def test_verifiers_find_speakers_who_are_apart_and_nothing_in_noise() -> None:
    for spread, low, high in ((0.3, 0.0, 0.05), (100.0, 0.4, 0.6)):
        voices, speakers = crowd(spread)
        found = estimate_eer(centroid_scores(list(voices), list(voices), speakers))
        assert low <= found.low <= found.value <= found.high
        assert low <= found.value <= high
        assert found.count == 50
    # The classifier may choose its strength after the fact, so that noise gives it a little less than one half.
    assert estimate_eer(classifier_scores(*crowd(0.3))).value < 0.05
    assert 0.3 < estimate_eer(classifier_scores(*crowd(100.0))).value < 0.6


def test_a_speaker_with_one_clip_cannot_be_verified() -> None:
    voices, speakers = crowd(0.3)
    assert len(centroid_scores(list(voices[:11]), list(voices[:11]), speakers[:11])) == 10


@pytest.mark.parametrize(
    ("found", "wanted", "kept"),
    [("", "a b", 0), ("a b", "a b", 2), ("x a y b z", "a b", 2), ("b a", "a b", 1), ("a c", "a b", 1)],
)
def test_words_kept(found: str, wanted: str, kept: int) -> None:
    assert words_kept(found.split(), wanted.split()) == kept


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, short_clips: list[Path]) -> Path:
    """Three pieces each of two speakers, one of one, and one that is broken."""
    folder = tmp_path_factory.mktemp("voices")
    for name, clip in zip(("ann", "bob", "cid"), short_clips, strict=True):
        (folder / name).mkdir()
        wav, rate_hz = soundfile.read(clip, dtype="float32")
        for number, piece in enumerate(np.array_split(wav, 3)[: 1 if name == "cid" else 3]):
            soundfile.write(folder / name / f"{number}.flac", piece, rate_hz)
    (folder / "ann" / "broken.flac").write_bytes(b"fLaC")
    return folder


def run(folder: Path, store: Path, *more: str | Path) -> int:
    words = ["eval", folder, "--voices", "--cache", store, "--threads", "1",
             "--skip", "words,dnsmos,phones,stoi,pesq,signal", *more]  # fmt: skip
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def measured(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the packaged model is measured to be, whatever that is."""
    store = tmp_path_factory.mktemp("store")
    assert run(folder, store, "--json", store / "voices.json", "-q") == ExitStatus.OK
    record: dict[str, Any] = json.loads((store / "voices.json").read_text())
    return record


def test_the_record(measured: dict[str, Any]) -> None:
    assert (measured["material"]["clips"], measured["material"]["speakers"]) == (6, 2)
    assert measured["material"]["averaged_clips"] == 2
    assert [pair["spoken_by"] for pair in measured["pairs"]] == ["bob"] * 3 + ["ann"] * 3
    assert [clip["id"] for clip in measured["left_out"]] == ["ann/broken"]
    figures = measured["figures"]
    said = {figure.name for figure in FIGURES}
    assert figures.keys() <= said
    assert said - figures.keys() <= {
        "words_kept", "words_own", "words_converted", "phones_kept", "pitch_moved", "pitch_nearer",
    }  # fmt: skip
    for name, figure in figures.items():
        assert figure["low"] <= figure["value"] <= figure["high"], name
    assert figures["bytes_named"]["value"] == figures["bytes_stripped"]["value"] + 2
    assert figures["bytes_own"]["value"] > figures["bytes_stripped"]["value"]
    assert figures["eer_original"]["value"] <= 0.2
    assert 1 <= figures["eer_own"]["count"] <= 6


def test_the_table_says_what_was_asked_for(measured: dict[str, Any]) -> None:
    headings, rows = voice_table(measured)
    assert headings == ["figure", "value", "asked for"]
    asked = {row[0]: row[2] for row in rows}
    assert asked["converted: share of pairs more like the target than the source"] == "at least 0.8"
    assert asked["equal error rate: default voice"] == "at least 0.35"
    assert asked["what averaging clips adds to that"] == "above 0"


def test_the_table_goes_into_the_document_on_voices(
    measured: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / VOICES).write_text(f"{VOICE_BEGIN}\nold\n<!-- end of figures -->\nrest\n")
    (tmp_path / "v.json").write_text(json.dumps(measured))
    paste_into_readme(["v.json"])
    recorded = json.loads((tmp_path / VOICE_RECORD).read_text())
    assert "pairs" not in recorded
    text = (tmp_path / VOICES).read_text()
    assert text == f"{VOICE_BEGIN}\n\n{voice_markdown(recorded)}\n\n<!-- end of figures -->\nrest\n"


def test_the_documented_voice_figures_are_those_of_the_record_and_of_the_default_model(root: Path) -> None:
    recorded = json.loads((root / VOICE_RECORD).read_text(encoding="utf-8"))
    readme = (root / VOICES).read_text(encoding="utf-8")
    stale = "stale: run 'make eval-voices' and 'make readme-voices'"
    assert paste(readme, voice_markdown(recorded), VOICE_BEGIN) == readme, stale
    manifest = read_manifest()
    assert recorded["model"]["id"] == {m["name"]: m["id"] for m in manifest["models"]}[manifest["default"]], stale


def test_too_little_material_is_refused(
    folder: Path, tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder / "ann", tmp_path) == ExitStatus.AUDIO
    assert "0 speakers with 3 usable clips or more, --voices expects two" in capsys.readouterr().err
    assert run(folder, tmp_path, "--html", tmp_path / "page") == ExitStatus.USAGE
    assert "--voices has a table and --json alone" in capsys.readouterr().err
    assert run(folder, tmp_path, "--skip", "voice") == ExitStatus.USAGE
    assert "--voices cannot do without the judge voice" in capsys.readouterr().err
