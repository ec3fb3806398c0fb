"""Standard input and output, and interruptions, of processes of their own."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile

from siren_format.layout import parse_layout
from tests.cli.conftest import environment, voice_like
from tests.conftest import HUNG_AFTER_S

Process = Callable[..., "subprocess.CompletedProcess[bytes]"]


def test_through_pipes_the_bytes_are_the_same(siren_process: Process, recording: Path, srn: Path) -> None:
    coded = siren_process("encode", "-", stdin=recording.read_bytes())
    assert coded.returncode == 0, coded.stderr
    assert coded.stdout == srn.read_bytes()
    assert coded.stderr.startswith(b"duration     1.250 s\n")

    decoded = siren_process("decode", "-", "-q", stdin=coded.stdout)
    assert decoded.returncode == 0, decoded.stderr
    assert decoded.stderr == b""
    assert soundfile.info(BytesIO(decoded.stdout)).frames == 20_001


@pytest.mark.parametrize("command", ["encode", "decode"])
def test_empty_standard_input(siren_process: Process, command: str) -> None:
    outcome = siren_process(command, "-", "-o", "-")
    assert outcome.returncode == {"encode": 5, "decode": 3}[command]
    assert outcome.stdout == b""
    assert outcome.stderr.startswith(b"siren: error: ")
    assert outcome.stderr.count(b"\n") == 1


def test_bytes_are_not_written_to_a_terminal(recording: Path) -> None:
    ours, theirs = pty.openpty()
    outcome = subprocess.run(
        [sys.executable, "-m", "siren_cli", "encode", str(recording), "-o", "-"],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=environment(),
        timeout=HUNG_AFTER_S,
        check=False,
    )
    os.close(theirs)
    os.close(ours)
    assert outcome.returncode == 2
    assert outcome.stderr == (
        b"siren: error: standard output is a terminal, expected a file or a pipe; give -o PATH or pipe it on\n"
    )


def test_bytes_are_not_read_from_a_terminal() -> None:
    ours, theirs = pty.openpty()
    outcome = subprocess.run(
        [sys.executable, "-m", "siren_cli", "info", "-"],
        stdin=theirs,
        capture_output=True,
        env=environment(),
        timeout=HUNG_AFTER_S,
        check=False,
    )
    os.close(theirs)
    os.close(ours)
    assert outcome.returncode == 2
    assert outcome.stderr == (b"siren: error: standard input is a terminal, expected a file's bytes; pipe them in\n")


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_while_it_reads(tmp_path: Path, signal_number: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "siren_cli", "encode", "-", "-o", str(tmp_path / "out.srn")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        preexec_fn=lambda: signal.signal(signal_number, signal.SIG_DFL),  # as `nohup` of the tests would not have it
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"RIFF")
        process.stdin.flush()
        _wait_until_read(process.stdin.fileno())
        process.send_signal(signal_number)
        status, err = process.wait(timeout=HUNG_AFTER_S), process.stderr.read()
    assert status == 130
    assert err == b"siren: error: interrupted; nothing was written\n"
    assert list(tmp_path.iterdir()) == []


def _wait_until_read(pipe: int) -> None:
    """Waits until the other side has taken every byte of the pipe: it is then past its start."""
    deadline_s = time.monotonic() + HUNG_AFTER_S
    while struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0] > 0:
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"the program did not read its standard input within {HUNG_AFTER_S} s")
        time.sleep(0.01)


def test_all_formats_come_through_a_pipe(siren_process: Process) -> None:
    wav = voice_like(16_000)
    for file_format in ("FLAC", "OGG"):
        stream = BytesIO()
        soundfile.write(stream, np.stack([wav, wav], axis=1), 16_000, format=file_format)
        outcome = siren_process("encode", "-", stdin=stream.getvalue())
        assert outcome.returncode == 0, outcome.stderr
        assert parse_layout(outcome.stdout).sample_count == 16_000
        assert outcome.stderr.startswith(b"siren: note: 2 channels are mixed down to one\n")
