"""Whisper's encoder gives what transformers' gives, of any length; the phone predictor reads phones off it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file

from siren_cli.errors import DataError, WeightsDamaged, WeightsMissing
from siren_cli.phones import PHONES
from siren_cli.registry import weights
from siren_cli.search.phone_predictor import CLASSIFIER_NAME, ENCODER_NAME, build_phone_predictor, load_phone_predictor
from siren_cli.search.whisper_encoder import OVERLAP_STEPS, WINDOW_STEPS, WhisperEncoder, log_mel, sinusoids
from siren_cli.training.tools.phone_classifier import (
    cache_features,
    encoder_tensors,
    fit_classifier,
    read_cache,
    read_whisper_encoder,
)
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def whisper_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Whisper checkpoint of transformers with random weights: 16 channels, 2 layers."""
    from transformers import WhisperConfig, WhisperModel

    torch.manual_seed(5)
    config = WhisperConfig(
        vocab_size=60, d_model=16, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=16, num_mel_bins=80, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, decoder_start_token_id=3, suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("whisper")
    WhisperModel(config).save_pretrained(folder)
    return folder


def encoder_of(folder: Path) -> WhisperEncoder:
    from safetensors.torch import load_file

    encoder = WhisperEncoder(16, 2, 2)
    encoder.load_state_dict(encoder_tensors(load_file(folder / "model.safetensors")))
    return encoder.eval()


def test_features_are_those_of_transformers(whisper_folder: Path, demo_clip: Path) -> None:
    from transformers import WhisperFeatureExtractor, WhisperModel

    wav = np.zeros(480_000, np.float32)
    wav[:160_000], _ = soundfile.read(demo_clip, dtype="float32")
    theirs = WhisperModel.from_pretrained(whisper_folder).eval()
    mel = torch.tensor(np.array(WhisperFeatureExtractor(feature_size=80)(wav, sampling_rate=16_000).input_features))
    assert torch.allclose(log_mel(torch.from_numpy(wav)[None]), mel.mT, atol=1e-5)
    with torch.inference_mode():
        ours = encoder_of(whisper_folder)(torch.from_numpy(wav)[None])
        assert torch.allclose(ours, theirs.encoder(mel).last_hidden_state, atol=1e-3)


def test_long_recordings_are_encoded_in_windows_that_overlap(whisper_folder: Path) -> None:
    encoder = encoder_of(whisper_folder)
    steps = 2 * WINDOW_STEPS + 33
    wav = torch.from_numpy(np.random.default_rng(2).standard_normal((1, 320 * steps)).astype(np.float32) * 0.1)
    with torch.inference_mode():
        found = encoder(wav)
        mel = log_mel(wav)
        first = encoder.encode_window(mel[:, : 2 * WINDOW_STEPS])
        start = WINDOW_STEPS - OVERLAP_STEPS
        second = encoder.encode_window(mel[:, 2 * start : 2 * (start + WINDOW_STEPS)])
    half = OVERLAP_STEPS // 2
    assert found.shape == (1, steps, 16)
    assert torch.equal(found[:, : WINDOW_STEPS - half], first[:, : WINDOW_STEPS - half])
    assert torch.equal(found[:, WINDOW_STEPS - half : start + 1_000], second[:, half:1_000])


def test_positions_go_from_fast_to_slow() -> None:
    positions = sinusoids(100, 16)
    assert positions.shape == (100, 16)
    assert torch.allclose(positions[:, 0], torch.arange(100.0).sin())
    assert torch.allclose(positions[:, 15], (torch.arange(100) / 10_000).cos())


def test_phones_of_a_recording_are_predicted(demo_clip: Path) -> None:
    """The packaged predictor, on a speaker of LibriSpeech's test set: its alignment begins so."""
    wav, _ = soundfile.read(demo_clip, dtype="float32")
    with torch.inference_mode():
        found = load_phone_predictor(torch.device("cpu"))(torch.from_numpy(wav[: 62 * 2_560])[None])[0].argmax(-1)
    said = [PHONES[int(k)] for k in found]
    runs = [phone for phone, before in zip(said, ["", *said], strict=False) if phone != before]
    assert len(found) == 62 * 8
    assert 60 < len(runs) < 160
    assert len(set(runs)) > 20


def test_a_classifier_learns_phones(whisper_folder: Path, tmp_path: Path) -> None:
    manifest = ROOT / "tests" / "data" / "manifest.jsonl"
    encoder, left_out = encoder_of(whisper_folder), list[str]()
    labelled = tmp_path / "labelled.jsonl"
    labelled.write_text(
        f'{{"id": "a", "audio": "{manifest.parent / "4446-2271-0016.flac"}", "speaker": "s", '
        '"phones": "SIL:100 AA:300 SIL:100 S:300 SIL:200", "split": "train"}\n',
        encoding="utf-8",
    )
    cache_features(str(labelled), tmp_path / "cache", encoder, left_out.append)
    features, labels = read_cache(tmp_path / "cache", 16)
    assert (features.shape, labels.shape, left_out) == ((500, 16), (500,), [])
    lines: list[str] = []
    torch.manual_seed(0)
    model = fit_classifier(features, labels, 50, lines.append)
    with torch.inference_mode():
        found = model(torch.from_numpy(features.astype(np.float32))[None])[0].argmax(-1).numpy()
    assert (found == labels).mean() > 0.6
    assert len(lines) == 1
    assert lines[0].startswith("step 50 of 50")
    cache_features("no such source", tmp_path / "cache", encoder, left_out.append)  # what is there is not made again
    with pytest.raises(DataError, match=r"0\.2 s of labelled speech"):
        fit_classifier(features[:10], labels[:10], 1, lines.append)


def test_recordings_without_phones_teach_nothing(whisper_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no recording has phones"):
        cache_features(str(ROOT / "tests/data"), tmp_path / "cache", encoder_of(whisper_folder), print)


def test_only_a_whisper_model_is_taken(whisper_folder: Path, tmp_path: Path) -> None:
    stored = read_whisper_encoder(whisper_folder)
    assert {name.split(".")[0] for name in stored} == {"conv1", "conv2", "layers", "norm"}
    with pytest.raises(DataError, match=r"no readable model\.safetensors"):
        read_whisper_encoder(tmp_path)
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(DataError, match="no Whisper encoder among the tensors"):
        read_whisper_encoder(tmp_path)


def test_damaged_and_missing_files_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import siren_weights

    classifier = weights.read_encoder_file(CLASSIFIER_NAME)
    with pytest.raises(WeightsDamaged, match="does not fit"):
        build_phone_predictor(classifier, classifier)
    monkeypatch.setattr(siren_weights, "FOLDER", str(tmp_path))
    with pytest.raises(WeightsMissing, match=r"phone_classifier\.safetensors: no such file, the encoder's search"):
        weights.read_encoder_file(CLASSIFIER_NAME)
    (tmp_path / "whisper-base").mkdir()
    (tmp_path / ENCODER_NAME).write_bytes(b"no")
    with pytest.raises(WeightsDamaged, match=r"2 bytes with sha256 .* expected \d+ bytes with"):
        weights.read_encoder_file(ENCODER_NAME)
