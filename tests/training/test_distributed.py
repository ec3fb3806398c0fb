"""`accelerate launch` with two processes trains as one process does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from siren_cli.training.data.batches import Cache, Crops
from siren_cli.training.loop.checkpoint import load_checkpoint
from siren_cli.training.pipeline import TrainRequest, train
from tests.conftest import HUNG_AFTER_S
from tests.training.conftest import FEW, said_nothing

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent
PLAIN = ("perturb=0.0", "other_speakers=0.0", "voice_absent=0.0", "stage_dropout=0.0", "bf16=False", "batch=4",
         "steps=3", "log_every=1", "factorizer.rate_weight=0.01", "evaluate_every=1000")  # fmt: skip


def test_two_processes_equal_one(trained: tuple[Path, list[str]], tmp_path: Path) -> None:
    cache = trained[0] / "cache"
    one, two = tmp_path / "one", tmp_path / "two"
    settings = (*FEW, *PLAIN)
    train(
        TrainRequest(one, phases=("factorizer",), config="tiny", settings=settings, device="cpu", cache=cache),
        said_nothing,
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in (".", "formats", "weights")),
        "OMP_NUM_THREADS": "1",
    }
    launch = "-m accelerate.commands.launch --cpu --num_processes 2 --num_machines 1 --mixed_precision no"
    words = "--dynamo_backend no -m siren_cli train --config tiny --stage factorizer --device cpu"
    command = [sys.executable, *launch.split(), *words.split(), "--out", str(two), "--cache", str(cache)]
    command += [word for text in settings for word in ("--set", text)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HUNG_AFTER_S, check=False)
    assert result.returncode == 0, result.stderr
    expected, found = (load_checkpoint(run / "factorizer.safetensors")[0] for run in (one, two))
    for name, tensor in expected["trained"].items():
        torch.testing.assert_close(found["trained"][name], tensor, rtol=1e-3, atol=2e-5, msg=name)
    lines = [(run / "metrics.jsonl").read_text().splitlines() for run in (one, two)]
    assert [len(many) for many in lines] == [4, 4], "the second process writes nothing"
    for ours, theirs in zip(*lines, strict=True):
        name = "mel_1" if '"dev"' in ours else "mel"
        assert json.loads(ours)[name] == pytest.approx(json.loads(theirs)[name], rel=1e-3)


def test_parts_of_a_batch_are_the_batch(trained: tuple[Path, list[str]]) -> None:
    crops = Crops(Cache(trained[0] / "cache", 80), "train", 1)
    whole = crops.batch(5, 4, 64)
    parts = [crops.batch(5, 4, 64, part=(number, 2)) for number in range(2)]
    for name in ("wav", "mel", "pitch", "phones", "voice_mel"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name))
    assert torch.equal(parts[0].counts, parts[1].counts)
    assert torch.equal(parts[0].counts * 2, whole.counts)
    assert int(whole.counts[0]) == int((whole.pitch > 0).sum())
