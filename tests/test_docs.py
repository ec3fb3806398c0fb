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
COMMAND_LINE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
MADE_BY_TOOLS = {"__pycache__", "build", "cache", "demo", "dist", "eval", "runs", "site"}
"""Folders that .gitignore names."""


def project_files(folder: Path = ROOT) -> Iterator[Path]:
    """Yields every file that belongs to the project, hidden ones at the top included."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in MADE_BY_TOOLS and (not path.name.startswith(".") or path.name in (".ci", ".github")):
                yield from project_files(path)
        elif path.name != ".git":
            yield path


FILES = list(project_files())
DOCUMENTS = [path for path in FILES if path.suffix == ".md"]


def block(document: str, heading: str, language: str) -> str:
    """Returns the first fenced block of a document below a heading."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found = re.search(rf"^#+ {heading}$.*?^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found, f"{document} has no block under {heading!r}"
    return found[1]


def tree() -> dict[str, str]:
    """Reads the README's tree: path -> description."""
    entries: dict[str, str] = {}
    parents: list[str] = []
    for line in re.findall(r"^ *[a-z_]+/ .*$", README, re.MULTILINE):
        indent = len(line) - len(line.lstrip())
        name, _, description = line.strip().partition(" ")
        parents[indent // 2 :] = [name]
        entries["".join(parents)] = description.strip()
    return entries


TREE = tree()


@pytest.mark.parametrize("entry", TREE)
def test_the_tree_names_folders_that_exist(entry: str) -> None:
    assert (ROOT / entry).is_dir()
    assert TREE[entry], "no description"


def test_the_tree_has_one_line_a_folder() -> None:
    parents = [path.relative_to(ROOT).parent.parts for path in FILES]
    rooms = {f"{parts[0]}/" for parts in parents if parts and not parts[0].startswith(".")}
    rooms |= {f"siren_cli/{parts[1]}/" for parts in parents if parts[:1] == ("siren_cli",) and len(parts) > 1}
    rooms |= {"formats/siren_format/", "weights/siren_weights/"}
    assert sorted(TREE) == sorted(rooms), "correct the tree in README.md"


def test_the_readme_is_one_short_page() -> None:
    assert len(README.splitlines()) <= 150


def test_the_index_of_the_documents_names_all_of_them() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    kinds = re.findall(r"^## (.*)$", index, re.MULTILINE)
    assert kinds == ["Tutorial", "How-to guides", "Reference", "Explanation"]
    linked = re.findall(r"\]\(([a-z-]+\.md)\)", index)
    assert sorted(linked) == sorted(path.name for path in (ROOT / "docs").glob("*.md") if path.name != "index.md")


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


def test_the_documented_commands_and_options_are_those_of_the_program() -> None:
    helps = siren_commands()
    rows = re.findall(r"^\| `siren ([a-z]+)[^`]*` \| (.*) \|$", COMMAND_LINE, re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(helps)
    uses = [(name, option) for name, description in rows for option in re.findall(r"`(--[a-z-]+)", description)]
    for name, words in re.findall(r"`siren ([a-z]+)([^`]*)`", README + COMMAND_LINE):
        uses += [(name, option) for option in re.findall(r"--[a-z-]+", words)]
    common = COMMAND_LINE.partition("Common options:")[2].partition("Results")[0]
    uses += [("encode", option) for option in re.findall(r"`(--[a-z-]+)", common)]
    assert len(uses) > 5
    assert [f"siren {name} {option}" for name, option in uses if option not in helps[name]] == []


def test_the_readmes_five_commands_are_commands() -> None:
    rows = re.findall(r"^\| `siren ([a-z]+)[^`]*` \|", README, re.MULTILINE)
    assert len(rows) == 5
    assert set(rows) <= set(re.findall(r"^\| `siren ([a-z]+)[^`]*` \|", COMMAND_LINE, re.MULTILINE))


def test_the_documented_exit_statuses_are_those_of_the_program() -> None:
    section = COMMAND_LINE.partition("| exit status | meaning |")[2].partition("\n\n")[0]
    assert [int(number) for number in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == list(ExitStatus)


def run_as_written(script: str, folder: Path) -> None:
    """Runs a block of a document in a shell, in which `siren` is the program of this tree."""
    programs = folder / "programs"
    programs.mkdir()
    siren = programs / "siren"
    siren.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m siren_cli "$@"\n', encoding="utf-8")
    siren.chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": python_path(), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    result = subprocess.run(
        ["sh", "-eu", "-c", script], cwd=folder, capture_output=True, text=True, check=False, env=environment
    )
    assert result.returncode == 0, result.stderr


def test_the_readmes_first_block_runs_from_top_to_bottom(tmp_path: Path, demo_clip: Path) -> None:
    script = block("README.md", "Sixty seconds", "sh\ncd demo")
    (source,) = re.findall(r"^cp \.\./(\S+) talk\.flac$", script, re.MULTILINE)
    assert (ROOT / source).is_file()
    wav, sample_rate_hz = soundfile.read(demo_clip, frames=48_000, dtype="int16")
    (tmp_path / source).parent.mkdir(parents=True)
    soundfile.write(tmp_path / source, wav, sample_rate_hz)
    (tmp_path / "demo").mkdir()
    run_as_written(f"cd demo\n{script}", tmp_path)
    assert {soundfile.info(tmp_path / "demo" / name).frames for name in ("again.wav", "both.wav")} == {len(wav)}
    assert script.count("\nsiren ") == 5


@pytest.mark.slow
def test_the_tutorial_runs_from_top_to_bottom(tmp_path: Path, demo_clip: Path) -> None:
    wav, sample_rate_hz = soundfile.read(demo_clip, frames=96_000, dtype="int16")
    soundfile.write(tmp_path / "note.wav", wav, sample_rate_hz)
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    run_as_written("".join(blocks), tmp_path)
    assert (tmp_path / "small.srn").stat().st_size <= 51
    assert soundfile.info(tmp_path / "small.wav").frames == len(wav)


@pytest.mark.slow
def test_the_commands_on_voices_work(
    tmp_path: Path, short_clips: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "voices.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("siren ")]
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


def test_the_documented_python_works(tmp_path: Path, short_clips: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(short_clips[0], tmp_path / "talk.wav")  # soundfile looks into the file, not at its name
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(block("docs/python.md", "SIREN from Python", "python"), "docs/python.md", "exec"), names)
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
