"""Files are written as a whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from siren_cli.errors import OutputExists, OutputUnwritable, SrnUnreadable, UsageError
from siren_cli.files.streams import read_bytes, require_writable, write_bytes, write_bytes_atomic


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "out"
    write_bytes_atomic(str(path), b"one")
    write_bytes_atomic(str(path), b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_new_files_have_ordinary_permissions(tmp_path: Path) -> None:
    (tmp_path / "ordinary").write_bytes(b"")
    write_bytes_atomic(str(tmp_path / "out"), b"")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ordinary", "out")}
    assert len(modes) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError])
def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]) -> None:
    def fail(source: str, target: str) -> None:
        assert os.path.exists(source)
        raise error

    path = tmp_path / "out"
    path.write_bytes(b"before")
    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OutputUnwritable if error is OSError else error):
        write_bytes_atomic(str(path), b"after")
    assert path.read_bytes() == b"before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_bytes_atomic(str(tmp_path / "link"), b"data")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"data"


def test_a_device_is_written_not_replaced() -> None:
    write_bytes("/dev/null", b"data", force=False)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_named_pipe_is_written_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    write_bytes(str(path), b"data", force=False)
    assert os.read(reader, 100) == b"data"
    os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_exists(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(OutputExists):
        write_bytes(str(tmp_path / "out"), b"", force=False)
    write_bytes(str(tmp_path / "out"), b"new", force=True)
    assert (tmp_path / "out").read_bytes() == b"new"


def test_input_by_another_name_is_still_the_input(tmp_path: Path) -> None:
    (tmp_path / "in").touch()
    os.link(tmp_path / "in", tmp_path / "alias")
    with pytest.raises(UsageError, match="is the input as well as the output"):
        require_writable(str(tmp_path / "alias"), force=True, source=str(tmp_path / "in"))


def test_folder_that_is_closed_to_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Asked through os.access, because nothing is closed to root, who may run these tests.
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(OutputUnwritable, match="is not writable; write elsewhere"):
        require_writable(str(tmp_path / "out"), force=False)


@pytest.mark.parametrize("name", ["stdin", "stdout"])
def test_streams_that_are_closed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"sys.{name}", None)
    with pytest.raises(UsageError, match="is closed, expected"):
        read_bytes("-", SrnUnreadable) if name == "stdin" else require_writable("-", force=False)


def test_reads_up_to_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"12345")
    assert read_bytes(str(path), SrnUnreadable, limit_bytes=5) == b"12345"
    with pytest.raises(SrnUnreadable) as caught:
        read_bytes(str(path), SrnUnreadable, limit_bytes=4)
    assert str(caught.value) == f"{path}: more than 4 bytes, no such file is that long; name another file"


@pytest.mark.parametrize("name", ["absent", "."])
def test_unreadable_raises_what_the_caller_asks_for(tmp_path: Path, name: str) -> None:
    with pytest.raises(SrnUnreadable):
        read_bytes(str(tmp_path / name), SrnUnreadable)
