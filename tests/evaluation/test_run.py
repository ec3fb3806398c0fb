"""A small evaluation of bundled clips: what the record says, and what a second run costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from siren_cli.config import FSQ_LEVELS
from siren_cli.corpus.clip import Clip
from siren_cli.corpus.clips import list_material, read_clip, to_16_bits
from siren_cli.evaluation.metrics import catalogue
from siren_cli.evaluation.metrics.catalogue import available_metrics
from siren_cli.evaluation.metrics.naturalness import Dnsmos
from siren_cli.evaluation.metrics.utilisation import utilisation
from siren_cli.evaluation.report.columns import COLUMNS
from siren_cli.evaluation.report.figures import clip_figures, voice_scale
from siren_cli.evaluation.report.tables import csv_of, notes_of, table_of
from siren_cli.evaluation.run import evaluate
from siren_cli.evaluation.single import single_figures, single_table
from siren_cli.evaluation.workers.worker import EvaluationPlan, Worker


def figures(record: dict[str, Any], system: str) -> dict[str, Any]:
    return next(row["figures"] for row in record["rows"] if row["system"] == system)


def test_the_record_has_every_system_and_column_that_was_asked_for(record: dict[str, Any]) -> None:
    assert [row["system"] for row in record["rows"]] == [
        "original", "siren-1", "siren-2", "siren-1-wrong-voice", "floor", "siren-1 ber 0.05", "siren-2 ber 0.05",
        "siren-1 drop 0.3", "siren-2 drop 0.3",
    ]  # fmt: skip
    names = {column.name for column in COLUMNS}
    expected = names - {"file_bps_10s", "dnsmos_ovrl", "dnsmos_sig"}
    # What a random model says is not speech, so voice and pitch may find nothing in it.
    assert set(figures(record, "siren-1")) | {"similarity", "f0_correlation"} == expected
    assert set(figures(record, "original")) == expected
    assert record["material"]["clips"] == record["material"]["speakers"] == 2
    assert record["left_out"] == record["missing"] == []


def test_the_original_is_the_best_and_rates_are_counted_from_files(record: dict[str, Any]) -> None:
    best, one, two = (figures(record, name) for name in ("original", "siren-1", "siren-2"))
    assert best["stoi"]["value"] == pytest.approx(1.0)
    assert best["mel_distance"]["value"] == 0.0
    assert best["similarity"]["value"] == pytest.approx(1.0)
    assert best["phones"]["value"] > 0.6 > figures(record, "floor")["phones"]["value"] + 0.4
    sizes = [Path(clip["systems"]["siren-1"]["file"]).stat().st_size for clip in record["clips"]]
    duration_s = sum(clip["duration_s"] for clip in record["clips"])
    assert one["file_bps"]["value"] == pytest.approx(8 * sum(sizes) / duration_s)
    assert one["payload_bps"]["value"] < one["file_bps"]["value"] < two["file_bps"]["value"]
    assert 8 <= one["overhead_bytes"]["value"] <= 18  # the prior codes the voice with the payload where that is less


def test_a_second_run_computes_no_metric_and_gives_the_same(
    record: dict[str, Any], plan: EvaluationPlan, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> dict[str, Any]:
        raise AssertionError("a metric was computed again")

    real = available_metrics
    monkeypatch.setattr(
        "siren_cli.evaluation.workers.worker.available_metrics",
        lambda *a: ([replace(metric, compute=refuse) for metric in real(*a)[0]], []),
    )
    again = evaluate(plan, clips[:2], 1, lambda text: None)
    assert again == record


def test_a_clip_more_costs_that_clip_alone(
    record: dict[str, Any], plan: EvaluationPlan, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(replace(plan, damages=()))
    computed: list[int] = []

    def count(metric: catalogue.Metric) -> catalogue.Metric:
        def compute(decoded: np.ndarray, original: np.ndarray, phones: str | None) -> dict[str, Any]:
            computed.append(len(original))
            return metric.compute(decoded, original, phones)

        return replace(metric, compute=compute)

    worker.metrics = [count(metric) for metric in worker.metrics]
    worker.work(clips[0], clips[1])
    assert computed == []
    worker.work(clips[2], clips[0])
    assert set(computed) == {len(read_clip(clips[2]))}


def test_two_processes_find_what_one_finds(record: dict[str, Any], plan: EvaluationPlan, clips: list[Clip]) -> None:
    assert evaluate(plan, clips[:2], 2, lambda text: None) == record


def test_texts_and_plots_are_made_of_the_record(record: dict[str, Any]) -> None:
    headings, rows = table_of(record)
    assert headings[:3] == ["codec", "file bps", "speaker"]
    assert len(rows) == len(record["rows"])
    assert all(len(row) == len(headings) for row in rows)
    assert notes_of(record)[0].startswith("2 clips of 2 speakers")
    lines = csv_of(record).splitlines()
    assert len(lines) == 1 + len(record["clips"]) * len(record["rows"])
    assert len({line.count(",") for line in lines}) == 1


def test_words_are_counted_against_the_transcript_and_against_the_original() -> None:
    coded = {"file_bytes": 20, "payload_bytes": 2}
    computed, original = ({"transcripts": {"tiny": text}} for text in ("a b x", "a b c d"))
    found = clip_figures(computed, original, coded, 2.0, {"tiny": "a b c e"})
    assert found["wer:tiny"] == found["dwer:tiny"] == (2, 4)
    assert (found["substitutions:tiny"], found["deletions:tiny"], found["insertions:tiny"]) == ((1, 4), (1, 4), (0, 4))
    assert found["cer:tiny"] == (3, 7)
    assert found["file_bps"] == (160.0, 2.0)
    assert "wer:tiny" not in clip_figures(computed, original, coded, 2.0, {})


def test_the_scale_of_voices_is_made_of_pairs() -> None:
    voices = [("x", [1.0, 0.0]), ("x", [0.8, 0.6]), ("y", [0.0, 1.0]), ("z", None)]
    scale = voice_scale(voices)
    assert scale["same_speaker"]["value"] == pytest.approx(0.8)
    assert scale["other_speaker"]["value"] == pytest.approx((0.0 + 0.6 + 0.0) / 3)
    assert voice_scale([("x", None)]) == {"same_speaker": None, "other_speaker": None}


def test_utilisation_of_known_indices() -> None:
    every = np.stack([np.arange(1_000), np.zeros(1_000)], axis=1).astype(np.int16)
    full, empty = utilisation(every)["stages"]
    assert full["utilisation"] == pytest.approx(1.0)
    assert full["distinct"] == 1_000
    assert [digit["most_bits"] for digit in full["digits"]] == pytest.approx(np.log2(FSQ_LEVELS))
    assert [digit["utilisation"] for digit in full["digits"]] == pytest.approx([1.0] * 4)
    assert (empty["entropy_bits"], empty["distinct"]) == (0.0, 1)


def test_a_missing_package_is_named_and_its_metric_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    real = catalogue.importlib.util.find_spec
    monkeypatch.setattr(
        catalogue.importlib.util, "find_spec", lambda name: None if name in ("pesq", "speechmos") else real(name)
    )
    found, notes = available_metrics()
    assert {"pesq", "dnsmos"} & {metric.name for metric in found} == set()
    assert notes == [
        "PESQ left out; pip install pesq to have them",
        "DNSMOS left out; pip install speechmos to have them",
    ]


def test_dnsmos_hears_clips_of_any_length_and_prefers_speech(speech: np.ndarray) -> None:
    (metric,) = available_metrics(tuple(name for name in catalogue.METRICS if name != "dnsmos"))[0]
    scores = metric.compute(speech, speech, None)
    noise = np.random.default_rng(0).normal(0, 0.1, 8_000).astype(np.float32)
    assert 1.0 < metric.compute(noise, noise, None)["dnsmos_ovrl"] < scores["dnsmos_ovrl"] < 5.0


def test_dnsmos_is_that_of_the_package(speech: np.ndarray) -> None:
    from speechmos import dnsmos

    long = np.tile(speech, 3)[: 10 * 16_000 + 7_000]
    theirs = dnsmos.run(long, 16_000)
    ours = Dnsmos()(long)
    assert ours["dnsmos_ovrl"] == pytest.approx(theirs["ovrl_mos"], abs=1e-5)
    assert ours["dnsmos_sig"] == pytest.approx(theirs["sig_mos"], abs=1e-5)


def test_the_figures_of_one_file_are_those_of_the_table(speech: np.ndarray) -> None:
    values, words, notes = single_figures(speech, speech, 16_000)
    assert values["stoi"] == pytest.approx(1.0)
    assert values["dwer:PocketSphinx"] == 0.0
    assert values["similarity"] == pytest.approx(1.0)
    assert "wer:PocketSphinx" not in values
    assert words
    assert notes == []
    assert dict(single_table(values, words))["words recognised"] == words
    assert single_figures(speech[:100], speech[:100], 16_000)[0] == {}


def test_material_finds_words_of_a_folder_and_spreads_its_choice(tmp_path: Path, short_clips: list[Path]) -> None:
    for number, clip in enumerate(short_clips):
        (tmp_path / f"s{number}").mkdir()
        (tmp_path / f"s{number}" / clip.name).write_bytes(clip.read_bytes())
    (tmp_path / "s0" / "a.trans.txt").write_text(f"{short_clips[0].stem} HE SEEMED BORN\n")
    (tmp_path / "s1" / f"{short_clips[1].stem}.txt").write_text("there is\n")
    (tmp_path / "phones.tsv").write_text(f"x/{short_clips[2].stem}\tSIL:3 T:2\n")
    found = list_material(tmp_path, None, None)
    assert [clip.text for clip in found] == ["HE SEEMED BORN", "there is", None]
    assert [clip.phones for clip in found] == [None, None, "SIL:3 T:2"]
    assert [clip.speaker for clip in list_material(tmp_path, None, 2)] == ["s0", "s1"]


def test_what_a_16_bit_file_holds_is_not_rounded_again(speech: np.ndarray) -> None:
    assert np.array_equal(to_16_bits(speech), speech)
    assert to_16_bits(np.array([-2.0, 2.0, 1e-6], np.float32)).tolist() == [-1.0, 32767 / 32768, 0.0]


def test_a_manifests_files_may_lie_elsewhere(tmp_path: Path, short_clips: list[Path], root: Path) -> None:
    manifest = root / "tests" / "data" / "librispeech_test.jsonl"
    assert len(list_material(manifest, "test", None)) == 96
    found = list_material(manifest, "test", 8, tmp_path)
    assert len({clip.speaker for clip in found}) == 8
    assert found[0].file.parts[: len(tmp_path.parts)] == tmp_path.parts
    found[0].file.parent.mkdir(parents=True)
    found[0].file.write_bytes(short_clips[0].read_bytes())
    assert len(read_clip(found[0])) > 16_000


def test_the_rate_at_10_s_is_of_clips_joined_to_just_that(plan: EvaluationPlan, clips: list[Clip]) -> None:
    worker = Worker(plan)
    assert worker.rates_at_10_s(clips[:2]) == {}
    rates = worker.rates_at_10_s([*clips, *clips])
    assert rates.keys() == {"original", "siren-1", "siren-2"}
    assert rates["original"]["file_bps_10s"] == (8.0 * (44 + 2 * 160_000), 10.0)
    bits, duration_s = rates["siren-1"]["file_bps_10s"]
    assert 60 < bits / duration_s < 85
