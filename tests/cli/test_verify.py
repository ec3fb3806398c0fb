"""`siren verify` and `siren info -r`: whole trees of coded files, without torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from siren_cli.codec import Codec
from siren_format.packet_file import packets_to_file
from siren_format.packet_split import split_into_packets
from tests.cli.conftest import ROOT, Siren, environment

VALID = ROOT / "formats" / "vectors" / "valid"
INVALID = ROOT / "formats" / "vectors" / "invalid"


@pytest.fixture
def tree(srn: Path, tmp_path: Path) -> Path:
    """Files of the model at hand and of another one, and a file of another kind."""
    folder = tmp_path / "coded"
    (folder / "a").mkdir(parents=True)
    shutil.copy(srn, folder / "mine.srn")
    shutil.copy(VALID / "worked-example.srn", folder / "a" / "other.srn")
    shutil.copy(VALID / "groups-of-both-coders.srn", folder / "a" / "long.srn")
    (folder / "notes.txt").write_text("not coded")
    return folder


def test_sound_files(siren: Siren, tree: Path) -> None:
    outcome = siren("verify", tree)
    assert outcome.status == 0
    assert outcome.err == (
        "siren: note: of 2 files only the structure was checked, because their model is not at hand; "
        "give --model to check their indices\n"
    )
    lines = outcome.out.splitlines()
    assert lines[:2] == ["files    3: 3 sound, 0 refused",
                         "checked  1 with their indices, 2 by structure and parity"]  # fmt: skip
    outcome = siren("verify", "--fast", "-q", tree)
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "")


def test_damage_that_only_the_indices_show(siren: Siren, tree: Path) -> None:
    data = bytearray((tree / "mine.srn").read_bytes())
    data[-4] ^= 1
    data[-3] ^= 1  # two bits, so the parity is right
    (tree / "mine.srn").write_bytes(data)
    assert siren("verify", "--fast", tree / "mine.srn").status == 0
    outcome = siren("verify", tree)
    assert outcome.status == 3
    assert outcome.out.startswith("files    3: 2 sound, 1 refused\n")
    assert outcome.err.startswith(f"siren: error: {tree}/mine.srn: ")


def test_json(siren: Siren, tree: Path) -> None:
    (tree / "cut.srn").write_bytes((tree / "mine.srn").read_bytes()[:7])
    outcome = siren("verify", tree, "--json")
    *files, last = [json.loads(line) for line in outcome.out.splitlines()]
    assert [(Path(file["file"]).name, file["status"], file["checked"]) for file in files] == [
        ("cut.srn", "refused", "structure"), ("mine.srn", "sound", "indices"), ("long.srn", "sound", "structure"),
        ("other.srn", "sound", "structure"),
    ]  # fmt: skip
    summary = last["summary"]
    assert (summary["files"], summary["sound"], summary["refused"], summary["indices_checked"]) == (4, 3, 1, 1)
    assert outcome.status == files[0]["exit_status"] == 3


@pytest.mark.parametrize("path", sorted(INVALID.glob("*.sr?")), ids=lambda path: path.name)
def test_what_must_be_refused_is_never_called_sound(siren: Siren, path: Path, tmp_path: Path) -> None:
    # The vectors' model is not at hand, so those that only its prior shows pass as far as they were checked.
    outcome = siren("verify", path, "--json")
    verdict = json.loads(outcome.out.splitlines()[0])
    assert outcome.status in (0, 3)
    assert verdict["status"] == ("refused" if outcome.status else "sound")
    assert verdict["checked"] == "structure"


def test_packet_files(siren: Siren, codec: Codec, tmp_path: Path) -> None:
    (tmp_path / "bad.srp").write_bytes(packets_to_file([b"\xff"], codec.model_id))
    (tmp_path / "cut.srp").write_bytes(packets_to_file([b"\xff"], codec.model_id)[:-1])
    assert siren("verify", tmp_path / "bad.srp", "--fast").status == 0
    assert siren("verify", tmp_path / "bad.srp").status == 3
    assert siren("verify", tmp_path / "cut.srp", "--fast").status == 3


def test_it_runs_without_torch_and_the_fast_check_without_numpy(tree: Path, tiny_model: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "if '--fast' in sys.argv: sys.modules['numpy'] = None\n"
        "from siren_cli.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    for words in (["verify"], ["verify", "--fast"], ["info", "-r"], ["tokens", "-o", "-"]):
        run = subprocess.run(
            [sys.executable, "-c", code, *words, str(tree / "mine.srn")], env=environment(tiny_model),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr


def test_a_table_of_a_tree(siren: Siren, tree: Path, codec: Codec) -> None:
    indices = np.arange(20, dtype=np.int16)[:, None]
    sent = split_into_packets(indices, None, codec.packet_source, 51, voice_in_each=False)
    (tree / "sent.srp").write_bytes(packets_to_file(sent, codec.model_id))
    packet_bytes = (tree / "sent.srp").stat().st_size
    outcome = siren("info", "-r", tree)
    size_bytes = (tree / "mine.srn").stat().st_size
    bps = 8 * size_bytes / (20_001 / 16_000)
    assert outcome.status == 0
    lines = outcome.out.splitlines()
    assert lines[0].split() == ["duration", "s", "stages", "bytes", "payload", "bps", "file", "bps", "model", "file"]
    assert lines[1].split()[:3] == ["1.250", "1", str(size_bytes)]
    assert lines[1].split()[4:] == [f"{bps:.1f}", codec.model_id.hex(), f"{tree}/mine.srn"]
    assert lines[2].split()[:3] == ["3.200", "1", str(packet_bytes)]
    assert lines[2].split()[4:] == ["-", codec.model_id.hex(), f"{tree}/sent.srp"]
    assert lines[6] == "files        4, 0 refused, 1 of packets, not in the sums"
    sizes = [path.stat().st_size for path in tree.rglob("*.srn")]
    assert f"bytes        {sum(sizes)}" in lines

    *files, last = [json.loads(line) for line in siren("info", "-r", "--json", tree).out.splitlines()]
    assert len(files) == 4
    summary = last["summary"]
    assert summary["file_bytes"] == sum(sizes)
    duration_s = sum(file["duration_s"] for file in files if file["file"].endswith(".srn"))
    assert summary["mean_file_bps"] == pytest.approx(8 * sum(sizes) / duration_s)
    assert summary["models"] == {codec.model_id.hex(): 2, "a1b2": 2}


def test_a_damaged_file_is_named_and_the_rest_listed(siren: Siren, tree: Path) -> None:
    (tree / "cut.srn").write_bytes(b"\xd3Q")
    outcome = siren("info", "-r", tree)
    assert outcome.status == 3
    assert outcome.err.startswith(f"siren: error: {tree}/cut.srn: ") and outcome.err.count("\n") == 1
    assert "files        3, 1 refused" in outcome.out


def test_wrong_command_lines(siren: Siren, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for words, status, said in (
        (["verify"], 2, "no input given"),
        (["verify", tmp_path / "none.srn"], 3, "no such file"),
        (["verify", tmp_path / "empty"], 3, "no .srn or .srp file there"),
        (["verify", tree, "--model", tmp_path / "none"], 4, "no such folder or packaged model"),
        (["info", "-r", "--bits", tree], 2, "--bits and --packets are about single files"),
        (["info", tree], 3, "is a folder of .srn files, expected packets; give --recursive to list it"),
        (["info", "-r", tmp_path / "empty"], 3, "no .srn or .srp file there"),
    ):
        outcome = siren(*words)
        assert outcome.status == status, words
        assert said in outcome.err, outcome.err
