"""Phase guide trains the target predictor of the search and nothing else; a model may do without."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import siren_cli
from siren_cli.errors import ConfigError, DataError, UsageError
from siren_cli.training.data.batches import Cache, Crops
from siren_cli.training.initialisation import load_run_model
from siren_cli.training.loop.checkpoint import load_checkpoint
from siren_cli.training.phases.guide import GuidePhase
from siren_cli.training.pipeline import TrainRequest, train
from siren_cli.training.settings import settings_of_run
from tests.training.conftest import FEW, said_nothing

pytestmark = pytest.mark.slow

Trained = tuple[Path, list[str]]


def test_it_logs_what_the_guide_hears(trained: Trained) -> None:
    lines = [json.loads(line) for line in (trained[0] / "metrics.jsonl").read_text().splitlines()]
    dev = next(line for line in lines if line.get("dev") and line["stage"] == "guide")
    heard = {"phones_heard_1", "phones_heard_2"}
    assert {"mel", "pitch_correlation", "voicing_error"} | heard <= dev.keys()
    state = load_checkpoint(trained[0] / "guide.safetensors")[0]["trained"]
    assert all(name.startswith("guide.") for name in state)


def test_the_trained_model_searches(trained: Trained, short_clips: list[Path]) -> None:
    codec = siren_cli.load(trained[0] / "model")
    wav, rate_hz = soundfile.read(short_clips[0], dtype="float32")
    plain, searched = (c.encode(wav, rate_hz, stages=2) for c in (codec, codec.searching(4)))
    assert (plain.indices != searched.indices).any()
    assert codec.decode(searched.to_bytes()).shape == wav.shape


def test_only_the_guide_learns_and_its_target_is_clean(trained: Trained) -> None:
    run = trained[0]
    config = settings_of_run(run, None, [*FEW, "noise_share=1.0"], write=False)
    crops = Crops(Cache(run / "cache", config.model.mel_bins), "train", 1)
    model = load_run_model(run, config.model)
    phase = GuidePhase(model, crops, crops, config.guide)
    torch.manual_seed(1)
    batch = phase.batch(0)
    total, parts = phase.loss(batch, 0)
    total.backward()  # type: ignore[no-untyped-call]
    moved = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and bool(p.grad.any())}
    assert moved == {"guide"}
    assert model.guide is not None
    torch.manual_seed(1)
    heard, _ = phase._noisy_input(batch)
    with torch.no_grad():
        features, _ = model.factorizer.semantic(heard)
        off = float((model.guide(heard, features).mel - batch.envelope).abs().mean())
    assert not torch.equal(heard, batch.mel)
    assert parts["mel"] == pytest.approx(off, rel=1e-4)


def test_a_model_without_a_guide(recordings: Path, short_clips: list[Path], tmp_path: Path) -> None:
    settings = (*FEW, "model.guide_width=0")
    train(TrainRequest(tmp_path, (str(recordings),), config="tiny", settings=settings, device="cpu"), said_nothing)
    assert not (tmp_path / "guide.safetensors").exists()
    codec = siren_cli.load(tmp_path / "model")
    wav, rate_hz = soundfile.read(short_clips[0], dtype="float32")
    assert np.isfinite(codec.decode(codec.encode(wav, rate_hz))).all()
    with pytest.raises(UsageError, match="tiny has no guide"):
        codec.searching(1)
    with pytest.raises(ConfigError, match="no guide to train"):
        train(TrainRequest(tmp_path, phases=("guide",), resume=True, device="cpu"), said_nothing)


def test_a_guide_must_be_trained_before_it_is_packaged(trained: Trained, tmp_path: Path) -> None:
    for name in ("config.json", "training.json", "factorizer.safetensors", "joint.safetensors"):
        (tmp_path / name).write_bytes((trained[0] / name).read_bytes())
    with pytest.raises(DataError, match=r"guide\.safetensors: not a checkpoint"):
        train(TrainRequest(tmp_path, phases=("prior",), cache=trained[0] / "cache", device="cpu"), said_nothing)


def test_what_the_branch_understands_helps_in_noise(short_clips: list[Path]) -> None:
    """The packaged guide predicts clean spectra from babble better with encoder features than with zeros."""
    networks = siren_cli.load().networks
    assert networks.guide is not None
    talk, other = (torch.from_numpy(soundfile.read(clip, dtype="float32")[0]) for clip in short_clips[:2])
    samples = min(len(talk), len(other)) // 2_560 * 2_560
    talk, other = talk[None, :samples], other[None, :samples]
    below = 10 ** (-10 / 20) * talk.norm() / other.norm()
    with torch.inference_mode():
        quiet, noisy = networks.mel(talk), networks.mel(talk + below * other)
        features, _ = networks.factorizer.semantic(noisy)
        spoken = networks.guide(quiet, networks.factorizer.semantic(quiet)[0]).mel
        with_them, without = (networks.guide(noisy, some).mel for some in (features, torch.zeros_like(features)))
    off = [float((found - spoken).abs().mean()) for found in (noisy, without, with_them)]
    assert off[2] < off[1] and off[2] < off[0]
