"""`siren tokens`: files to tables of indices and back; docs/tokens.md says what is so."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from siren_cli.codec import Codec
from siren_format.stream import bytes_to_stream
from tests.cli.conftest import ROOT, Siren

DOCUMENT = (ROOT / "docs" / "tokens.md").read_text(encoding="utf-8")


@pytest.fixture
def coded(codec: Codec, short_clips: list[Path], tmp_path: Path) -> Path:
    """Two real recordings, with one stage and with two, in a tree."""
    folder = tmp_path / "coded"
    (folder / "b").mkdir(parents=True)
    for name, clip, stages in (("a", short_clips[0], 1), ("b/c.v2", short_clips[1], 2)):
        wav, rate_hz = soundfile.read(clip, frames=32_000, dtype="float32")
        (folder / f"{name}.srn").write_bytes(codec.encode(wav, rate_hz, stages=stages).to_bytes())
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("suffix", [".jsonl", ".npz", ".parquet"])
def test_there_and_back_gives_the_same_bytes(siren: Siren, coded: Path, tmp_path: Path, suffix: str) -> None:
    table = tmp_path / f"tokens{suffix}"
    outcome = siren("tokens", coded, "-o", table)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == "rows     2\nframes   26\nindices  39\n"
    assert siren("tokens", coded, "-o", table).status == 6
    assert siren("tokens", table, "-o", tmp_path / "again", "-q").status == 0
    assert files(tmp_path / "again") == files(coded)
    outcome = siren("tokens", table, "-o", tmp_path / "again")
    assert outcome.status == 6
    assert outcome.err.count("exists already; give --force to replace it\n") == 2


def test_rows_are_what_the_document_says(siren: Siren, coded: Path, codec: Codec, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in siren("tokens", coded, "-o", "-").out.splitlines()]
    columns = re.findall(r"^\| `(\w+)` \|", DOCUMENT, re.MULTILINE)
    assert [list(row) for row in rows] == [columns[:7], columns[:7]]
    stream = bytes_to_stream((coded / "b" / "c.v2.srn").read_bytes(), codec.model_id, codec.packet_source)
    row = rows[1]
    assert row["path"] == "b/c.v2" and row["model_id"] == codec.model_id.hex()
    assert np.array_equal(np.stack([row["stage1"], row["stage2"]], axis=1), stream.indices)
    assert (row["sample_count"], row["source_rate_hz"]) == (32_000, 16_000)
    assert stream.voice is not None and row["voice"] == stream.voice.hex()
    assert rows[0]["stage2"] is None

    siren("tokens", coded, "-o", tmp_path / "t.npz")
    with np.load(tmp_path / "t.npz", allow_pickle=False) as arrays:
        assert set(arrays.files) == set(re.findall(r"^\| `(\w+)` \|", DOCUMENT.partition("## `.npz`")[2], re.MULTILINE))
        assert arrays["stage1"][arrays["first_frame"][1] :].tolist() == row["stage1"]
        assert (arrays["stage2"][: arrays["first_frame"][1]] == -1).all()


def test_a_row_that_a_program_made_becomes_sound(siren: Siren, one_codec: Codec, codec: Codec, tmp_path: Path) -> None:
    indices = np.random.default_rng(1).integers(0, 1_000, 10).tolist()
    (tmp_path / "made.jsonl").write_text(json.dumps({"path": "made/up", "stage1": indices}) + "\n\n")
    assert siren("tokens", tmp_path / "made.jsonl", "--to", "wav", "-o", tmp_path / "out", "--json").status == 0
    wav, rate_hz = soundfile.read(tmp_path / "out" / "made" / "up.wav", dtype="float32")
    assert (len(wav), rate_hz) == (25_600, 16_000)
    expected = codec.decode(codec.coded(np.array(indices, np.int16)[:, None], None, 25_600))
    assert np.abs(wav - expected).max() < 1e-4


def test_files_that_fail_are_named_and_the_others_written(siren: Siren, coded: Path, tmp_path: Path) -> None:
    (coded / "z.srn").write_bytes(b"junk")
    shutil.copy(ROOT / "formats" / "vectors" / "valid" / "worked-example.srn", coded / "y.srn")
    shutil.copy(coded / "a.srn", os.fsencode(coded) + b"/\xff.srn")
    outcome = siren("tokens", coded, "-o", tmp_path / "t.jsonl", "--json")
    assert outcome.status == 4
    lines = outcome.err.splitlines()
    assert lines[0] == f"siren: error: {coded}/y.srn: needs model a1b2, not at hand; give it with --model"
    assert lines[1].startswith(f"siren: error: {coded}/z.srn: ")
    assert lines[2].endswith("the name is not UTF-8 text, which a table needs; rename the file")
    assert len(lines) == 3
    assert json.loads(outcome.out)["rows"] == 2


GOOD: dict[str, Any] = {"path": "a", "stage1": [1, 2, 3]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"path": "../a"}, "path is ../a, expected a relative path"),
        ({"path": "/a"}, "expected a relative path"),
        ({"path": ""}, "expected a relative path"),
        ({"path": None}, "expected a relative path"),
        ({"path": "a\0"}, "expected a relative path"),
        ({"stage1": None}, "stage1 is NoneType, expected a list"),
        ({"stage1": []}, "expected a list of 1.."),
        ({"stage1": [1, 1000, 2]}, "from 1 to 1000, expected indices from 0 to 999"),
        ({"stage1": [1, -1, 2]}, "expected indices from 0 to 999"),
        ({"stage1": [1.0, 2.0]}, "expected a flat list of integers"),
        ({"stage1": [[1], [2, 3]]}, "expected a flat list of indices"),
        ({"stage1": [2**80]}, "expected a flat list of integers"),
        ({"stage2": [1]}, "stage2 is 1 long, expected 3 as stage1 is"),
        ({"sample_count": 9_999}, "sample_count is 9999, expected one of 3 frames"),
        ({"sample_count": True}, "sample_count is True, expected an integer"),
        ({"source_rate_hz": 0}, "source_rate_hz is 0, expected 1.."),
        ({"voice": "00"}, "voice is '00', expected 16 hexadecimal digits"),
        ({"model_id": "A1B2"}, "model_id is 'A1B2', expected 4 hexadecimal digits"),
        ({"words": "hello"}, "words is in the table, expected only the columns"),
    ],
)
def test_impossible_rows_are_refused(siren: Siren, tmp_path: Path, change: dict[str, Any], said: str) -> None:
    table = tmp_path / "t.jsonl"
    table.write_text(json.dumps({**GOOD, **change}) + "\n")
    outcome = siren("tokens", table, "-o", tmp_path / "out")
    assert (outcome.status, outcome.out) == (3, "")
    assert said in outcome.err and outcome.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_broken_tables_and_wrong_command_lines(siren: Siren, coded: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name, data in (
        ("twice.jsonl", b'{"path": "a", "stage1": [1]}\n' * 2), ("no.jsonl", b"{"), ("list.jsonl", b"[1]"),
        ("empty.jsonl", b"\n"), ("no.npz", b"PK"), ("no.parquet", b"PAR1"), ("deep.jsonl", b"[" * 100_000),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(data)
    np.savez(tmp_path / "other.npz", stage1=np.array([1]))
    arrays = {name: np.array(["a"]) for name in ("path", "model_id", "voice")}
    arrays |= {name: np.array([1]) for name in ("sample_count", "source_rate_hz", "stages", "stage1", "stage2")}
    np.savez(tmp_path / "lengths.npz", first_frame=np.array([0, 7]), **arrays)
    for words, status, said in (
        ([tmp_path / "twice.jsonl", "-o", out], 3, "a second row of path a"),
        ([tmp_path / "no.jsonl", "-o", out], 3, "line 1: not JSON"),
        ([tmp_path / "deep.jsonl", "-o", out], 3, "line 1: not JSON"),
        ([tmp_path / "list.jsonl", "-o", out], 3, "no JSON object"),
        ([tmp_path / "empty.jsonl", "-o", out], 3, "holds no rows"),
        ([tmp_path / "no.npz", "-o", out], 3, "not readable as .npz"),
        ([tmp_path / "other.npz", "-o", out], 3, "expected the arrays path, model_id"),
        ([tmp_path / "lengths.npz", "-o", out], 3, "do not fit each other"),
        ([tmp_path / "no.parquet", "-o", out], 3, "not readable as Parquet"),
        ([tmp_path / "none.jsonl", "-o", out], 3, "no such file"),
        ([coded], 2, "name it with -o"),
        ([coded, "-o", tmp_path / "t.csv"], 2, "the suffix names no table"),
        ([coded, "-o", "-", "--json"], 2, "both ask for standard output"),
        (["-o", tmp_path / "t.npz"], 2, "no input given"),
        ([tmp_path / "no.npz", coded, "-o", out], 2, "is a table, expected it alone"),
        ([tmp_path / "no.npz", "-o", "-"], 2, "is no folder"),
    ):
        outcome = siren("tokens", *words)
        assert (outcome.status, outcome.out) == (status, ""), (words, outcome)
        assert said in outcome.err and outcome.err.count("\n") == 1, outcome.err


def test_the_document_s_recipe_works(
    siren: Siren, coded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    for line in re.findall(r"^siren (tokens coded/ -o \S+)", DOCUMENT, re.MULTILINE):
        assert siren(*line.split()).status == 0, line
    names: dict[str, Any] = {"CACHE": str(tmp_path / "cache")}
    blocks = re.findall(r"^```python\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block.replace('split="train"', 'split="train", cache_dir=CACHE'), "docs/tokens.md", "exec"), names)
    assert names["dataset"].column_names == re.findall(r"^\| `(\w+)` \|", DOCUMENT, re.MULTILINE)[:7]
    assert len(names["dataset"]) == 2
    assert names["first"].dtype.kind == "i"
    for line in re.findall(r"^siren (tokens \S+\.\S+ .*)$", DOCUMENT, re.MULTILINE):
        assert siren(*line.partition("#")[0].split()).status == 0, line
