"""The documents say what is so: the tree, the targets, the commands, the exit statuses, the links."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

import siren_cli
from siren_cli.__main__ import main
from siren_cli.codec import load_codec
from siren_cli.errors import ExitStatus

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
MADE_BY_TOOLS = {"__pycache__", "build", "cache", "demo", "dist", "eval", "runs"}
"""Folders that .gitignore names."""


def project_files(folder: Path = ROOT) -> Iterator[Path]:
    """Yields every file that belongs to the project, hidden ones at the top included."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in MADE_BY_TOOLS and (not path.name.startswith(".") or path.name == ".ci"):
                yield from project_files(path)
        elif path.name != ".git":
            yield path


FILES = list(project_files())
DOCUMENTS = [path for path in FILES if path.suffix == ".md"]


def block(heading: str, language: str) -> str:
    """Returns the first fenced block of README.md below a heading."""
    found = re.search(rf"^## {heading}$.*?^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert found, f"README.md has no block under {heading!r}"
    return found[1]


def tree() -> dict[str, str]:
    """Reads the README's tree: path -> description."""
    entries: dict[str, str] = {}
    parents: list[str] = []
    for line in block("The files", "").splitlines():
        indent = len(line) - len(line.lstrip())
        name, _, description = line.strip().partition(" ")
        parents[indent // 2 :] = [name]
        entries["".join(parents)] = description.strip()
    return entries


TREE = tree()


@pytest.mark.parametrize("entry", TREE)
def test_the_tree_names_what_exists(entry: str) -> None:
    path = ROOT / entry
    assert path.is_dir() if entry.endswith("/") else path.is_file()
    assert TREE[entry], "no description"


def test_the_tree_is_complete() -> None:
    missing = []
    for path in FILES:
        if path == ROOT / "README.md":
            continue
        name = path.relative_to(ROOT).as_posix()
        folder = max((entry for entry in TREE if entry.endswith("/") and name.startswith(entry)), key=len, default="")
        is_code = path.suffix == ".py" and path.stem != "__init__"
        if folder.startswith("tests/") or name in TREE or name.startswith("."):
            continue
        if folder in ("", "siren_cli/", "formats/", "weights/"):
            listed = path.name in ("py.typed", "__init__.py")
        else:
            listed = not is_code or path.stem in TREE[folder].split()
        if not listed:
            missing.append(name)
    assert missing == [], "add these to the tree in README.md"


def test_every_target_is_documented_and_phony() -> None:
    targets = re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)
    documented = re.findall(r"^([a-z-]+):.*?## \S", MAKEFILE, re.MULTILINE)
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert targets == documented == phony.split()


def test_make_lists_its_targets() -> None:
    result = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert [line.split()[1] for line in result.stdout.splitlines()] == phony.split()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_make_targets_that_documents_name_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = set(re.findall(r"`make ([a-z-]+)", text)) | set(re.findall(r"^make ([a-z-]+)", text, re.MULTILINE))
    assert named <= set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    missing = [target for target in targets if not (document.parent / target.partition("#")[0]).exists()]
    assert missing == []


def siren_commands() -> dict[str, str]:
    """Returns every command of the program and the text of its help."""
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    names = [
        path.stem for path in (ROOT / "siren_cli" / "commands").glob("*.py") if path.stem not in ("__init__", "app")
    ]
    helps = {}
    for name in sorted(names):
        result = subprocess.run(
            [sys.executable, "-m", "siren_cli", name, "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env={**environment, "PYTHONPATH": python_path()},
        )
        assert result.returncode == 0, result.stderr
        helps[name] = result.stdout
    return helps


def python_path() -> str:
    """Where a fresh interpreter finds the three packages."""
    return os.pathsep.join(str(ROOT / folder) for folder in (".", "formats", "weights"))


def test_the_readmes_commands_and_options_are_those_of_the_program() -> None:
    helps = siren_commands()
    section = README.partition("## The command line")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `siren ([a-z]+)[^`]*` \| (.*) \|$", section, re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(helps)
    uses = [(name, option) for name, description in rows for option in re.findall(r"`(--[a-z-]+)", description)]
    for name, words in re.findall(r"`siren ([a-z]+)([^`]*)`", README):
        uses += [(name, option) for option in re.findall(r"--[a-z-]+", words)]
    common = section.partition("Common options:")[2].partition("Results")[0]
    uses += [("encode", option) for option in re.findall(r"`(--[a-z-]+)", common)]
    assert len(uses) > 5
    assert [f"siren {name} {option}" for name, option in uses if option not in helps[name]] == []


def test_the_readmes_exit_statuses_are_those_of_the_program() -> None:
    section = README.partition("| exit status | meaning |")[2].partition("\n\n")[0]
    assert [int(number) for number in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == list(ExitStatus)


def test_the_readmes_first_commands_work(tmp_path: Path, demo_clip: Path) -> None:
    wav, sample_rate_hz = soundfile.read(demo_clip, frames=48_000, dtype="int16")
    soundfile.write(tmp_path / "talk.wav", wav, sample_rate_hz)
    section = README.partition("## Sixty seconds")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("siren ")]
    assert len(lines) == 5
    for line in lines:
        (tmp_path / "again.wav").unlink(missing_ok=True)
        result = subprocess.run(
            [sys.executable, "-m", "siren_cli", *shlex.split(line, comments=True)[1:]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": python_path()},
        )
        assert result.returncode == 0, f"{line}: {result.stderr}"
    assert soundfile.info(tmp_path / "again.wav").frames == len(wav)


@pytest.mark.slow
def test_the_readmes_voice_commands_work(
    tmp_path: Path, short_clips: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    section = re.search(r"^## Voices$(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    assert section
    lines = [line for line in section[1].splitlines() if line.startswith("siren ")]
    assert len(lines) == 14
    for name, clip in zip(("talk", "anna1", "anna2"), short_clips, strict=True):
        soundfile.write(tmp_path / f"{name}.wav", *soundfile.read(clip, dtype="int16"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("siren_cli.codec.load_codec", functools.lru_cache(load_codec))
    handler = signal.getsignal(signal.SIGTERM)
    for line in lines:
        assert main(shlex.split(line, comments=True)[1:]) == 0, f"{line}: {capsys.readouterr().err}"
    signal.signal(signal.SIGTERM, handler)
    note, stripped, anonymous = (
        load_codec().from_bytes((tmp_path / f"{name}.srn").read_bytes()) for name in ("note", "stripped", "anonymous")
    )
    assert note.voice is not None
    assert stripped.voice is None
    assert anonymous.voice is None
    assert (stripped.indices == note.indices).all()
    assert (tmp_path / "anna.voice").stat().st_size == 45
    frames = {path.name: soundfile.info(path).frames for path in tmp_path.glob("*.wav")}
    assert {frames[f"by-{name}.wav"] for name in ("anna", "anna1", "oak")} == {frames["talk.wav"]}


def test_the_readmes_python_works(tmp_path: Path, short_clips: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(short_clips[0], tmp_path / "talk.wav")  # soundfile looks into the file, not at its name
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(block("From Python", "python"), "README.md", "exec"), names)
    again, wav, data = names["again"], names["wav"], names["data"]
    assert isinstance(again, np.ndarray)
    assert isinstance(wav, np.ndarray)
    assert isinstance(data, bytes)
    assert (again.dtype, again.shape) == (np.float32, wav.shape)
    assert len(data) <= 100


def test_the_changelog_names_the_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(\S+)\] - (?:unreleased|\d{4}-\d{2}-\d{2})$", text, re.MULTILINE)
    assert versions[0] == siren_cli.__version__


# Folders of one machine, written so that this line does not name them itself.
MACHINE_PATH = re.compile(rb"(?<![\w.])/(?:wor[k]|far[m]|hom[e]|roo[t]|tm[p])/|\.\./share[d]")


def test_no_file_names_a_path_of_one_machine() -> None:
    texts = [path for path in FILES if path.suffix not in {".flac", ".safetensors", ".srn", ".wav"}]
    assert len(texts) > 30
    assert [path.relative_to(ROOT).as_posix() for path in texts if MACHINE_PATH.search(path.read_bytes())] == []


@pytest.mark.parametrize("text", [b"see /wor" + b"k/x", b"'/hom" + b"e/me/a.wav'", b"../shar" + b"ed/corpus"])
def test_a_path_of_one_machine_would_be_found(text: bytes) -> None:
    assert MACHINE_PATH.search(text)


def test_the_constraints_pin_what_the_package_needs() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    needed = re.search(r"^dependencies = \[(.*?)^\]", project, re.MULTILINE | re.DOTALL)
    assert needed
    names = re.findall(r'^ +"([A-Za-z0-9_-]+)', needed[1], re.MULTILINE)
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([a-z0-9_-]+)==\S+(?: ; .*)?$", pins, re.MULTILINE))
    assert {"torch", "constriction"} <= set(names) <= pinned
