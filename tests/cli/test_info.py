"""`siren info`: the facts of a file, on the short way that leaves Typer out and on the long one alike."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from siren_cli import __version__
from siren_cli.commands.app import run_command_line
from siren_cli.registry.weights import find_model
from siren_format.header import parse_header
from siren_format.voice import voice_level_db
from tests.cli.conftest import ROOT, Siren, environment
from tests.conftest import HUNG_AFTER_S

VALID = ROOT / "formats" / "vectors" / "valid"
INVALID = ROOT / "formats" / "vectors" / "invalid"
NOTE = f"siren: note: this is SIREN {__version__}; before 1.0 the format and the models may change\n"


def test_whole_output(siren: Siren, srn: Path, tiny_model: Path) -> None:
    header, _ = parse_header(srn.read_bytes())
    size_bytes = srn.stat().st_size
    payload_bytes = size_bytes - 7 - 8 - 2
    assert header.voice is not None
    outcome = siren("info", srn)
    assert outcome.status == 0
    assert outcome.err == NOTE
    assert outcome.out == (
        f"file         {srn}\n"
        "duration     1.250 s, 8 frames of 160 ms\n"
        "stages       1\n"
        f"coder        {header.coder.name.lower()}\n"
        f"voice        inline, level {voice_level_db(header.voice):.1f} dBFS\n"
        f"model        {find_model(tiny_model).model_id.hex()} (not in this installation)\n"
        "source rate  16000 Hz\n"
        f"bytes        {size_bytes}: header 7, voice 8, payload {payload_bytes}, check 2\n"
        f"payload bps  {8 * payload_bytes / (20_001 / 16_000):.1f}\n"
        f"file bps     {8 * size_bytes / (20_001 / 16_000):.1f}\n"
    )


@pytest.mark.parametrize("path", sorted(VALID.glob("*.srn")), ids=lambda path: path.stem)
def test_sizes_are_those_of_the_file_system(siren: Siren, path: Path) -> None:
    facts = json.loads(siren("info", "--json", path).out)
    size_bytes = path.stat().st_size
    assert facts["file_bytes"] == size_bytes
    assert size_bytes == sum(facts[f"{part}_bytes"] for part in ("header", "voice", "payload", "check"))
    assert facts["file_bps"] == pytest.approx(8 * size_bytes * 16_000 / facts["sample_count"])
    assert facts["payload_bps"] == pytest.approx(8 * facts["payload_bytes"] * 16_000 / facts["sample_count"])


@pytest.mark.parametrize("path", sorted(INVALID.glob("*.srn")), ids=lambda path: path.stem)
def test_invalid_files_end_in_one_line_or_in_facts(siren: Siren, path: Path) -> None:
    # Without a model `info` cannot see what only the decoded indices show; it never does more than these two things.
    outcome = siren("info", "-q", path)
    if outcome.status == 0:
        assert outcome.out.startswith(f"file         {path}\n")
        assert outcome.err == ""
    else:
        assert outcome.status == 3
        assert outcome.out == ""
        assert outcome.err.startswith(f"siren: error: {path}: ")
        assert outcome.err.count("\n") == 1


def test_packaged_model_is_named(
    siren: Siren, srn: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_id = find_model(tiny_model).model_id.hex()
    models = [
        {"id": "0000", "name": "siren-v0", "release": "0.0.1", "files": {}},
        {"id": model_id, "name": "siren-v1", "release": "0.1.0", "files": {}},
    ]
    (tmp_path / "manifest.json").write_text(json.dumps({"default": "siren-v1", "models": models}))
    monkeypatch.setattr("siren_weights.MANIFEST_PATH", str(tmp_path / "manifest.json"))
    assert f"model        {model_id} (siren-v1, release 0.1.0)\n" in siren("info", srn).out
    facts = json.loads(siren("info", "--json", srn).out)
    assert facts["model_id"] == model_id
    assert (facts["model_name"], facts["model_release"]) == ("siren-v1", "0.1.0")


def test_one_bad_file_does_not_hide_the_others(siren: Siren, srn: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.srn"
    text.write_text("no voice note")
    outcome = siren("info", srn, tmp_path / "none.srn", text, srn)
    assert outcome.status == 3
    assert outcome.out.count(f"file         {srn}\n") == 2
    assert "\n\nfile " in outcome.out
    first, second, note = outcome.err.splitlines(keepends=True)
    assert first == f"siren: error: {tmp_path / 'none.srn'}: no such file; check the path\n"
    assert second.startswith(f"siren: error: {text}: ")
    assert note == NOTE


def test_a_file_far_too_long_is_not_read_to_its_end(siren: Siren, tmp_path: Path) -> None:
    huge = tmp_path / "huge.srn"
    with huge.open("wb") as file:
        file.truncate(2**40)
    outcome = siren("info", huge)
    assert outcome.status == 3
    assert outcome.err == (
        f"siren: error: {huge}: more than 33554432 bytes, no such file is that long; name another file\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        ("one-sample.srn",),
        ("--json", "one-sample.srn"),
        ("one-sample.srn", "--json"),
        ("-q", "one-sample.srn", "one-minute.srn"),
        ("--quiet", "one-sample.srn"),
        ("one-sample.srn", "absent.srn"),
        ("absent.srn", "--json"),
    ],
)
def test_both_ways_print_the_same(
    siren: Siren,
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    monkeypatch.chdir(VALID)
    short = siren("info", *words)
    status = run_command_line(["info", *words])
    printed = capsysbinary.readouterr()
    assert (status, printed.out.decode(), printed.err.decode()) == (short.status, short.out, short.err)


def test_options_that_the_short_way_does_not_know(siren: Siren, srn: Path) -> None:
    assert siren("info", "--", srn).out == siren("info", srn).out
    assert siren("info").status == 2
    assert siren("info", "--loud", srn).status == 2
    assert "Usage: siren info" in siren("info", "--help").out


def test_standard_input(siren_process: Callable[..., subprocess.CompletedProcess[bytes]], srn: Path) -> None:
    named, piped = siren_process("info", srn), siren_process("info", "-", stdin=srn.read_bytes())
    assert piped.returncode == 0
    assert piped.stdout.splitlines()[0] == b"file         -"
    assert piped.stdout.splitlines()[1:] == named.stdout.splitlines()[1:]


@pytest.mark.parametrize("words", [("info", "one-minute.srn"), ("info", "--json", "one-minute.srn")])
def test_needs_neither_torch_nor_numpy_nor_typer(words: tuple[str, ...]) -> None:
    absent = ("torch", "numpy", "soundfile", "soxr", "safetensors", "constriction", "typer", "click", "rich")
    program = f"import sys; sys.modules.update(dict.fromkeys({absent})); from siren_cli.__main__ import main; "
    outcome = subprocess.run(
        [sys.executable, "-c", program + f"sys.exit(main({list(words)}))"],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=VALID,
        timeout=HUNG_AFTER_S,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert "one-minute.srn" in outcome.stdout
    assert outcome.stderr == NOTE


def test_imports_nothing_that_takes_longer_than_the_rest() -> None:
    program = (
        "import sys; from siren_cli.__main__ import main; main(['info', '-q', 'one-minute.srn']); "
        "print(sorted({'numpy', 'pathlib', 'rich', 'torch', 'typer'} & set(sys.modules)))"
    )
    outcome = subprocess.run(
        [sys.executable, "-S", "-c", program],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=VALID,
        timeout=HUNG_AFTER_S,
        check=False,
    )
    assert outcome.stdout.splitlines()[-1] == "[]", outcome.stderr
