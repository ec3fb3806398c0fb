"""What holds for every command: version, help, statuses, and how the program ends when it cannot go on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from siren_cli import __version__
from siren_cli.errors import ExitStatus
from siren_format.errors import CheckFailed, OtherModel
from tests.cli.conftest import ROOT, Siren, environment
from tests.conftest import HUNG_AFTER_S


def test_version(siren: Siren) -> None:
    outcome = siren("--version")
    assert (outcome.status, outcome.out, outcome.err) == (0, f"siren {__version__}\n", "")


def test_help_names_commands_and_exit_statuses(siren: Siren) -> None:
    outcome = siren("--help")
    text = " ".join(outcome.out.split())
    assert outcome.status == 0
    for command in ("encode", "decode", "roundtrip", "info"):
        assert f" {command} " in text
    for status in ExitStatus:
        if status is not ExitStatus.OK:
            assert f" {status.value} " in text[text.index("Exit statuses") :]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "missing command; see 'siren --help'"),
        (("enc",), "no such command 'enc'"),
        (("encode",), "no input given, expected a file, a folder, - or --files-from"),
        (("roundtrip",), "missing argument 'IN'; see 'siren roundtrip --help'"),
        (("roundtrip", "a", "b"), "got unexpected extra argument"),
    ],
)
def test_wrong_usage_is_one_line(siren: Siren, words: tuple[str, ...], message: str) -> None:
    outcome = siren(*words)
    assert outcome.status == 2
    assert outcome.out == ""
    assert outcome.err.startswith(f"siren: error: {message}")
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (ZeroDivisionError("by\nzero"), 1, "unexpected error: ZeroDivisionError: by zero; please report it"),
        (MemoryError(), 1, "out of memory; free some or split the recording"),
        (CheckFailed("odd", offset=9, field="check"), 3, "odd (byte 9, check)"),
        (
            OtherModel(b"\x01\x02", b"\x03\x04", offset=3),
            4,
            "the file needs model 0102, the weights at hand are model 0304; give the weights of model 0102 "
            "(byte 3, model id)",
        ),
        (KeyboardInterrupt(), 130, "interrupted; nothing was written"),
        (BrokenPipeError(), 7, None),
    ],
)
def test_every_error_ends_in_one_line_and_its_status(
    siren: Siren,
    recording: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    status: int,
    message: str | None,
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr("siren_cli.audio.reading.open_audio", fail)
    outcome = siren("encode", recording)
    assert outcome.status == status
    assert outcome.out == ""
    assert outcome.err == ("" if message is None else f"siren: error: {message}\n")


def test_debug_shows_where(siren: Siren, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIREN_DEBUG", "1")
    outcome = siren("encode", tmp_path / "none.wav")
    assert outcome.status == 5
    assert outcome.err.startswith("Traceback (most recent call last):\n")
    assert outcome.err.endswith(f"siren: error: {tmp_path / 'none.wav'}: no such file; check the path\n")


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["encode", "--help"], ["roundtrip", "--help"]])
def test_help_needs_no_torch(words: list[str]) -> None:
    absent = ("torch", "numpy", "soundfile", "soxr", "safetensors", "constriction")
    program = f"import sys; sys.modules.update(dict.fromkeys({absent})); from siren_cli.__main__ import main; "
    outcome = subprocess.run(
        [sys.executable, "-c", program + f"sys.exit(main({words}))"],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=HUNG_AFTER_S,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert "siren" in outcome.stdout


@pytest.mark.parametrize("words", [["--help"], ["info", "one-minute.srn"]])
def test_nobody_reads_standard_output(words: list[str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "siren_cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        cwd=ROOT / "formats" / "vectors" / "valid",
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(timeout=HUNG_AFTER_S) == 7
    assert err == b""
