"""The process and its surroundings: closed streams, devices as outputs, forks, lists of Windows, little memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from siren_cli.errors import AudioUnreadable, is_out_of_memory
from siren_cli.files.finding import expand_patterns, read_list
from tests.cli.conftest import Siren, environment
from tests.conftest import HUNG_AFTER_S


def shell(line: str, folder: Path, model: Path) -> subprocess.CompletedProcess[bytes]:
    """Runs a line of bash with `$SIREN` as the program."""
    extra = {"SIREN": f"{sys.executable} -m siren_cli"}
    return subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        capture_output=True,
        env={**environment(model), **extra},
        timeout=HUNG_AFTER_S,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("$SIREN encode in.wav -o out.srn --effort 0 2>&-", "out.srn"),
        ("$SIREN encode in.wav -o out.srn --effort 0 >&-", "out.srn"),
        ("$SIREN encode in.wav -o out.srn --effort 0 <&- >&- 2>&-", "out.srn"),
        ("$SIREN encode in.wav -o /dev/stdout --effort 0 >out.srn 2>/dev/null", "out.srn"),
        ("$SIREN encode in.wav -o >(cat >piped.srn) --effort 0; sleep 1", "piped.srn"),
    ],
)
def test_the_bytes_arrive(line: str, where: str, recording: Path, srn: Path, tiny_model: Path) -> None:
    outcome = shell(line, recording.parent, tiny_model)
    assert outcome.returncode == 0, outcome.stderr
    assert (recording.parent / where).read_bytes() == srn.read_bytes()


def test_a_failure_without_standard_error_keeps_its_status(recording: Path, tiny_model: Path) -> None:
    assert shell("$SIREN encode absent.wav 2>&-", recording.parent, tiny_model).returncode == 5


def test_force_keeps_the_mode(siren: Siren, recording: Path) -> None:
    out = recording.with_name("out.srn")
    out.write_bytes(b"old")
    out.chmod(0o604)
    assert siren("encode", recording, "-o", out, "--force", "--effort", "0").status == 0
    assert out.read_bytes() != b"old"
    assert out.stat().st_mode & 0o777 == 0o604


def test_a_forked_process_encodes_the_same(recording: Path, tiny_model: Path) -> None:
    program = """if True:
        import multiprocessing, sys
        import soundfile, siren_cli
        codec = siren_cli.load(device="cpu", threads=2)
        wav, rate_hz = soundfile.read("in.wav", dtype="float32")
        here = codec.encode(wav, rate_hz)
        with multiprocessing.get_context("fork").Pool(1) as pool:
            there = pool.apply(codec.encode, (wav, rate_hz))
        assert there.to_bytes() == here.to_bytes() and there == here
        """
    outcome = subprocess.run(
        [sys.executable, "-c", program],
        cwd=recording.parent,
        capture_output=True,
        env={**environment(tiny_model), "OMP_NUM_THREADS": "2"},
        timeout=HUNG_AFTER_S,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr.decode()


@pytest.mark.parametrize(
    "data",
    [
        b"a.wav\r\nb c.wav\r\n",
        b"\xef\xbb\xbfa.wav\nb c.wav",
        "\ufeffa.wav\r\nb c.wav\r\n".encode("utf-16-le"),
        "a.wav\r\nb c.wav\r\n".encode("utf-16"),
        b"a.wav\0b c.wav\0",
    ],
)
def test_lists_of_every_system(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "list").write_bytes(data)
    assert read_list(str(tmp_path / "list"), AudioUnreadable) == ["a.wav", "b c.wav"]


def test_patterns_become_what_they_match(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("b.wav", "a.wav", "[x].wav"):
        (tmp_path / name).touch()
    words = ["encode", "?.wav", "[x].wav", "*.mp3", "--raw=*", "-o", "out"]
    assert expand_patterns(words) == ["encode", "a.wav", "b.wav", "[x].wav", "*.mp3", "--raw=*", "-o", "out"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), True),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), True),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("can't start new thread"), True),
        (RuntimeError("shapes differ"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_says_that_memory_ran_out(
    siren: Siren, recording: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, expected: bool
) -> None:
    assert is_out_of_memory(error) == expected

    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr("siren_cli.audio.reading.open_audio", fail)
    outcome = siren("encode", recording)
    assert outcome.status == 1
    assert ("out of memory; free some or split the recording" in outcome.err) == expected
    assert os.listdir(recording.parent) == ["in.wav"]
