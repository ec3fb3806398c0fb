"""Kill -9, a full disk, a read-only folder, two processes at once: never a half file, never a lost one."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from siren_cli.errors import OutputExists, OutputUnwritable
from siren_cli.files.streams import write_bytes, write_bytes_atomic
from tests.cli.conftest import ROOT, environment
from tests.conftest import HUNG_AFTER_S
from tests.tools.crash.killing import kill_at_random, results


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Forty files of up to a megabyte, so that writing one takes a moment."""
    folder = tmp_path / "in"
    made = random.Random(6)
    for number in range(40):
        path = folder / f"{number % 4}" / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made.randbytes(made.randrange(1, 2**20)))
    return folder


def copying(tree: Path, output: Path, jobs: int) -> list[str]:
    return [sys.executable, "-m", "tests.tools.crash.copying", str(tree), str(output), str(jobs)]


@pytest.mark.slow
def test_killed_batches_leave_whole_files_and_lose_none(tree: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    expected = {
        path.relative_to(tree).with_suffix(".copy").as_posix(): path.read_bytes() for path in tree.rglob("*.bin")
    }
    figures = kill_at_random(
        copying(tree, output, 2), output, expected, kills=6, longest_s=0.1, seed=1, environment=environment()
    )
    assert (figures.wrong, figures.lost) == (0, 0), figures
    run = subprocess.run(copying(tree, output, 2), cwd=ROOT, env=environment(), capture_output=True, check=False)
    assert run.returncode == 0
    assert results(output) == expected


@pytest.mark.slow
def test_two_batches_into_one_folder(tree: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    both = [
        subprocess.Popen(copying(tree, output, 1), cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert [process.wait(timeout=HUNG_AFTER_S) for process in both] == [0, 0]
    copies = results(output)
    assert len(copies) == 40
    assert all(
        copies[f"{number % 4}/{number}.copy"] == (tree / f"{number % 4}/{number}.bin").read_bytes()
        for number in range(40)
    )
    assert list(output.rglob(".*")) == []


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"the other's")
    with pytest.raises(OutputExists):
        write_bytes_atomic(str(path), b"ours", replace=False)
    assert path.read_bytes() == b"the other's"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_without_hard_links_files_are_written_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: str, target: str) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr("os.link", refuse)
    write_bytes(str(tmp_path / "out"), b"data", force=False)
    assert (tmp_path / "out").read_bytes() == b"data"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


@pytest.mark.slow
def test_no_room_for_a_file(tree: Path, tmp_path: Path) -> None:
    # What a full disk does to a write, wherever this runs; `make crash` fills a real one.
    limit_bytes = 2**19

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    output = tmp_path / "out"
    code = (
        "import signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "from tests.tools.crash.copying import main; sys.exit(main(*sys.argv[1:]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tree), str(output), "1"], cwd=ROOT, env=environment(), preexec_fn=limit,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 7
    small = {f"{path.parent.name}/{path.stem}.copy": path.read_bytes() for path in tree.rglob("*.bin")
             if path.stat().st_size <= limit_bytes}  # fmt: skip
    assert 0 < len(small) < 40
    assert results(output) == small
    assert list(output.rglob(".*")) == []
    assert run.stderr.count("cannot be written (file too large); write elsewhere\n") == 40 - len(small)
    again = subprocess.run(copying(tree, output, 1), cwd=ROOT, env=environment(), capture_output=True, check=False)
    assert again.returncode == 0
    assert len(results(output)) == 40


@pytest.mark.slow
def test_leftovers_of_killed_processes_go(tree: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    (output / "0").mkdir(parents=True)
    names = (".siren-0123456789ab.tmp", ".siren-ba9876543210.tmp", ".siren.tmp")
    old, new, others = (output / "0" / name for name in names)
    for path in (old, new, others):
        path.write_bytes(b"half a file")
    os.utime(old, (0, 0))
    os.utime(others, (0, 0))
    run = subprocess.run(copying(tree, output, 1), cwd=ROOT, env=environment(), capture_output=True, check=False)
    assert run.returncode == 0
    assert (old.exists(), new.exists(), others.exists()) == (False, True, True)


def test_an_unwritable_folder_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(OutputUnwritable):
        write_bytes("/proc/siren.srn", b"", force=True)


@pytest.mark.slow
def test_a_worker_s_death_is_outlived_and_its_file_tried_once_more(tree: Path, tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, siren_cli.batch.local as local; give = local._Worker.give\n"
        "def killed(worker, task, attempt):\n"
        "    if task.source.endswith('/1.bin') or task.source.endswith('/2.bin') and attempt == 1:\n"
        "        os.kill(worker._process.pid, signal.SIGKILL)\n"
        "    give(worker, task, attempt)\n"
        "local._Worker.give = killed\n"
        "from tests.tools.crash.copying import main; sys.exit(main(*sys.argv[1:]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tree), str(tmp_path / "out"), "2"], cwd=ROOT, env=environment(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert run.stderr == (
        f"siren: error: {tree}/1/1.bin: the process that worked on it ended by signal 9, 2 times; "
        "free memory, give fewer --jobs, or leave the file out\n"
    )
    assert len(results(tmp_path / "out")) == 39


@pytest.mark.slow
def test_ctrl_c_ends_the_workers_and_leaves_whole_files(tree: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    for number in range(3_000):  # so many that the batch is not at its end when the signal comes
        (tree / f"small{number}.bin").write_bytes(b"small")
    process = subprocess.Popen(
        copying(tree, output, 2), cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    while process.poll() is None and not list(output.rglob("*.copy")):
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to all of them
    out, err = process.communicate(timeout=HUNG_AFTER_S)
    assert process.returncode == 130
    assert "not reached" in out
    assert err == "siren: error: interrupted; what is done is whole, give --resume to go on\n"
    copies = results(output)
    assert 0 < len(copies) < 3_040
    assert all((tree / name).with_suffix(".bin").read_bytes() == data for name, data in copies.items())
    assert list(output.rglob(".*")) == []
