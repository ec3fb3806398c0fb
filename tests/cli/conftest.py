"""A tiny random model, files made with it, and two ways to run the program: in this process and in one of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from siren_cli.__main__ import main
from siren_cli.codec import Codec
from tests.conftest import HUNG_AFTER_S

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Outcome:
    """How a run of the program ended and what it printed."""

    status: int
    out: str
    err: str

    @property
    def untimed(self) -> str:
        """Standard output with every measured time and speed replaced by a dot."""
        return re.sub(r"\d+\.\d+ s, \d+\.\d+ times", ". s, . times", self.out)


Siren = Callable[..., Outcome]


@pytest.fixture
def one_codec(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> Codec:
    """Lets the commands of a test share `codec` instead of loading it again each time."""
    monkeypatch.setattr("siren_cli.codec.load_codec", lambda model=None, *, device="auto", threads=None: codec)
    return codec


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A second and a bit of something like a voice: 16 kHz, one channel, 20,001 samples."""
    path = tmp_path / "in.wav"
    soundfile.write(path, voice_like(20_001), 16_000, subtype="PCM_16")
    return path


def voice_like(sample_count: int) -> np.ndarray:
    """A buzz of 120 Hz that comes and goes, [T]."""
    time_s = np.arange(sample_count) / 16_000
    buzz = sum(np.sin(2 * np.pi * 120 * k * time_s) / k for k in range(1, 20))
    return (0.1 * buzz * (1 + np.sin(2 * np.pi * 3 * time_s)) / 2).astype(np.float32)


@pytest.fixture
def srn(recording: Path, codec: Codec) -> Path:
    """`recording`, encoded with `tiny_model`."""
    path = recording.with_name("coded.srn")
    wav, rate_hz = soundfile.read(recording, dtype="float32")
    path.write_bytes(codec.encode(wav, rate_hz).to_bytes())
    return path


@pytest.fixture
def siren(
    capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tiny_model: Path
) -> Iterator[Siren]:
    """Runs a command line in this process, with `tiny_model` as the model."""
    monkeypatch.setenv("SIREN_MODEL", str(tiny_model))
    monkeypatch.delenv("SIREN_DEBUG", raising=False)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*words: str | Path) -> Outcome:
        status = main([str(word) for word in words])
        printed = capsysbinary.readouterr()
        return Outcome(status, printed.out.decode(), printed.err.decode())

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def environment(tiny_model: Path | None = None) -> dict[str, str]:
    """Environment of a process of its own: the sources on the path, and the model."""
    paths = [str(ROOT), str(ROOT / "formats"), str(ROOT / "weights")]
    extra = {} if tiny_model is None else {"SIREN_MODEL": str(tiny_model)}
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", **extra}


@pytest.fixture
def siren_process(tiny_model: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Runs a command line in a process of its own, as a shell would."""

    def run(*words: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "siren_cli", *map(str, words)]
        return subprocess.run(
            command, input=stdin, capture_output=True, env=environment(tiny_model), timeout=HUNG_AFTER_S, check=False
        )

    return run
