"""Failures cost a minute of training at most: full disks, interruptions, kills."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from siren_cli.__main__ import main
from siren_cli.errors import DataError, ExitStatus, OutputUnwritable
from siren_cli.training.loop.checkpoint import load_checkpoint, save_checkpoint
from siren_cli.training.loop.trainer import TrainingInterrupted
from siren_cli.training.pipeline import TrainRequest, train
from tests.training.conftest import FEW, said_nothing

pytestmark = pytest.mark.slow

Trained = tuple[Path, list[str]]
ROOT = Path(__file__).resolve().parent.parent.parent


@contextmanager
def full_disk(most_bytes: int) -> Iterator[None]:
    """Context in which no file can grow beyond a size, as on a disk without space."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def order(run: Path, trained: Trained, *settings: str, **more: object) -> TrainRequest:
    told = (*FEW, "evaluate_every=1000", *settings)
    stages = ("factorizer",)
    return TrainRequest(
        run, phases=stages, config="tiny", settings=told, device="cpu", cache=trained[0] / "cache", **more
    )  # type: ignore[arg-type]


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "stage.safetensors"
    save_checkpoint(path, {"trained": {"a": torch.ones(3)}}, {"step": 1})
    with full_disk(4096), pytest.raises(OutputUnwritable, match="the one before is kept"):
        save_checkpoint(path, {"trained": {"a": torch.ones(30_000)}}, {"step": 2})
    groups, facts = load_checkpoint(path)
    assert facts["step"] == 1 and torch.equal(groups["trained"]["a"], torch.ones(3))
    assert [file.name for file in tmp_path.iterdir()] == ["stage.safetensors"]


def test_training_on_a_full_disk_ends_in_one_line_and_goes_on_later(trained: Trained, tmp_path: Path) -> None:
    train(order(tmp_path, trained, "steps=2"), said_nothing)
    with full_disk(20_000), pytest.raises(OutputUnwritable, match="--resume"):
        train(order(tmp_path, trained, "steps=4", resume=True), said_nothing)
    assert load_checkpoint(tmp_path / "factorizer.safetensors")[1]["step"] == 2
    train(order(tmp_path, trained, "steps=4", resume=True), said_nothing)
    assert load_checkpoint(tmp_path / "factorizer.safetensors")[1]["step"] == 4


def test_preparing_on_a_full_disk_leaves_no_half_cache(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "prepare", "--data", str(recordings), "--out", str(tmp_path), "--config", "tiny", "--quiet"]
    with full_disk(50_000):
        assert main(words) == ExitStatus.OUTPUT_UNWRITABLE
    error = capsys.readouterr().err
    assert "cannot be written" in error and len(error.strip().splitlines()) == 1
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_interruption_ends_after_the_step_and_saves(trained: Trained, tmp_path: Path) -> None:
    def interrupt(line: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(TrainingInterrupted, match=r"interrupted after step 2 of factorizer.*--resume"):
        train(order(tmp_path, trained, "steps=50", "log_every=2"), interrupt)
    assert load_checkpoint(tmp_path / "factorizer.safetensors")[1]["step"] == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert TrainingInterrupted.exit_status == ExitStatus.INTERRUPTED


def test_a_killed_run_resumes_to_the_same_parameters(trained: Trained, tmp_path: Path) -> None:
    told = [word for text in (*FEW, "evaluate_every=1000", "steps=12", "checkpoint_every_s=0.0", "log_every=1")
            for word in ("--set", text)]  # fmt: skip
    words = ["train", "--out", str(tmp_path / "killed"), "--config", "tiny", "--stage", "factorizer",
             "--device", "cpu", "--threads", "1", "--cache", str(trained[0] / "cache"), *told]  # fmt: skip
    paths = os.pathsep.join(str(ROOT / name) for name in (".", "formats", "weights"))
    environment = {**os.environ, "PYTHONPATH": paths}
    process = subprocess.Popen([sys.executable, "-m", "siren_cli", *words], env=environment, stderr=subprocess.DEVNULL)
    log = tmp_path / "killed" / "metrics.jsonl"
    while process.poll() is None and (not log.exists() or log.read_text().count("\n") < 3):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    reached = load_checkpoint(tmp_path / "killed" / "factorizer.safetensors")[1]["step"]
    assert 2 <= reached <= 12
    assert main([*words, "--resume", "--quiet"]) == 0
    assert main([*words[:2], str(tmp_path / "whole"), *words[3:], "--quiet"]) == 0
    killed, whole = (load_checkpoint(tmp_path / name / "factorizer.safetensors")[0] for name in ("killed", "whole"))
    for group, tensors in whole.items():
        for name, tensor in tensors.items():
            assert torch.equal(tensor, killed[group][name]), f"{group}/{name}"
    lines = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    again = [json.loads(line) for line in log.read_text().splitlines()]
    assert again[-2]["mel"] == lines[-2]["mel"]


def test_minutes_save_and_stop(trained: Trained, tmp_path: Path) -> None:
    said: list[str] = []
    assert train(order(tmp_path, trained, "steps=500", minutes=0.0), said.append) is None
    assert "out of time in phase factorizer" in said[-1]
    assert load_checkpoint(tmp_path / "factorizer.safetensors")[1]["step"] == 1
    train(order(tmp_path, trained, "steps=2", resume=True), said.append)
    assert load_checkpoint(tmp_path / "factorizer.safetensors")[1]["step"] == 2


def test_a_checkpoint_of_other_settings_is_refused(trained: Trained, tmp_path: Path) -> None:
    train(order(tmp_path, trained, "steps=1"), said_nothing)
    with pytest.raises(DataError, match="does not fit the settings"):
        train(order(tmp_path, trained, "steps=2", "factorizer.ctc_weight=1.0", resume=True), said_nothing)


def test_resuming_keeps_the_cache(trained: Trained, tmp_path: Path) -> None:
    before = (trained[0] / "cache" / "clips.json").stat().st_mtime_ns
    phases, settings = ("prepare", "factorizer"), (*FEW, "steps=1")
    told = TrainRequest(
        tmp_path, phases=phases, config="tiny", settings=settings, device="cpu", cache=trained[0] / "cache", resume=True
    )
    train(told, said_nothing)
    assert (trained[0] / "cache" / "clips.json").stat().st_mtime_ns == before
