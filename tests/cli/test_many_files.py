"""Every command line of docs/many-files.md, on real recordings."""

from __future__ import annotations

import glob
import io
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from siren_cli.codec import Codec
from tests.cli.conftest import ROOT, Siren

DOCUMENT = (ROOT / "docs" / "many-files.md").read_text(encoding="utf-8")


def test_the_document_s_commands_work(
    siren: Siren, one_codec: Codec, short_clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recordings" / "a").mkdir(parents=True)
    shutil.copy(short_clips[0], "recordings/a/b.flac")
    shutil.copy(short_clips[1], "recordings/c.flac")
    (block, cluster) = re.findall(r"^```sh\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    lines = [line.partition(" #")[0].strip() for line in block.splitlines()]
    assert len(lines) == 11
    for line in lines:
        run(siren, line, monkeypatch)
    for name in ("coded/a/b.srn", "coded/c.srn", "listed/recordings/a/b.srn", "flat/c.srn", "again/a/b.wav"):
        assert (tmp_path / name).is_file(), name
    # tests/cli/test_ray.py runs this on a cluster.
    assert "siren encode recordings/ -o coded/ --engine ray --ray-address" in cluster


def run(siren: Siren, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a line as a shell would: a pipe into it, patterns, and what it prints into a file."""
    before, _, after = line.rpartition(" | ")
    command, _, log = after.partition(" > ")
    listed = subprocess.run(shlex.split(before), capture_output=True, check=True).stdout if before else b""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(listed)))
    words = [name for word in shlex.split(command) for name in (sorted(glob.glob(word)) if "*" in word else [word])]
    # Workers take seconds to start and are tested beside this, so one job it is.
    if "--jobs" in words:
        words[words.index("--jobs") + 1] = "1"
    outcome = siren(*words[1:])
    assert (words[0], outcome.status) == ("siren", 0), (line, outcome.err)
    if log:
        assert outcome.out.count("\n") == 3
