"""Many files: `siren encode` and `siren decode` of folders, lists and several inputs, in this process."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from pathlib import Path

import pytest
import soundfile

from siren_cli.codec import Codec
from siren_format.layout import parse_layout
from tests.cli.conftest import Siren


@pytest.fixture
def tree(tmp_path: Path, short_clips: list[Path]) -> Path:
    """Real recordings and other files in a tree, with hidden files and a link that leads back up."""
    folder = tmp_path / "recordings"
    (folder / "a" / "b").mkdir(parents=True)
    shutil.copy(short_clips[0], folder / "one.flac")
    wav, rate_hz = soundfile.read(short_clips[1], frames=24_000)
    soundfile.write(folder / "a" / "two.WAV", wav, rate_hz)
    soundfile.write(folder / "a" / "b" / "three.v2.wav", wav[:9_000], rate_hz)
    (folder / "notes.txt").write_text("not a recording")
    (folder / "a" / "._two.WAV").write_bytes(b"what another system leaves")
    (folder / "a" / "up").symlink_to(folder)
    return folder


def relative_files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_folder_there_and_back(siren: Siren, one_codec: Codec, codec: Codec, tree: Path, tmp_path: Path) -> None:
    outcome = siren("encode", f"{tree}/", "-o", tmp_path / "coded")
    assert outcome.status == 0
    assert outcome.err == "siren: note: 1 file of other kinds left alone\n"
    lines = outcome.out.splitlines()
    assert lines[0] == "files  3: 3 done, 0 skipped, 0 failed"
    assert [line.split()[0] for line in lines] == ["files", "audio", "coded", "speed"]
    assert relative_files(tmp_path / "coded") == ["a/b/three.v2.srn", "a/two.srn", "one.srn"]
    wav, rate_hz = soundfile.read(tree / "one.flac", dtype="float32")
    assert (tmp_path / "coded" / "one.srn").read_bytes() == codec.encode(wav, rate_hz).to_bytes()

    outcome = siren("decode", tmp_path / "coded", "-o", tmp_path / "out", "-q")
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "")
    assert relative_files(tmp_path / "out") == ["a/b/three.v2.wav", "a/two.wav", "one.wav"]
    assert soundfile.info(tmp_path / "out" / "one.wav").frames == len(wav)


def test_json_has_a_line_for_every_file_and_the_totals(
    siren: Siren, one_codec: Codec, tree: Path, tmp_path: Path
) -> None:
    (tree / "broken.wav").write_bytes(b"RIFF and no more")
    outcome = siren("encode", tree, "-o", tmp_path / "coded", "--json")
    assert outcome.status == 5
    *files, last = [json.loads(line) for line in outcome.out.splitlines()]
    assert sorted((Path(file["input"]).name, file["status"]) for file in files) == [
        ("broken.wav", "failed"), ("one.flac", "done"), ("three.v2.wav", "done"), ("two.WAV", "done"),
    ]  # fmt: skip
    failed = next(file for file in files if file["status"] == "failed")
    assert failed["exit_status"] == 5 and failed["error"].startswith(f"{tree}/broken.wav: not readable as audio")
    done = [file for file in files if file["status"] == "done"]
    summary = last["summary"]
    assert (summary["files"], summary["done"], summary["failed"], summary["passed_over"]) == (4, 3, 1, 1)
    assert summary["coded_bytes"] == sum(path.stat().st_size for path in (tmp_path / "coded").rglob("*.srn"))
    assert summary["audio_s"] == pytest.approx(sum(file["duration_s"] for file in done))
    assert summary["mean_file_bps"] == pytest.approx(8 * summary["coded_bytes"] / summary["audio_s"])
    assert outcome.err.splitlines()[0] == f"siren: error: {failed['error']}"


def test_what_is_done_is_kept_resumed_or_redone(siren: Siren, one_codec: Codec, tree: Path, tmp_path: Path) -> None:
    coded = tmp_path / "coded"
    words = ("encode", tree, "-o", coded, "-q")
    assert siren(*words).status == 0
    first = {name: (coded / name).stat().st_mtime_ns for name in relative_files(coded)}

    outcome = siren(*words)
    assert outcome.status == 6
    assert outcome.err.count("exists already; give --force to replace it or --resume to keep it\n") == 3

    half = coded / "one.srn"
    whole = half.read_bytes()
    half.write_bytes(whole[:7])
    (coded / "a" / "two.srn").unlink()
    outcome = siren(*words[:-1], "--resume")
    assert outcome.status == 0
    assert outcome.out.startswith("files  3: 2 done, 1 skipped, 0 failed\n")
    assert half.read_bytes() == whole
    assert (coded / "a/b/three.v2.srn").stat().st_mtime_ns == first["a/b/three.v2.srn"]

    os.utime(tree / "one.flac", (2**31, 2**31))
    outcome = siren(*words[:-1], "--resume")
    assert outcome.out == "files  3: 0 done, 3 skipped, 0 failed\n"
    assert "1 file: the output is older than the input and was kept; give --force to renew it\n" in outcome.err

    outcome = siren(*words, "--resume", "--stages", "2")
    assert outcome.status == 6
    assert "with 1 stages, expected" in outcome.err
    assert siren(*words, "--force", "--stages", "2").status == 0
    assert parse_layout(half.read_bytes()).header.stages == 2
    assert siren(*words, "--force", "--resume").status == 2


def test_decoding_resumes_too(siren: Siren, one_codec: Codec, srn: Path, tmp_path: Path) -> None:
    shutil.copytree(srn.parent, tmp_path / "coded", ignore=shutil.ignore_patterns("*.wav", "coded"))
    words = ("decode", tmp_path / "coded", "-o", tmp_path / "out", "--resume")
    assert siren(*words).out.startswith("files  1: 1 done")
    assert siren(*words).out == "files  1: 0 done, 1 skipped, 0 failed\n"
    wav = tmp_path / "out" / "coded.wav"
    wav.write_bytes(wav.read_bytes()[:-1_000])
    assert siren(*words).out.startswith("files  1: 1 done")
    assert siren(*words, "--sample-rate", "8000").out.startswith("files  1: 1 done")
    assert soundfile.info(wav).samplerate == 8_000


@pytest.mark.parametrize("separator", ["\n", "\0"])
def test_a_list_of_files(
    siren: Siren, one_codec: Codec, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, separator: str
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = ["recordings/one.flac", "./recordings/a/two.WAV", str(tree / "a" / ".." / "a" / "b" / "three.v2.wav")]
    listed = separator.join([*paths, ""]).encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(listed)))
    outcome = siren("encode", "--files-from", "-", "-o", "coded", "-q")
    assert (outcome.status, outcome.err) == (0, "")
    names = ["recordings/a/b/three.v2.srn", "recordings/a/two.srn", "recordings/one.srn"]
    assert relative_files(tmp_path / "coded") == names
    Path("list.txt").write_text("\n".join(f"coded/{name}" for name in names))
    assert siren("decode", "--files-from", "list.txt", "-q").status == 0
    assert (tmp_path / "coded" / "recordings" / "one.wav").is_file()


def test_a_list_leads_nowhere_else(
    siren: Siren, one_codec: Codec, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    Path("list").write_text(f"../recordings/one.flac\n{tree}/none.wav\n\n")
    outcome = siren("encode", "--files-from", "list", "-o", "coded", "-q")
    assert outcome.status == 5
    assert outcome.err == f"siren: error: {tree}/none.wav: no such file; check the path\n"
    assert relative_files(inside / "coded") == [f"{tree}/one.srn".lstrip("/")]


def test_several_files_and_folders(siren: Siren, one_codec: Codec, tree: Path, tmp_path: Path) -> None:
    outcome = siren("encode", tree / "one.flac", tree / "a", tree / "one.flac", "-o", tmp_path / "coded", "-q")
    assert (outcome.status, outcome.err) == (0, "")
    names = relative_files(tmp_path / "coded")
    # The link in `a` leads to the folder above it, which is not being walked, so it is followed once.
    assert {"one.srn", "two.srn", "b/three.v2.srn"} <= set(names)
    # One file into a folder is many files that happen to be one, so that a pattern of the shell always works.
    assert siren("encode", tree / "one.flac", "-o", f"{tmp_path}/new/", "-q").status == 0
    assert relative_files(tmp_path / "new") == ["one.srn"]
    assert siren("encode", tree / "a" / "b", "-q").status == 0
    assert (tree / "a" / "b" / "three.v2.srn").is_file()


def test_files_that_would_become_one(siren: Siren, one_codec: Codec, tree: Path, tmp_path: Path) -> None:
    wav, rate_hz = soundfile.read(tree / "one.flac")
    soundfile.write(tree / "one.wav", wav, rate_hz)
    outcome = siren("encode", tree, "-o", tmp_path / "coded")
    assert outcome.status == 2
    one = tmp_path / "coded" / "one.srn"
    assert outcome.err.splitlines()[:2] == [
        f"siren: error: {tree}/one.flac: would become {one}, and so would {tree}/one.wav; rename one of them",
        f"siren: error: {tree}/one.wav: would become {one}, and so would {tree}/one.flac; rename one of them",
    ]
    assert outcome.out.startswith("files  4: 2 done, 0 skipped, 2 failed\n")
    assert not one.exists()


def test_names_that_are_no_text(siren: Siren, one_codec: Codec, tree: Path, tmp_path: Path) -> None:
    odd = [b"\xff\xfe.flac", b"two\nlines.flac", b" blank .flac", b"-o.flac", b"n" * 250 + b".flac"]
    for name in odd:
        shutil.copy(tree / "one.flac", os.path.join(os.fsencode(tree), name))
    os.symlink("nowhere", tree / "dangling.wav")
    os.symlink("itself.wav", tree / "itself.wav")
    os.mkfifo(tree / "pipe.wav")
    outcome = siren("encode", tree, "-o", tmp_path / "coded", "--json")
    assert outcome.status == 5
    *files, last = [json.loads(line) for line in outcome.out.splitlines()]
    assert last["summary"]["done"] == 3 + len(odd)
    assert {os.path.basename(file["input"]) for file in files if file["status"] == "failed"} == {
        "dangling.wav", "itself.wav",
    }  # fmt: skip
    coded = os.fsencode(tmp_path / "coded")
    assert all(os.path.isfile(os.path.join(coded, name.replace(b".flac", b".srn"))) for name in odd)
    assert siren("verify", tmp_path / "coded", "-q").status == 0
    assert siren("decode", tmp_path / "coded", "-o", tmp_path / "out", "-q").status == 0
    assert os.path.isfile(os.path.join(os.fsencode(tmp_path), b"out/\xff\xfe.wav"))


def test_packets_and_files_are_told_apart(siren: Siren, one_codec: Codec, tree: Path, tmp_path: Path) -> None:
    words = ("encode", tree, "-o", tmp_path / "sent", "--profile", "packet", "-q")
    assert siren(*words).status == 0
    assert relative_files(tmp_path / "sent") == ["a/b/three.v2.srp", "a/two.srp", "one.srp"]
    assert siren(*words, "--resume").status == 0
    # A tree with .srp or .srn files in it is a tree; a folder without any is the packets of one recording.
    assert siren("decode", tmp_path / "sent", "-o", tmp_path / "heard", "-q").status == 0
    assert relative_files(tmp_path / "heard") == ["a/b/three.v2.wav", "a/two.wav", "one.wav"]
    outcome = siren("decode", tree / "a", "-o", tmp_path / "heard.wav")
    assert outcome.status == 3
    assert "holds no .srn file, and" in outcome.err and outcome.err.count("\n") == 1


def test_damaged_files_do_not_stop_the_others(siren: Siren, one_codec: Codec, srn: Path, tmp_path: Path) -> None:
    folder = tmp_path / "coded"
    folder.mkdir()
    data = bytearray(srn.read_bytes())
    (folder / "b.srn").write_bytes(data)
    data[9] ^= 4
    (folder / "a.srn").write_bytes(data)
    (folder / "c.srn").write_bytes(b"")
    outcome = siren("decode", folder, "-o", tmp_path / "out")
    assert outcome.status == 3
    assert outcome.out.startswith("files  3: 1 done, 0 skipped, 2 failed\n")
    assert [line.split(":")[2].strip() for line in outcome.err.splitlines()] == [f"{folder}/a.srn", f"{folder}/c.srn"]
    assert relative_files(tmp_path / "out") == ["b.wav"]


def test_wrong_command_lines(siren: Siren, one_codec: Codec, tree: Path, tmp_path: Path) -> None:
    one, empty = tree / "one.flac", tmp_path / "empty"
    empty.mkdir()
    for words, status, said in (
        (["encode"], 2, "no input given"),
        (["encode", one, "-", "-o", empty], 2, "- is one recording"),
        (["encode", tree, "-o", one], 2, "is no folder, expected one for the results of many files"),
        (["encode", tree, "-o", "-"], 2, "is no folder"),
        (["encode", tree, "-o", tmp_path / "all.srn"], 2, "is the name of a file, expected a folder"),
        (["encode", one, "--jobs", "2"], 2, "--jobs is about many files"),
        (["encode", one, "--resume"], 2, "--resume is about many files"),
        (["encode", one, "--engine", "ray"], 2, "--engine ray is about many files"),
        (["encode", tree, "--ray-address", "x:1"], 2, "--ray-address is about --engine ray"),
        (["encode", tree, "--engine", "ray", "--jobs", "2"], 2, "--jobs is about the local engine"),
        (["encode", empty], 5, "no file to work on, 0 of other kinds"),
        (["encode", "--files-from", tmp_path / "none"], 5, "no such file"),
        (["encode", tree, "--model", tmp_path / "none", "-o", tmp_path / "x"], 4, "no such folder or packaged model"),
        (["encode", tree, "-o", "/proc/siren"], 7, "cannot be made"),
        (["decode", tree, "--files-from", "/dev/null"], 2, "lists no files"),
    ):
        outcome = siren(*words)
        assert (outcome.status, outcome.out) == (status, ""), words
        assert said in outcome.err and outcome.err.count("\n") == 1, outcome.err
    assert not (tmp_path / "x").exists()


def test_ctrl_c_tells_what_is_done(
    siren: Siren, one_codec: Codec, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, calls = Codec.encode_stream, []

    def interrupted(*words: object, **more: object) -> object:
        calls.append(words)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return encode(*words, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Codec, "encode_stream", interrupted)
    outcome = siren("encode", tree, "-o", tmp_path / "coded", "--jobs", "1")
    assert outcome.status == 130
    assert outcome.out.startswith("files  3: 1 done, 0 skipped, 0 failed, 2 not reached\n")
    assert outcome.err.endswith("siren: error: interrupted; what is done is whole, give --resume to go on\n")
    assert len(relative_files(tmp_path / "coded")) == 1


def test_workers_make_the_same(siren: Siren, one_codec: Codec, tree: Path, tmp_path: Path) -> None:
    assert siren("encode", tree, "-o", tmp_path / "here", "-q").status == 0
    assert siren("encode", tree, "-o", tmp_path / "workers", "-q", "--jobs", "2").status == 0
    names = relative_files(tmp_path / "here")
    assert relative_files(tmp_path / "workers") == names
    assert all((tmp_path / "here" / name).read_bytes() == (tmp_path / "workers" / name).read_bytes() for name in names)


def test_the_bar_shows_files_hours_speed_and_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    from siren_cli.terminal.progress import BatchDisplay

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.setenv("TERM", "xterm")
    with BatchDisplay(4, quiet=False) as display:
        display.show(2, {"audio_s": 7_200.0, "real_time_factor": 81.4, "mean_file_bps": 68.25, "failed": 1})
        display.error("a.wav: is broken")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert "2/4 files, 2.00 h, 81 times real time, 68.2 file bps, 1 failed" in shown
    assert "siren: error: a.wav: is broken" in shown
