"""Data sets streamed from a hub, through the library `datasets` and over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from siren_cli.errors import ExitStatus
from tests.conftest import HUNG_AFTER_S
from tests.training.stand_in_hub import stand_in_hub

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("hub")
    first, second, third = sorted(DATA.glob("*.flac"))[:3]
    (folder / "data").mkdir()
    for split, clips in {"train": (first, second), "validation": (third,)}.items():
        columns = {
            "audio": [{"bytes": clip.read_bytes(), "path": clip.name} for clip in clips],
            "speaker_id": [clip.name.partition("-")[0] for clip in clips],
            "sentence": ["what was said" for _ in clips],
        }
        pyarrow.parquet.write_table(pyarrow.table(columns), folder / "data" / f"{split}-00000-of-00001.parquet")
    with stand_in_hub("someone/speech", folder) as address:
        yield address


def prepare(hub: str, source: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """`siren train --stage prepare` of a data set, in a process that knows no other hub."""
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in (".", "formats", "weights")),
        "HF_ENDPOINT": hub, "HF_HOME": str(folder / "home"), "HF_HUB_OFFLINE": "0", "HF_DATASETS_OFFLINE": "0",
        "NO_PROXY": "127.0.0.1",
    }  # fmt: skip
    command = [sys.executable, "-m", "siren_cli", "train", "--stage", "prepare", "--data", source,
               "--out", str(folder / "run")]  # fmt: skip
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HUNG_AFTER_S, check=False)


def test_a_data_set_is_streamed_from_the_hub(hub: str, tmp_path: Path) -> None:
    outcome = prepare(hub, "hf:someone/speech", tmp_path)
    assert outcome.returncode == 0, outcome.stderr
    clips = json.loads((tmp_path / "run" / "cache" / "clips.json").read_text())
    spoken = [(clip["speaker"], clip["split"]) for clip in clips]
    assert spoken == [("1580", "train"), ("4446", "train"), ("5105", "dev")]
    assert all(clip["text"] == "what was said" and clip["frames"] > 100 for clip in clips)


def test_a_data_set_that_the_hub_has_not_is_one_clear_line(hub: str, tmp_path: Path) -> None:
    outcome = prepare(hub, "hf:someone/elses", tmp_path)
    assert outcome.returncode == ExitStatus.AUDIO
    assert "hf:someone/elses: not a data set that can be opened" in outcome.stderr
    assert "Traceback" not in outcome.stderr
