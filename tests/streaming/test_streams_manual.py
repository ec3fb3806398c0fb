"""Every command line and the program in docs/streams.md work, on real speech."""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from siren_cli.codec import Codec
from siren_format.layout import parse_layout

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "streams.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)

# What this machine may not have: a microphone, loudspeakers, ffmpeg and the patience for a pause.
STAND_INS = {
    "arecord": "cat talk.wav",
    "aplay": "cat > played.wav",
    "ffmpeg": "cat talk.wav",
    "sleep": "exit 0",
}


@pytest.fixture
def desk(tmp_path: Path, demo_clip: Path, codec: Codec, tiny_model: Path) -> dict[str, str]:
    """A folder with a recording, a damaged file and the programs that the commands call; the environment to run in."""
    wav, rate_hz = soundfile.read(demo_clip, dtype="float32")
    soundfile.write(tmp_path / "talk.wav", wav[:60_000], rate_hz)
    long = codec.encode(np.tile(wav, 7)[: 61 * 16_000], 16_000).to_bytes()
    place = parse_layout(long).records[1].payload_start
    (tmp_path / "broken.srn").write_bytes(long[:place] + bytes([long[place] ^ 1]) + long[place + 1 :])
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in {**STAND_INS, "siren": f'exec {shlex.quote(sys.executable)} -m siren_cli "$@"'}.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(stat.S_IRWXU)
    paths = os.pathsep.join(str(ROOT / folder) for folder in (".", "formats", "weights"))
    search = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": search, "PYTHONPATH": paths, "SIREN_MODEL": str(tiny_model), "OMP_NUM_THREADS": "1"}


def test_the_commands_work(desk: dict[str, str], tmp_path: Path) -> None:
    lines = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
    assert len(lines) == 8
    for line in lines:
        found = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line], cwd=tmp_path, env=desk, capture_output=True, text=True, check=False
        )
        assert found.returncode == (9 if "--ignore-damage" in line else 0), f"{line}: {found.stderr}"
    for name, frames in (("again.flac", 60_000), ("played.wav", 60_000), ("saved.wav", 61 * 16_000)):
        assert soundfile.info(tmp_path / name).frames == frames
    assert (tmp_path / "talk.raw").stat().st_size == 2 * 60_000
    assert (tmp_path / "loud.raw").stat().st_size == 4 * 3 * 60_000


def test_the_program_works(tmp_path: Path, demo_clip: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIREN_MODEL", str(tiny_model))
    wav, rate_hz = soundfile.read(demo_clip, dtype="int16")
    soundfile.write("talk.wav", wav, rate_hz)
    (program,) = [text for language, text in BLOCKS if language == "python"]
    exec(compile(program, "docs/streams.md", "exec"), {})
    assert soundfile.info("again.wav").frames == len(wav)
