"""What is installed: the three packages with their data, under names of their own, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import HUNG_AFTER_S

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"siren_cli": ".", "siren_format": "formats", "siren_weights": "weights"}
"""Installed package -> the folder in the project that holds it."""


def run(command: Sequence[str], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(command),
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=HUNG_AFTER_S,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    result = run(command, folder)
    assert result.returncode == 0, result.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's contents alone."""
    folder = tmp_path_factory.mktemp("installed")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-index",
        "--target",
        str(folder),
        str(wheel),
    ]
    result = run(command, folder)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture
def decoys(tmp_path: Path) -> Path:
    """An empty folder but for `formats` and `weights`, as a user's own project may have them."""
    for name in ("formats", "weights"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('a folder of the user was imported')\n")
    return tmp_path


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    expected = set()
    for package, folder in PACKAGES.items():
        base = ROOT / folder
        files = [path for path in (base / package).rglob("*") if path.is_file() and path.suffix != ".pyc"]
        expected |= {path.relative_to(base).as_posix() for path in files}
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert {Path(name).name for name in names - expected} == {
        "METADATA",
        "WHEEL",
        "RECORD",
        "entry_points.txt",
        "LICENSE",
    }


def test_typing_and_weights_travel_along(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {"siren_cli/py.typed", "siren_format/py.typed", "siren_weights/manifest.json"} <= set(names)
    assert [name for name in names if name.startswith("siren_weights/") and name.endswith(".safetensors")]


def test_the_command_is_declared(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        text = archive.read(name).decode()
    assert text == "[console_scripts]\nsiren = siren_cli.__main__:main\n"


def test_imports_come_from_the_installation_not_from_the_users_folders(installed: Path, decoys: Path) -> None:
    code = "import siren_cli, siren_format, siren_weights\n"
    code += "for package in (siren_cli, siren_format, siren_weights): print(package.__file__)"
    result = run([sys.executable, "-c", code], decoys, PYTHONPATH=str(installed))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.split() == [str(installed / package / "__init__.py") for package in PACKAGES]


def test_the_installed_command_encodes_and_decodes(installed: Path, decoys: Path, short_clips: list[Path]) -> None:
    siren = [sys.executable, "-m", "siren_cli"]
    for arguments in (
        ["encode", str(short_clips[0]), "-o", "clip.srn"],
        ["info", "clip.srn"],
        ["decode", "clip.srn", "-o", "clip.wav"],
    ):
        result = run([*siren, *arguments], decoys, PYTHONPATH=str(installed))
        assert result.returncode == 0, result.stderr
    assert (decoys / "clip.srn").stat().st_size < 100
    assert (decoys / "clip.wav").stat().st_size > 100_000
