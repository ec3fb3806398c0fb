"""docs/evaluation.md says what is so: its commands work on real recordings, its columns and studies exist."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from siren_cli.__main__ import main
from siren_cli.evaluation.report.columns import COLUMNS, WORD_COLUMNS
from siren_cli.evaluation.studies.catalogue import STUDIES

ROOT = Path(__file__).resolve().parent.parent.parent
MANUAL = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", MANUAL, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_its_commands_work(
    tmp_path: Path, short_clips: list[Path], ctc_folder: Path, tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for clip, speaker in zip(short_clips[:2], "ab", strict=True):
        (tmp_path / "recordings" / speaker).mkdir(parents=True)
        shutil.copy(clip, tmp_path / "recordings" / speaker)
    (tmp_path / "recordings" / "b" / f"{short_clips[1].stem}.txt").write_text("there is no opening")
    lines = (ROOT / "tests" / "data" / "manifest.jsonl").read_text().splitlines()
    known = {clip["file"]: clip for clip in map(json.loads, lines)}
    for clip in short_clips:  # by one speaker, so that there are 10 s of one
        shutil.copy(clip, tmp_path)
    lines = [json.dumps({**known[clip.name], "speaker": "a"}) for clip in short_clips]
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines))
    shutil.copy(short_clips[1], tmp_path / "talk.wav")
    shutil.copytree(ctc_folder, tmp_path / "models" / "my-recogniser")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SIREN_MODEL", str(tiny_model))
    # What costs are measured of has a test of its own; it takes longer than all the rest.
    monkeypatch.setattr("siren_cli.evaluation.run.cost_of", lambda *_: [{"system": "siren-1", "encode_speed_1": 9.5}])
    commands = [shlex.split(line, comments=True) for block in BLOCKS for line in block.splitlines()]
    assert len(commands) == 7
    printed: dict[str, Any] = {}
    for command in commands:
        assert main(command[1:]) == 0, capsys.readouterr().err
        printed[" ".join(command)] = capsys.readouterr().out
    first = printed["siren eval recordings"]
    assert "2 clips of 2 speakers" in first
    assert "encode x" in first
    assert json.loads((tmp_path / "eval.json").read_text())["material"]["clips"] == 2
    assert (tmp_path / "page" / "index.html").is_file()
    assert (tmp_path / "plots" / "stoi.svg").is_file()
    assert list(json.loads((tmp_path / "studies.json").read_text())["studies"]) == ["rates", "robustness", "levels"]
    damaged = next(text for command, text in printed.items() if "--drop" in command)
    assert "drop 0.2" in damaged
    assert "packets of at most 24 bytes" in damaged


def test_every_column_and_every_study_is_explained() -> None:
    table = MANUAL.partition("| column | is |")[2].partition("\n\n")[0]
    labels = [column.label.removesuffix(" B").removesuffix(" dB") for column in (*COLUMNS, *WORD_COLUMNS)]
    assert [label for label in labels if label not in table] == []
    table = MANUAL.partition("| study | answers |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([a-z]+)`", table, re.MULTILINE) == list(STUDIES)
