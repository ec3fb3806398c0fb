"""The studies of `siren eval --study`: known answers of their measures, and each of them on real recordings."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from siren_cli.__main__ import main
from siren_cli.audio.level import speech_level_db
from siren_cli.codec import Codec, load_codec
from siren_cli.corpus.clip import Clip
from siren_cli.errors import DataError, ExitStatus, UsageError
from siren_cli.evaluation.metrics.recogniser import log_mel
from siren_cli.evaluation.studies import levels, rate_distortion, rates, robustness, speakers, vocoder_loss
from siren_cli.evaluation.studies.levels import block_levels_db, with_silence
from siren_cli.evaluation.studies.phonetic_invariance import (
    compare_words,
    digits_of,
    pronunciations,
    word_digits,
    words_in,
)
from siren_cli.evaluation.studies.robustness import degraded
from siren_cli.evaluation.studies.silence import ROOM_DB, SILENCES, add_silence
from siren_cli.evaluation.studies.speakers import digit_shares
from siren_cli.evaluation.studies.vocoder import vocoded
from siren_cli.evaluation.studies.vocoder_loss import decoded_log_mel
from siren_cli.evaluation.workers.worker import EvaluationPlan
from siren_cli.packets.packetize import encode_packets

MANIFEST = Path(__file__).resolve().parent.parent / "data" / "manifest.jsonl"


@pytest.mark.slow
def test_the_command_answers_and_prints_what_it_records(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["eval", MANIFEST, "--study", "rates,vocoder,levels", "--limit", "2", "--model", tiny_model,
             "--threads", "1", "--cache", tmp_path / "store", "--skip", "dnsmos,voice",
             "--json", tmp_path / "s.json"]  # fmt: skip
    assert main([str(word) for word in words]) == ExitStatus.OK
    printed = capsys.readouterr()
    record = json.loads((tmp_path / "s.json").read_text())
    assert list(record["studies"]) == ["rates", "vocoder", "levels"]
    assert record["material"] == {"clips": 2, "speakers": 2}
    assert record["model"]["parameters"] > 0
    one = record["studies"]["rates"]["stages"]["1"]
    assert (one["pieces"], one["packet_pieces"]) == (1, 1)
    assert f"{one['file_bps_median']:.1f}" in printed.out
    assert record["studies"]["vocoder"]["original"]["stoi"]["value"] == pytest.approx(1.0)
    assert record["studies"]["vocoder"]["vocoder"]["stoi"]["count"] == 2
    assert set(record["studies"]["levels"]["systems"]) == {"siren-1-effort-24", "siren-2-effort-24"}
    assert "study vocoder, 2 clips" in printed.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--study", "rates,taste"], "--study names 'taste', expected some of rates, robustness, speakers"),
        (["--study", "rates", "--csv", "x.csv"], "--study writes tables and --json alone"),
    ],
)
def test_wrong_studies_are_refused(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(MANIFEST), *words]) == ExitStatus.USAGE
    assert message in capsys.readouterr().err


def test_rates_are_those_of_the_files_and_packets(
    plan: EvaluationPlan, codec: Codec, clips: list[Clip], speech: np.ndarray, tmp_path: Path
) -> None:
    long = np.resize(speech, 23 * 16_000)
    soundfile.write(tmp_path / "a.wav", long[: 15 * 16_000], 16_000)
    soundfile.write(tmp_path / "b.wav", long[15 * 16_000 :], 16_000)
    own = [replace(clips[0], clip_id=name, file=tmp_path / f"{name}.wav") for name in ("a", "b")]
    found = rates.measure(replace(plan, packet_bytes=51), own, 1)
    one = found["stages"]["1"]
    assert (one["pieces"], one["packet_pieces"]) == (2, 3)
    sizes = [len(codec.encode(long[start : start + 160_000], 16_000).to_bytes()) for start in (0, 160_000)]
    assert one["file_bps_median"] == pytest.approx(8 * np.mean(sizes) / 10, rel=0.02)
    assert one["file_bps_largest"] == pytest.approx(8 * max(sizes) / 10, rel=0.02)
    packets = encode_packets(codec, long[:96_000], 16_000, stages=1, max_bytes=51, voice="each")
    assert one["one_packet_share"] == (1.0 if len(packets) == 1 else 0.0)
    assert found["stages"]["2"]["one_packet_share"] == 0.0
    assert one["fitted_share"] >= one["one_packet_share"] and found["stages"]["2"]["fitted_share"] == 0.0
    assert "3 pieces of 6 s, packets of at most 51 bytes" in rates.table(found)[2][0]
    with pytest.raises(DataError, match="no speaker has 10 s"):
        rates.measure(plan, clips[:1], 1)


def test_spoilt_recordings_are_as_spoilt_as_they_say(speech: np.ndarray, short_clips: list[Path]) -> None:
    others = [soundfile.read(path, dtype="float32")[0] for path in (short_clips[0], short_clips[2])]
    for condition in ("babble", "white"):
        noise = (degraded(speech, condition, others) - speech).astype(np.float64)
        assert speech_level_db(speech) - 10 * np.log10(np.mean(noise**2)) == pytest.approx(15.0, abs=0.05)
    narrow = np.abs(np.fft.rfft(degraded(speech, "low-pass", []))) ** 2
    edge = round(len(narrow) * 3_600 / 8_000)
    assert narrow[edge:].sum() < 1e-5 * narrow.sum()
    assert np.allclose(degraded(speech, "louder", []), speech * 10 ** (12 / 20))
    assert np.allclose(degraded(speech, "softer", []), speech * 10 ** (-12 / 20))
    assert np.array_equal(degraded(speech, "clean", []), speech)


@pytest.mark.slow
def test_robustness_compares_each_system_with_itself(
    plan: EvaluationPlan, clips: list[Clip], ctc_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conditions = (*robustness.CONDITIONS[:6], "2 s of zeros before", "2 s of room noise between")
    monkeypatch.setattr(robustness, "CONDITIONS", conditions)  # twenty seconds each take long
    found = robustness.measure(replace(plan, stages=(1,), skip=("dnsmos",), asr=(str(ctc_folder),)), clips, 1)
    assert list(found["systems"]) == ["original", "siren-1"]
    assert found["recognisers"] == [ctc_folder.name]
    own = found["systems"]["original"]
    assert list(own) == list(conditions)
    assert own["clean"]["of_clean"]["value"] == 1.0
    assert own["clean"]["phones"]["value"] > own["babble"]["phones"]["value"] > 0.2
    assert own["softer"]["of_clean"]["value"] == pytest.approx(1.0, abs=0.02)
    assert "phones" not in own["2 s of zeros before"]
    assert own["2 s of zeros before"][f"wer:{ctc_folder.name}"]["count"] == len(clips)
    headings, rows, _ = robustness.table(found)
    assert len(rows) == 8 and {len(row) for row in rows} == {len(headings)}
    with pytest.raises(DataError, match="none of 1 clips has an alignment"):
        robustness.measure(plan, [replace(clips[0], phones=None)], 1)


@pytest.mark.parametrize("silence", SILENCES)
def test_silence_is_added_and_the_speech_stays(silence: str, speech: np.ndarray) -> None:
    found = add_silence(speech, silence)
    count = int(silence.split()[0]) * 16_000
    assert len(found) == len(speech) + count
    start = {"before": 0, "behind": len(speech)}.get(silence.split()[-1])
    if start is None:
        start = next(k for k in range(len(speech), 0, -1) if np.array_equal(found[:k], speech[:k]))
        assert len(speech) / 4 <= start <= 3 * len(speech) / 4 + count
    added = found[start : start + count]
    if silence.endswith(("before", "behind")):
        assert np.array_equal(np.delete(found, np.s_[start : start + count]), speech)
    if "zeros" in silence:
        assert np.count_nonzero(added) <= 1_600
    elif not silence.endswith("between"):
        level_db = 10 * np.log10(np.mean(added.astype(np.float64) ** 2))
        assert level_db - speech_level_db(speech) == pytest.approx(ROOM_DB, abs=0.1)
    assert np.array_equal(found, add_silence(speech, silence))


def test_words_are_found_where_they_are_said(clips: list[Clip]) -> None:
    text, phones = clips[0].text, clips[0].phones
    assert text == "he seemed born to please without being conscious of the power he possessed"
    found = words_in(text, str(phones), pronunciations())
    assert [word for word, _, _ in found][:2] == ["seemed", "born"]
    assert {"please", "conscious"} <= {word for word, _, _ in found} <= set(text.split())
    times = [time for _, start_s, end_s in found for time in (start_s, end_s)]
    assert times == sorted(times)
    assert 0.0 < times[0] < times[-1] < 4.49


def test_digits_run_from_minus_one_to_one() -> None:
    assert digits_of(np.array([[0, 999], [7, 8]], np.int16)).tolist() == [
        [-1, -1, -1, -1, 1, 1, 1, 1], [1, -1, -1, -1, -1, -0.5, -1, -1],
    ]  # fmt: skip
    shares = digit_shares(np.array([[0], [0], [7], [999]], np.int16))
    assert shares[:8].tolist() == [0.5, 0, 0, 0, 0, 0, 0, 0.5]
    assert shares.sum() == 4.0


def test_same_words_are_closer_when_indices_follow_the_words_and_not_when_they_do_not() -> None:
    rng = np.random.default_rng(0)
    texts = ["one", "two", "three"]
    model = {word: rng.integers(0, 1_000, (5, 1)).astype(np.int16) for word in texts}
    words = [word_digits(word, speaker, model[word], 0.0, 0.8) for word in texts for speaker in "ab"]
    found = compare_words(words)
    assert len(found) == 3
    assert all(same == 0.0 < different and farther == 1.0 for same, different, farther in found)
    noise = [
        word_digits(w, s, rng.integers(0, 1_000, (5, 1)).astype(np.int16), 0.0, 0.8) for w in texts * 9 for s in "ab"
    ]
    assert np.mean([farther for _, _, farther in compare_words(noise)]) == pytest.approx(0.5, abs=0.1)


def test_the_probe_names_speakers_by_what_gives_them_away(
    plan: EvaluationPlan, speech: np.ndarray, short_clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips, phones = [], "SIL:9 HH:9 AH:9 L:9 OW:9"
    for speaker in "ab":
        for number in range(4):
            file = tmp_path / f"{speaker}{number}.wav"
            soundfile.write(file, speech[number * 8_000 : number * 8_000 + 16_000], 16_000)
            clips.append(Clip(f"{speaker}{number}", speaker, file=file, text="hello", phones=phones))

    def coded(clip: Clip) -> Any:
        return np.full((7, 2), int(clip.clip_id[1]), np.int16), [3 * (clip.speaker == "a")] * 28

    monkeypatch.setattr(speakers, "_coded", coded)
    found = speakers.measure(plan, clips, 1)
    assert found["probe"]["chance"] == 0.5
    assert found["probe"]["voice"]["value"] == 1.0
    assert found["probe"]["indices_1"]["value"] <= 0.5  # the same in both speakers' clips
    assert found["probe"]["words"]["value"] == 0.5
    assert found["words"]["1"]["pairs"] == 0  # no other word to compare with
    headings, rows, notes = speakers.table(found)
    assert [row[0] for row in rows][-1] == "voice code"
    assert {len(row) for row in rows} == {len(headings)}
    assert "no word of four phones" in notes[1]
    with pytest.raises(DataError, match="1 speakers have 4 clips"):
        speakers.measure(plan, clips[:4], 1)


def test_silence_is_put_into_the_middle_and_measured_there(
    plan: EvaluationPlan, clips: list[Clip], speech: np.ndarray
) -> None:
    holed, silence = with_silence(speech)
    assert len(holed) == len(speech) + 32_000
    assert not holed[silence].any()
    assert silence.stop - silence.start == round(1.36 * 16_000)
    assert block_levels_db(holed[silence]).tolist() == [-120.0] * 68
    assert block_levels_db(np.full(320, 0.1, np.float32))[0] == pytest.approx(-20.0, abs=1e-3)
    found = levels.measure(replace(plan, stages=(1,)), clips[:1], 1)
    own = found["systems"]["siren-1-effort-24"]
    assert -120.0 <= own["silence_db_median"] <= own["silence_db_loudest"] <= 0.0
    assert own["level_change_size_db"]["value"] == abs(own["level_change_db"]["value"])


def test_the_vocoder_alone_gives_sound_of_the_same_length(codec: Codec, speech: np.ndarray) -> None:
    made = vocoded(codec, speech)
    assert made.shape == speech.shape
    assert np.isfinite(made).all() and made.any()
    assert np.array_equal(made, vocoded(codec, speech))


@pytest.mark.slow
def test_mels_tell_what_the_vocoder_loses(clips: list[Clip], tmp_path: Path) -> None:
    plan = EvaluationPlan(None, (1,), (), False, ("pocketsphinx",), tmp_path, threads=1)
    found = vocoder_loss.measure(plan, clips[:1], 1)
    own = found["systems"]["siren-1-effort-24"]
    assert 0.3 < own["sound"]["value"] < 0.9
    assert own["lost"]["value"] == pytest.approx(own["mels"]["value"] - own["sound"]["value"])
    assert abs(own["lost"]["value"]) < 0.1
    headings, cells, notes = vocoder_loss.table(found)
    assert headings[1:3] == ["phones read off its mels", "off its sound"] and notes[0].startswith("1 clips")
    assert cells[0][0] == "SIREN, 1 stage" and cells[0][1].startswith(f"{own['mels']['value']:.3f}")


def test_decoded_mels_are_those_of_the_sound(speech: np.ndarray) -> None:
    packaged = load_codec()
    data = packaged.encode(speech, 16_000, stages=2).to_bytes()
    given, made = decoded_log_mel(packaged, data), log_mel(packaged.decode(data))
    assert given.shape == made.shape
    loud = made.mean(-1) > made.mean(-1).median()
    assert np.corrcoef(given[loud].flatten(), made[loud].flatten())[0, 1] > 0.8


def test_mels_of_another_shape_are_refused(codec: Codec, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    data = codec.encode(speech, 16_000).to_bytes()
    monkeypatch.setattr(vocoder_loss, "_GEOMETRY", (64, 160, 640, 1024))
    with pytest.raises(UsageError, match="80 bands every 160 samples, --study mels reads 64 every 160"):
        decoded_log_mel(codec, data)


@pytest.mark.slow
def test_thrift_tells_what_bits_and_words_a_weight_costs(clips: list[Clip], tmp_path: Path) -> None:
    plan = EvaluationPlan(None, (1,), (), False, ("pocketsphinx",), tmp_path, threads=1)
    found = rate_distortion.measure(plan, clips[:1], 1)
    rows = found["stages"]["1"]
    bps = [row["payload_bps"]["value"] for row in rows]
    assert [row["weight"] for row in rows] == list(rate_distortion.WEIGHTS)
    # A search does not find the cheapest, and rounds otherwise on another processor: a clip can come out larger by two.
    byte_bps = 8 / soundfile.info(clips[0].file).duration
    assert all(after < before + 2.01 * byte_bps for before, after in pairwise(bps)) and bps[-1] < 0.97 * bps[0]
    assert all(0.0 < row["phones"]["value"] < 1.0 for row in rows)
    headings, cells, notes = rate_distortion.table(found)
    assert headings[:5] == ["stages", "weight", "payload bps", "of unweighted", "file bps"] and "phones" in headings
    assert cells[0][3] == "100.0 %" and len(cells) == len(rows) and notes[0].startswith("1 clips")
