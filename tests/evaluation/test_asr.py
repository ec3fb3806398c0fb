"""Speech recognisers: real and tiny random ones, pieces, batches, languages and types of weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from siren_cli.errors import UsageError
from siren_cli.evaluation.metrics import asr, asr_transformers
from siren_cli.evaluation.metrics.asr import available, load_recogniser, recogniser_name, require_languages
from siren_cli.evaluation.metrics.asr_transformers import cut_at_pauses
from siren_cli.evaluation.metrics.words import normalised, word_errors


def test_pocketsphinx_recognises_most_words_and_the_same_ones_each_time(speech: np.ndarray) -> None:
    recogniser = load_recogniser("pocketsphinx")
    reference = normalised("there is no opening except the one pane said our learned guide", "en")
    first, _, again, silence = recogniser.transcribe([speech, speech[::-1], speech, np.zeros(16_000, np.float32)], "en")
    counts = word_errors(normalised(first, "en"), reference)
    assert counts.errors / counts.reference < 0.5
    assert again == first
    assert len(silence.split()) <= 1
    assert recogniser.name == "PocketSphinx"


def test_a_ctc_model_transcribes_long_recordings_and_each_as_if_alone(ctc_folder: Path, speech: np.ndarray) -> None:
    recogniser = load_recogniser(str(ctc_folder))
    wavs = [np.tile(speech, 9), speech, speech[:30_000], speech * 0.5]
    texts = recogniser.transcribe(wavs, "en")
    assert set("".join(texts).replace(" ", "")) <= set("abcdefgh")
    assert texts == [recogniser.transcribe([wav], "en")[0] for wav in wavs]
    assert recogniser.languages == ()


def test_a_whisper_model_transcribes_long_recordings_and_each_as_if_alone(
    whisper_folder: Path, speech: np.ndarray
) -> None:
    recogniser = load_recogniser(str(whisper_folder))
    wavs = [np.tile(speech, 9), speech, speech[:30_000]]
    texts = recogniser.transcribe(wavs, "en")
    assert all(texts)
    assert set("".join(texts).replace(" ", "")) <= set("abcdefgh")
    assert texts == [recogniser.transcribe([wav], "en")[0] for wav in wavs]
    assert recogniser.languages == ("en",)
    assert recogniser.name == "tiny-whisper.en"


def test_weights_of_half_precision_are_read_and_the_identity_tells(
    whisper_folder: Path, ctc_folder: Path, speech: np.ndarray, tmp_path: Path
) -> None:
    from transformers import (
        AutoFeatureExtractor,
        AutoModelForCTC,
        AutoModelForSpeechSeq2Seq,
        AutoTokenizer,
    )

    for folder, loader in ((whisper_folder, AutoModelForSpeechSeq2Seq), (ctc_folder, AutoModelForCTC)):
        for kind in (torch.float16, torch.bfloat16):
            half = tmp_path / str(kind) / folder.name
            loader.from_pretrained(folder).to(kind).save_pretrained(half)
            AutoFeatureExtractor.from_pretrained(folder).save_pretrained(half)
            AutoTokenizer.from_pretrained(folder).save_pretrained(half)
            recogniser = load_recogniser(str(half))
            assert isinstance(recogniser.transcribe([speech], "en")[0], str)
            assert recogniser.identity != load_recogniser(str(folder)).identity


def test_a_multilingual_model_is_given_its_language(
    multilingual_folder: Path, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import WhisperForConditionalGeneration

    given: list[dict[str, Any]] = []
    generate = WhisperForConditionalGeneration.generate

    def spy(self: Any, *arguments: Any, **options: Any) -> Any:
        given.append(options)
        return generate(self, *arguments, **options)

    monkeypatch.setattr(WhisperForConditionalGeneration, "generate", spy)
    recogniser = load_recogniser(str(multilingual_folder))
    recogniser.transcribe([speech], "pl")
    assert (given[0]["language"], given[0]["task"], given[0]["return_timestamps"]) == ("pl", "transcribe", False)
    assert (given[0]["do_sample"], given[0]["num_beams"]) == (False, 1)
    assert set(recogniser.languages) == {"en", "de", "pl"}
    assert [recogniser.language_for(tag) for tag in ("pl-PL", "de", "sw", "")] == ["pl", "de", None, None]


def test_english_recognisers_take_unknown_languages_for_english_and_leave_others_out(whisper_folder: Path) -> None:
    for source in ("pocketsphinx", str(whisper_folder)):
        recogniser = load_recogniser(source)
        assert [recogniser.language_for(tag) for tag in ("en-US", "", "de")] == ["en", "en", None]


def test_no_language_is_guessed(multilingual_folder: Path, whisper_folder: Path, ctc_folder: Path) -> None:
    clips = [("ann/a", "en"), ("bob/b", "")]
    require_languages(["pocketsphinx", str(whisper_folder), str(ctc_folder)], clips)
    require_languages([str(multilingual_folder)], clips[:1])
    with pytest.raises(UsageError, match="bob/b: its language is unknown and tiny-whisper transcribes several; give"):
        require_languages([str(multilingual_folder)], clips)


def test_long_recordings_are_cut_at_pauses() -> None:
    rng = np.random.default_rng(0)
    wav = rng.normal(0, 0.1, 70 * 16_000).astype(np.float32)
    for start_s in (22.0, 47.5):
        wav[round(start_s * 16_000) : round((start_s + 0.4) * 16_000)] *= 0.01
    pieces = cut_at_pauses(wav)
    assert np.array_equal(np.concatenate(pieces), wav)
    edges_s = np.cumsum([len(piece) for piece in pieces])[:-1] / 16_000
    assert edges_s == pytest.approx([22.2, 47.7], abs=0.2)
    assert cut_at_pauses(wav[: 30 * 16_000])[0] is not None and len(cut_at_pauses(wav[: 30 * 16_000])) == 1


def test_no_piece_is_too_long_or_hardly_there() -> None:
    for count in (30 * 16_000 + 1, 31 * 16_000, 100 * 16_000 + 7):
        pieces = cut_at_pauses(np.ones(count, np.float32))
        assert sum(map(len, pieces)) == count
        assert max(map(len, pieces)) <= 30 * 16_000
        assert min(map(len, pieces)) >= 16_000


def test_batches_go_by_length_and_lengths_mix_only_where_they_may() -> None:
    lengths = [5, 3, 5, 4] + [9] * 10
    mixed = list(asr_transformers._batches(lengths, needs_equal=False))
    equal = list(asr_transformers._batches(lengths, needs_equal=True))
    for batches in (mixed, equal):
        assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    assert [len(batch) for batch in mixed] == [8, 6]
    assert [len(batch) for batch in equal] == [1, 1, 2, 8, 2]
    assert all(len({lengths[place] for place in batch}) == 1 for batch in equal)


def test_what_is_no_recogniser_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no config.json there; give --asr pocketsphinx or"):
        available([str(tmp_path)])
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="not a speech recogniser of transformers"):
        load_recogniser(str(tmp_path))
    with pytest.raises(UsageError, match="no such folder and no hub name"):
        available(["nowhere"])


def test_two_recognisers_need_two_names(tmp_path: Path) -> None:
    for name in ("a/same", "b/same"):
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(UsageError, match="names 'same' twice"):
        available([str(tmp_path / "a" / "same"), str(tmp_path / "b" / "same")])
    assert recogniser_name("openai/whisper-tiny.en") == "whisper-tiny.en"


def test_missing_packages_are_named(ctc_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = asr.importlib.util.find_spec
    gone = {"pocketsphinx"}
    monkeypatch.setattr(asr.importlib.util, "find_spec", lambda name: None if name in gone else real(name))
    sources, notes = available(["pocketsphinx", str(ctc_folder)])
    assert sources == (str(ctc_folder),)
    assert "WER by PocketSphinx left out; pip install pocketsphinx" in notes[0]
    gone.add("transformers")
    with pytest.raises(UsageError, match="needs transformers; pip install transformers"):
        available([str(ctc_folder)])
    gone.add("jiwer")
    assert available(["pocketsphinx"]) == ((), ["WER and CER left out; pip install jiwer to have them"])
