"""Fixtures: real recordings to train on, and a run through all phases."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from siren_cli.training.pipeline import TrainRequest, train

FEW = ("batch=2", "crop_frames=64", "steps=4", "log_every=2", "evaluate_every=4", "adversarial_from_step=2",
       "bf16=True")  # fmt: skip


def said_nothing(line: str) -> None:
    """Takes a line of progress."""


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory, short_clips: list[Path]) -> Path:
    """A manifest of real recordings with two broken ones among them, and labels for one."""
    folder = tmp_path_factory.mktemp("recordings")
    lines = []
    for clip in short_clips:
        shutil.copy(clip, folder / clip.name)
        lines.append({"audio": clip.name, "id": clip.stem, "speaker": clip.stem.split("-")[0], "split": "train"})
    lines[0]["phones"] = "SIL:30 HH:10 AH:20 L:10 OW:40"
    lines[1] |= {"phones": "HH AW", "text": "how"}
    lines[2] |= {"phones": "T UW", "text": "too", "language": "en"}
    (folder / "broken.flac").write_bytes(b"fLaC but no more")
    lines.append({"audio": "broken.flac"})
    lines.append({"audio": "missing.flac"})
    manifest = folder / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return manifest


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, recordings: Path) -> tuple[Path, list[str]]:
    """A run through all phases, and its reports."""
    run = tmp_path_factory.mktemp("run") / "tiny"
    said: list[str] = []
    model = train(TrainRequest(run, (str(recordings),), config="tiny", settings=FEW, device="cpu"), said.append)
    assert model == run / "model"
    return run, said
