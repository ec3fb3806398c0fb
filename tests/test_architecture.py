"""Bytes never know torch; torch never knows bytes, files or terminals; commands know both only through the codec."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import HUNG_AFTER_S
from tests.layering import RULES, imports, modules, packages, rule_for, violations

ROOT = Path(__file__).resolve().parent.parent
MODULES = modules(ROOT)
PACKAGES = packages(ROOT)
LARGEST_FILE_LINES = 350
MOST_MODULES, MOST_TOP_MODULES = 15, 8
TALKERS = {"siren_cli.terminal.console", "siren_cli.terminal.progress", "siren_cli.files.streams", "siren_cli.__main__"}
"""Modules that may touch standard output: text, bytes, and letting go of it at the end."""


@pytest.mark.parametrize("module", MODULES)
def test_imports_keep_to_the_layering(module: str) -> None:
    assert violations(MODULES[module].read_text(encoding="utf-8"), module, PACKAGES) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.pattern)
def test_every_rule_governs_a_module(rule: object) -> None:
    assert any(rule_for(module) is rule for module in MODULES)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("siren_format.header", "import numpy"),
        ("siren_format.header", "def f():\n    import numpy"),
        ("siren_format.header", "from siren_format import prior"),
        ("siren_format.prior", "import constriction"),
        ("siren_format.entropy", "import torch.nn"),
        ("siren_format.stream", "from siren_cli.config import FSQ_LEVELS"),
        ("siren_cli.config", "import numpy as np"),
        ("siren_cli.audio.reading", "import torch"),
        ("siren_cli.model.features", "import transformers"),
        ("siren_cli.model.features", "from siren_format.header import Header"),
        ("siren_cli.model.features", "import urllib.request"),
        ("siren_cli.model.features", "import rich"),
        ("siren_cli.codec", "import typer"),
        ("siren_cli.codec", "import pickle"),
        ("siren_cli.codec", "from siren_cli import training"),
        ("siren_cli.commands.encode", "from siren_cli.codec import load_codec"),
        ("siren_cli.commands.encode", "def f():\n    from siren_cli.commands import decode"),
        ("siren_cli.commands.info", "if True:\n    import torch"),
        ("siren_cli.commands.info", "from siren_cli import load"),
        ("siren_cli.commands.info", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
        ("siren_cli.model.features", "from .. import codec"),
        ("siren_cli.commands.info", "class C:\n    import numpy"),
    ],
)
def test_a_violation_is_caught(module: str, source: str) -> None:
    assert len(violations(source, module, PACKAGES)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("siren_format.header", "import struct"),
        ("siren_format.entropy", "import constriction"),
        ("siren_cli.model.features", "def f():\n    from transformers import HubertModel"),
        ("siren_cli.commands.encode", "from siren_cli import __version__"),
        ("siren_cli.commands.encode", "if TYPE_CHECKING:\n    import numpy"),
        ("siren_cli.commands.encode", "async def f():\n    from siren_cli.codec import load_codec"),
    ],
)
def test_what_the_rules_allow_passes(module: str, source: str) -> None:
    assert violations(source, module, PACKAGES) == []


def test_a_module_without_a_rule_is_reported() -> None:
    with pytest.raises(LookupError, match=r"siren_cli\.utils: no rule"):
        rule_for("siren_cli.utils")


@pytest.mark.parametrize("module", sorted(MODULES.keys() - TALKERS))
def test_only_the_console_writes_to_the_terminal(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    prints = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "print"]
    streams = [
        node.lineno for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr")
    ]
    assert prints + streams == []


@pytest.mark.parametrize("module", MODULES)
def test_files_stay_small(module: str) -> None:
    lines = MODULES[module].read_text(encoding="utf-8").count("\n")
    assert lines <= LARGEST_FILE_LINES


def rooms() -> dict[str, set[str]]:
    """The folders and modules of `siren_cli`, and which of the others each imports, inside of functions too."""
    found: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        top, _, below = module.partition(".")
        if top != "siren_cli" or not below:
            continue
        room = below.split(".")[0]
        names = {found.name for found in imports(path.read_text(encoding="utf-8"), module, PACKAGES)}
        others = {name.split(".")[1] for name in names if name.startswith("siren_cli.")}
        found.setdefault(room, set()).update(others - {room, "__version__", "load"})
    return found


def test_rooms_form_no_circle() -> None:
    assert len(list(TopologicalSorter(rooms()).static_order())) >= len(rooms())


def test_folders_stay_small() -> None:
    modules_in = Counter(path.parent for path in MODULES.values() if path.name != "__init__.py")
    top = modules_in.pop(ROOT / "siren_cli")
    program = {folder: count for folder, count in modules_in.items() if ROOT / "siren_cli" in folder.parents}
    assert top <= MOST_TOP_MODULES
    assert {folder: count for folder, count in program.items() if count > MOST_MODULES} == {}


def run_python(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs code in a fresh interpreter that finds the packages as the tests do."""
    paths = os.pathsep.join(str(ROOT / folder) for folder in (".", "formats", "weights"))
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=HUNG_AFTER_S,
        check=False,
    )


HEAVY = ("torch", "torchaudio", "transformers", "scipy", "constriction", "soundfile", "soxr", "numpy", "safetensors")


@pytest.mark.parametrize(
    "module",
    [
        "siren_cli",
        "siren_cli.errors",
        "siren_cli.config",
        "siren_cli.commands.app",
        "siren_cli.registry.weights",
        "siren_weights",
        "siren_cli.commands.encode",
        "siren_cli.commands.decode",
        "siren_cli.commands.info",
        "siren_cli.commands.roundtrip",
        "siren_cli.commands.train",
        "siren_format",
        "siren_format.header",
        "siren_format.layout",
    ],
)
def test_imports_where_nothing_heavy_is_installed(module: str, tmp_path: Path) -> None:
    code = f"import sys\nsys.modules.update(dict.fromkeys({HEAVY!r}))\nimport {module}\nprint('imported')"
    result = run_python(code, tmp_path)
    assert (result.stdout, result.stderr, result.returncode) == ("imported\n", "", 0)


def test_the_guard_above_would_catch_torch(tmp_path: Path) -> None:
    result = run_python("import sys\nsys.modules['torch'] = None\nimport siren_cli.model.features", tmp_path)
    assert result.returncode == 1
    assert "import of torch halted" in result.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["info", "--help"], ["encode", "--help"]])
def test_help_and_version_need_no_torch(arguments: list[str], tmp_path: Path) -> None:
    code = (
        f"import sys\nsys.modules.update(dict.fromkeys({HEAVY!r}))\nsys.argv = ['siren', *{arguments!r}]\n"
        "from siren_cli.__main__ import main\nsys.exit(main())"
    )
    result = run_python(code, tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert "siren" in result.stdout.lower()


def test_encoding_and_decoding_bring_in_no_compiler(tmp_path: Path) -> None:
    """torch loads its compiler for arithmetic on the meta device: a second more of a cold start, and 80 MB."""
    code = (
        "import sys, numpy, siren_cli\ncodec = siren_cli.load()\n"
        "codec.decode(codec.encode(numpy.zeros(5_000, numpy.float32), 16_000).to_bytes())\n"
        "print(sorted({'torch._dynamo', 'torch._inductor', 'sympy', 'transformers', 'torchaudio'} & set(sys.modules)))"
    )
    result = run_python(code, tmp_path)
    assert (result.stdout, result.returncode) == ("[]\n", 0), result.stderr
