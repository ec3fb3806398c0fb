"""Phase prior fits the spectral correction of a model with one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import siren_cli
from siren_cli.config import ModelConfig
from siren_cli.errors import DataError
from siren_cli.model.speaker_coding import lacking, speak
from siren_cli.registry.weights import find_model
from siren_cli.training.data.batches import Cache
from siren_cli.training.export.spectral_correction import entropy_constrained_levels, fit_spectral_correction
from siren_cli.training.initialisation import load_run_model
from siren_cli.training.pipeline import TrainRequest, train
from siren_cli.voices.mixing import average, blend
from siren_format.voice import voice_codes, voice_digits
from tests.training.conftest import FEW, said_nothing

pytestmark = pytest.mark.slow

TONE = ("model.voice_fine=8", "model.timbre=True", "model.voice_tone=True")


@pytest.fixture(scope="module")
def run(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run through all phases of a model with spectral correction."""
    folder = tmp_path_factory.mktemp("run")
    train(TrainRequest(folder, (str(recordings),), (), "tiny", (*FEW, *TONE), device="cpu"), said_nothing)
    return folder


def test_four_levels_serve_numbers_and_bits() -> None:
    rng = np.random.default_rng(1)
    wide, narrow = (entropy_constrained_levels(rng.normal(0, spread, 4_000)) for spread in (1.0, 0.05))
    assert (np.diff(wide) > 0.5).all()
    assert abs(wide.mean()) < 0.3
    values = rng.normal(0, 0.05, 4_000)
    nearest = np.abs(values[:, None] - narrow).argmin(1)
    assert (np.diff(narrow) > 0).all()
    assert np.bincount(nearest).max() > 3_900, "a spread of a twentieth is not worth a bit"


def test_decoded_speech_lacks_less_of_the_mean_spectrum(run: Path, short_clips: list[Path]) -> None:
    codec = siren_cli.load(run / "model")
    model = codec.networks
    assert model.tone is not None
    assert max(map(len, map(set, codec.config.levels_used()))) <= 4
    before, after = [], []
    for clip in short_clips:
        wav, rate_hz = soundfile.read(clip, dtype="float32")
        voice = codec.encode(wav, rate_hz).voice
        assert voice is not None
        samples = codec._at_nominal_level(wav[: len(wav) // 2_560 * 2_560], codec.hear_voice(wav, rate_hz).level_db)
        with torch.inference_mode():
            _, lack = lacking(model, samples)
            spoken = speak(model, torch.tensor(voice_codes(voice, codec.config.fine_in_files)))
        assert spoken.spectrum is not None
        before.append(float(lack.square().mean()))
        after.append(float((lack - spoken.spectrum).square().mean()))
    assert sum(after) < 0.3 * sum(before)


@pytest.mark.parametrize("effort", [0, 2])
def test_files_with_a_tone_are_the_same_streamed_or_not(run: Path, short_clips: list[Path], effort: int) -> None:
    codec = siren_cli.load(run / "model").searching(effort)
    wav, rate_hz = soundfile.read(short_clips[0], dtype="float32")
    data = codec.encode(wav, rate_hz, stages=2).to_bytes()
    assert b"".join(codec.encode_stream(np.array_split(wav, 7), rate_hz, stages=2)) == data
    whole = codec.decode(data)
    np.testing.assert_array_equal(np.concatenate(list(codec.decode_stream([data]))), whole)
    plain = codec.decode(codec.coded(codec.from_bytes(data).indices, None, len(wav)))
    assert np.isfinite(whole).all()
    assert not np.array_equal(whole, plain)


def test_voices_with_a_tone_are_averaged_and_blended(run: Path, short_clips: list[Path]) -> None:
    codec = siren_cli.load(run / "model")
    heard = [codec.hear_voice(*soundfile.read(clip, dtype="float32")) for clip in short_clips]
    voices = [average([one]) for one in heard]
    assert [voice_digits(voice) for voice in voices] == [tuple(one.digits) for one in heard]
    mean = np.array(voice_digits(average(heard)))
    every = np.array([voice_digits(voice) for voice in voices])
    assert (every.min(0) <= mean).all()
    assert (mean <= every.max(0)).all()
    between = np.array(voice_digits(blend(voices[0], voices[1], 0.5, codec.config.fine_in_files)))
    assert (every[:2].min(0) <= between).all()
    assert (between <= every[:2].max(0)).all()


def test_fine_tuning_keeps_the_tone(run: Path, recordings: Path, tmp_path: Path) -> None:
    few = ("model.guide_width=16", *FEW)
    order = TrainRequest(tmp_path, (str(recordings),), (), None, few[1:], start=str(run / "model"), device="cpu")
    train(order, said_nothing)
    first, second = (siren_cli.load(folder / "model").networks.tone for folder in (run, tmp_path))
    assert first is not None
    assert second is not None
    assert torch.equal(first.synthesis, second.synthesis)
    configs = [ModelConfig.from_json(find_model(str(folder / "model")).config_path) for folder in (run, tmp_path)]
    assert configs[0].voice_used == configs[1].voice_used


def test_there_must_be_something_to_hear(run: Path) -> None:
    config = ModelConfig.from_json(run / "config.json")
    cache = Cache(run / "cache", config.mel_bins)
    cache.spans["train"] = [span for span in cache.spans["train"] if span.frames < 248] or [
        type(span)(**{**vars(span), "frames": 200}) for span in cache.spans["train"]
    ]
    with pytest.raises(DataError, match=r"no recording of 2\.5 s or more"):
        fit_spectral_correction(load_run_model(run, config, guided=True), cache, torch.device("cpu"))
