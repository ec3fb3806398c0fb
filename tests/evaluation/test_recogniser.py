"""The phone recogniser that is shipped: it reads phones off clean speech, hardly minds the band, and minds noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siren_cli.corpus.clip import Clip
from siren_cli.corpus.clips import read_clip
from siren_cli.errors import WeightsDamaged, WeightsMissing
from siren_cli.evaluation.metrics.recogniser import (
    PhoneRecogniser,
    labels_of,
    load_recogniser,
    phone_accuracy,
    phones_of,
    weights_path,
)
from siren_cli.evaluation.metrics.signal import low_pass
from siren_cli.phones import NO_PHONE, PHONES, phone_track


@pytest.fixture(scope="module")
def recogniser() -> PhoneRecogniser:
    return load_recogniser()


def test_it_reads_phones_off_speech_and_minds_noise_more_than_the_band(
    recogniser: PhoneRecogniser, clips: list[Clip]
) -> None:
    rng = np.random.default_rng(0)
    found = []
    for clip in clips:
        wav = read_clip(clip)
        noise = wav + rng.normal(0, 0.5 * wav.std(), len(wav)).astype(np.float32)
        versions = (wav, low_pass(wav, 4_000), noise, rng.normal(0, 0.05, len(wav)).astype(np.float32))
        labels = labels_of(clip.phones, len(wav))
        found.append([phone_accuracy(phones_of(recogniser, version), labels) for version in versions])
    whole, narrow, noisy, nothing = np.mean(found, axis=0)
    assert whole > 0.6
    assert whole - 0.08 < narrow <= whole + 0.02
    assert noisy < whole - 0.1
    assert nothing < 0.15


def test_it_does_not_mind_the_level_and_hears_every_20_ms(recogniser: PhoneRecogniser, speech: np.ndarray) -> None:
    phones = phones_of(recogniser, speech)
    assert len(phones) == -(-len(speech) // 320)
    assert (phones == phones_of(recogniser, 0.1 * speech)).mean() > 0.98


def test_its_size_is_as_documented(recogniser: PhoneRecogniser) -> None:
    assert 2.0e6 < sum(parameter.numel() for parameter in recogniser.parameters()) < 2.3e6
    assert weights_path().stat().st_size < 4.5e6


def test_accuracy_leaves_silence_and_unknown_labels_out() -> None:
    labels = np.array([0, 1, 2, -1, 3])
    assert phone_accuracy(np.array([5, 1, 2, 7, 9]), labels) == pytest.approx(2 / 3)
    assert phone_accuracy(np.array([0, 0]), np.array([0, -1])) is None


def test_an_alignment_is_read_to_its_end() -> None:
    track = phone_track("SIL:2 T:1 AH:2 XX:1", 8)
    assert [PHONES[phone] if phone != NO_PHONE else "" for phone in track] == [
        "SIL", "SIL", "T", "AH", "AH", "", "", "",
    ]  # fmt: skip


def test_missing_and_foreign_weights_are_refused(tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(WeightsMissing, match="no such file, the phone recogniser needs it"):
        load_recogniser(tmp_path / "none.safetensors")
    with pytest.raises(WeightsDamaged, match="not the phone recogniser's weights"):
        load_recogniser(tiny_model / "model.safetensors")
