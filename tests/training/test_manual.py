"""docs/training.md is true: its commands are the program's, the first of them work, its settings exist."""

from __future__ import annotations

import dataclasses
import re
import shlex
import shutil
from pathlib import Path

import pytest
import soundfile
import yaml

from siren_cli.__main__ import main
from siren_cli.config import ModelConfig
from siren_cli.training.config import PrepareConfig, TrainConfig, run_config
from siren_cli.training.settings import presets, read_config
from tests.tools.bench.training import SECTIONS, measure

ROOT = Path(__file__).resolve().parent.parent.parent
MANUAL = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", MANUAL, re.MULTILINE | re.DOTALL)
COMMANDS = [shlex.split(line, comments=True) for block in BLOCKS for line in block.splitlines() if line]


@pytest.mark.slow
def test_the_first_commands_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "tests" / "data"
    data.mkdir(parents=True)
    for clip in (ROOT / "tests" / "data").glob("*.flac"):
        shutil.copy(clip, data)
    monkeypatch.chdir(tmp_path)
    for line in BLOCKS[0].splitlines():
        assert main([*shlex.split(line)[1:], "--quiet"]) == 0
    wav, _ = soundfile.read("runs/tiny/talk.wav")
    assert len(wav) == soundfile.info(data / "4446-2271-0016.flac").frames


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_have_options_that_exist(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = command[command.index("-m") + 2 if "accelerate" in command else 1 :]
    names = [words[0]] + ([words[1]] if words[0] == "train" and not words[1].startswith("-") else [])
    assert main([*names, "--help"]) == 0
    said = capsys.readouterr().out
    assert [word for word in words if word.startswith("-") and not re.search(rf"{word}\b", said)] == []


def test_settings_and_presets_that_are_named_exist() -> None:
    fields = {f.name for kind in (TrainConfig, PrepareConfig, ModelConfig) for f in dataclasses.fields(kind)}
    named = re.findall(r"`(?:[a-z]+\.)?([a-z_]+)=", MANUAL)
    assert len(named) > 8
    assert set(named) <= fields | {"key"}
    table = MANUAL.partition("| preset | for |")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"^\| `([a-z0-9-]+)`", table, re.MULTILINE)) == presets()
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", MANUAL, re.MULTILINE | re.DOTALL)
    sections = yaml.safe_load(example)
    assert sections.pop("extends") in presets()
    shared = sections.pop("training")
    assert run_config({**sections, "vocoder": shared}, []).factorizer.steps == 50_000
    assert run_config(read_config("siren-v1"), []).model.name == "siren-v1"


@pytest.mark.slow
def test_the_benchmark_says_where_the_time_goes(trained: tuple[Path, list[str]]) -> None:
    row = measure("vocoder", "tiny", ["model.name='bench'"], trained[0], steps=1)
    assert row["audio_s_per_s"] > 0
    assert sum(row[name] for name in SECTIONS) == pytest.approx(1.0)
    assert row["discriminators"] > 0
