"""`siren train` on bundled recordings: through all phases to a model that encodes and decodes; exact resume."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import siren_cli
from siren_cli.__main__ import main
from siren_cli.errors import ConfigError, DataError, ExitStatus
from siren_cli.registry.weights import read_prior
from siren_cli.training.data.batches import Cache, Crops
from siren_cli.training.loop.checkpoint import load_checkpoint
from siren_cli.training.pipeline import TrainRequest, train
from tests.training.conftest import FEW, said_nothing

pytestmark = pytest.mark.slow


def test_broken_recordings_are_named_and_left_out(trained: tuple[Path, list[str]]) -> None:
    run, said = trained
    left_out = [line for line in said if line.startswith("left out")]
    assert len(left_out) == 2
    assert any("broken" in line and "not readable audio" in line for line in left_out)
    assert any("missing" in line and "the file is missing" in line for line in left_out)
    assert len(json.loads((run / "cache" / "clips.json").read_text())) == 3


def test_the_result_encodes_and_decodes(trained: tuple[Path, list[str]], short_clips: list[Path]) -> None:
    codec = siren_cli.load(trained[0] / "model")
    wav, rate_hz = soundfile.read(short_clips[0], dtype="float32")
    for stages in (1, 2):
        data = codec.encode(wav, rate_hz, stages=stages).to_bytes()
        decoded = codec.decode(data)
        assert decoded.shape == wav.shape
        assert np.isfinite(decoded).all()


def test_every_phase_logs_its_figures(trained: tuple[Path, list[str]]) -> None:
    lines = [json.loads(line) for line in (trained[0] / "metrics.jsonl").read_text().splitlines()]
    assert {line["stage"] for line in lines} == {"factorizer", "vocoder", "joint", "guide"}
    dev = next(line for line in lines if line.get("dev") and line["stage"] == "factorizer")
    assert {"mel_1", "mel_2", "phone_accuracy_1", "pitch_correlation_2", "entropy_share_1"} <= dev.keys()
    judged = [line for line in lines if line["stage"] == "vocoder" and "adversary" in line]
    assert [line["step"] for line in judged] == [4]


@pytest.mark.parametrize("stage", ["factorizer", "vocoder"])
def test_resuming_equals_not_stopping(stage: str, trained: tuple[Path, list[str]], tmp_path: Path) -> None:
    cache = trained[0] / "cache"
    states = {}
    for name, parts in (("whole", [6]), ("halves", [3, 6])):
        for number, steps in enumerate(parts):
            train(
                TrainRequest(tmp_path / name, phases=(stage,), config="tiny",
                      settings=(*FEW, "decay_share=0.01", f"steps={steps}"), resume=number > 0, device="cpu",
                      cache=cache),
                said_nothing,
            )  # fmt: skip
        states[name], facts = load_checkpoint(tmp_path / name / f"{stage}.safetensors")
        assert facts["step"] == 6
    for group, tensors in states["whole"].items():
        for name, tensor in tensors.items():
            assert torch.equal(tensor, states["halves"][group][name]), f"{group}/{name}"


def test_the_prior_is_fitted_and_compared(trained: tuple[Path, list[str]]) -> None:
    run, said = trained
    prior = read_prior(run / "model" / "model.safetensors")
    assert prior is not None
    lines = [line for line in said if line.startswith("train: bits a frame with")]
    assert len(lines) == 2
    for line in lines:
        costs = dict(re.findall(r"(packed|order 0|float twin|integer prior) (\d+\.\d+) \(", line))
        assert len(costs) == 4
        assert float(costs["integer prior"]) == pytest.approx(float(costs["float twin"]), rel=0.02)


def test_a_started_run_is_not_overwritten(trained: tuple[Path, list[str]]) -> None:
    with pytest.raises(ConfigError, match="--resume"):
        train(TrainRequest(trained[0], phases=("factorizer",), device="cpu"), said_nothing)


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, status, said in (
        (["--data", str(tmp_path / "nowhere")], ExitStatus.AUDIO, "no such folder or manifest"),
        (["--data", str(tmp_path)], ExitStatus.AUDIO, "no recordings found"),
        (["--stage", "cooking"], ExitStatus.USAGE, "phase 'cooking' is unknown"),
        (["--set", "stepz=3"], ExitStatus.USAGE, "'stepz' is unknown"),
        (["--set", "model.stages=7"], ExitStatus.USAGE, "stages is 7"),
        (["--stage", "factorizer", "--cache", str(tmp_path)], ExitStatus.AUDIO, "not a training cache"),
        (["--stage", "prior", "--cache", str(tmp_path)], ExitStatus.AUDIO, "not a checkpoint"),
    ):
        assert main(["train", "--out", str(tmp_path / said), *words]) == status
        error = capsys.readouterr().err.strip()
        assert said in error and len(error.splitlines()) == 1


def test_a_manifest_line_that_is_none_is_named(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text('{"audio": "a.wav"}\n{"speaker": "nobody"}\n')
    with pytest.raises(DataError, match="manifest.jsonl:2"):
        train(TrainRequest(tmp_path / "run", (str(manifest),), ("prepare",), device="cpu"), said_nothing)


def test_a_step_draws_the_same_batch_every_time(trained: tuple[Path, list[str]]) -> None:
    cache = Cache(trained[0] / "cache", 80)
    first, again = (Crops(cache, "train", 1).batch(17, 3, 64) for _ in range(2))
    other = Crops(cache, "train", 1).batch(18, 3, 64)
    assert all(torch.equal(getattr(first, name), getattr(again, name)) for name in ("wav", "pitch", "voice_mel"))
    assert not torch.equal(first.mel, other.mel)
    assert first.wav.shape == (3, 64 * 160) and first.mel.shape == (3, 64, 80) and first.voice_mel.shape == (3, 300, 80)


def test_the_cache_is_on_one_grid(trained: tuple[Path, list[str]], recordings: Path) -> None:
    cache = Cache(trained[0] / "cache", 80)
    spans = cache.split("train")
    assert spans[0].first_frame == 0
    for before, after in zip(spans, spans[1:], strict=False):
        assert after.first_frame == before.first_frame + before.frames
    frames = spans[-1].first_frame + spans[-1].frames
    assert len(cache.wav) == len(cache.mel) == len(cache.pitch) == len(cache.phones) == frames
    voiced = np.asarray(cache.pitch[:])[np.asarray(cache.pitch[:]) > 0]
    assert np.log(60) <= voiced.min() and voiced.max() <= np.log(500) + 0.01 and len(voiced) > 100
    labelled = cache.phones[:110]
    assert labelled[0] == 0 and labelled[35] != 255 and cache.phones[115] == 255
