"""Who may import whom, as data, and the reader of import statements that `test_architecture` checks it with."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import resolve_name
from pathlib import Path

SOURCE_ROOTS = {"siren_cli": ".", "siren_format": "formats", "siren_weights": "weights"}
"""Import package -> the folder that holds it."""

NETWORK_AND_PICKLE = frozenset({"ftplib", "http", "marshal", "pickle", "shelve", "socket", "ssl", "urllib"})
"""Parts of the standard library that no module may import: nothing is downloaded, nothing runs what it reads."""


@dataclass(frozen=True)
class Rule:
    """What the modules that match `pattern` may import beside the standard library.

    `pattern` may be several, with spaces between them; a room is itself and all below it.
    `always` holds for any import, `inside` in addition for imports inside functions. A name stands for itself and
    all below it: `siren_format` allows `siren_format.header`.
    """

    pattern: str
    always: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()


_FORMAT_PLAIN = tuple(
    f"siren_format.{name}"
    for name in (
        *("check", "errors", "header", "layout", "limits", "packet_check", "packet_file", "packet_head"),
        *("packet_order", "voice", "voice_file"),
    )
)
"""The part of the format that needs the standard library alone."""

_CLI_PLAIN = ("siren_cli.config", "siren_cli.errors", "siren_cli.__version__")


def _rooms(names: str) -> tuple[str, ...]:
    return tuple(f"siren_cli.{name}" for name in names.split())


RULES = (
    # Bytes never know torch; their header does not even know NumPy.
    Rule("siren_format", inside=("siren_format",)),
    Rule(" ".join(_FORMAT_PLAIN), _FORMAT_PLAIN),
    Rule("siren_format.entropy", ("numpy", "constriction", "siren_format")),
    Rule("siren_format.*", ("numpy", "siren_format")),
    Rule("siren_weights"),
    # The program's plain rooms.
    Rule("siren_cli", inside=_rooms("codec coded")),
    Rule("siren_cli.errors siren_cli.config", ("siren_cli.errors",)),
    Rule("siren_cli.phones", ("numpy",)),
    Rule("siren_cli.files*", (*_rooms("files"), *_CLI_PLAIN)),
    Rule("siren_cli.terminal*", ("typer", *_rooms("files terminal"), *_CLI_PLAIN), ("rich",)),
    Rule(
        "siren_cli.registry*",
        (*_rooms("files registry"), *_CLI_PLAIN),
        ("numpy", "safetensors", "torch", "siren_format", "siren_weights"),
    ),
    Rule("siren_cli.audio*", ("numpy", "soundfile", "soxr", *_rooms("audio files"), *_CLI_PLAIN), ("pysptk",)),
    # torch never knows bytes, files or terminals.
    Rule("siren_cli.model*", ("numpy", "torch", *_rooms("model phones"), *_CLI_PLAIN), ("transformers",)),
    Rule("siren_cli.search*", ("numpy", "torch", "siren_format", *_rooms("model phones registry search"), *_CLI_PLAIN)),
    # Where the two meet. Streams are given a codec, and the codec streams.
    Rule("siren_cli.coded", ("numpy", "siren_format", *_CLI_PLAIN)),
    Rule(
        "siren_cli.streaming*",
        ("numpy", "siren_format", *_rooms("audio streaming terminal.console"), *_CLI_PLAIN),
        _rooms("coded"),
    ),
    Rule(
        "siren_cli.codec",
        (
            "numpy",
            "torch",
            "siren_format",
            *_rooms("audio coded model registry search streaming.chunking streaming.decoder streaming.encoder"),
            *_CLI_PLAIN,
        ),
    ),
    # Coded files, packets, voices, many files: without torch before there is sound.
    Rule(
        "siren_cli.packets*",
        (
            "numpy",
            "siren_format",
            *_rooms("files packets registry streaming.rate_control terminal.console"),
            *_CLI_PLAIN,
        ),
        _rooms("codec coded"),
    ),
    Rule(
        "siren_cli.srn*",
        ("numpy", "siren_format", *_rooms("files packets.files registry srn terminal.console"), *_CLI_PLAIN),
        ("pyarrow",),
    ),
    Rule(
        "siren_cli.voices*",
        (*_rooms("files registry srn.file voices"), *_CLI_PLAIN, *_FORMAT_PLAIN),
        ("siren_format", "siren_weights", *_rooms("audio codec coded")),
    ),
    Rule(
        "siren_cli.batch*",
        (
            *_rooms("batch files registry.manifest srn.file terminal.console terminal.progress"),
            *_CLI_PLAIN,
            *_FORMAT_PLAIN,
        ),
        ("numpy", "ray", "soundfile", *_rooms("audio codec coded packets streaming voices")),
    ),
    # Data sets, training, evaluation; nobody but their commands looks at the latter two.
    Rule("siren_cli.corpus*", ("numpy", "soundfile", *_rooms("audio corpus files"), *_CLI_PLAIN), ("datasets",)),
    Rule(
        "siren_cli.training*",
        (
            "numpy",
            "safetensors",
            "soundfile",
            "soxr",
            "torch",
            "torchaudio",
            "siren_format",
            *_rooms("audio codec corpus files model phones registry search streaming.chunking"),
            *_rooms("terminal.console training voices"),
            *_CLI_PLAIN,
        ),
        ("accelerate", "datasets", "pysptk", "tensorboard", "transformers", "yaml"),
    ),
    Rule(
        "siren_cli.evaluation*",
        (
            "numpy",
            "safetensors",
            "soundfile",
            "torch",
            *_rooms("audio corpus evaluation files model phones terminal.console training voices"),
            *_CLI_PLAIN,
        ),
        (
            "jiwer",
            "librosa",
            "onnxruntime",
            "pesq",
            "pocketsphinx",
            "pyppmd",
            "pysptk",
            "pystoi",
            "rapidfuzz",
            "resemblyzer",
            "speechmos",
            "transformers",
            "whisper_normalizer",
            "zstandard",
            "siren_format",
            "siren_weights",
            *_rooms("codec coded packets registry streaming"),
        ),
    ),
    # Commands know both only through the codec, and each other not at all.
    Rule("siren_cli.commands.app", ("typer", *_rooms("commands terminal"), *_CLI_PLAIN)),
    Rule(
        "siren_cli.commands.train",
        ("typer", *_rooms("files srn.file terminal"), *_CLI_PLAIN),
        ("numpy", "torch", "torchaudio", "yaml", *_rooms("codec registry training")),
    ),
    Rule(
        "siren_cli.commands.eval",
        ("typer", *_rooms("files srn.file terminal"), *_CLI_PLAIN),
        _rooms("corpus evaluation"),
    ),
    Rule(
        "siren_cli.commands*",
        ("typer", *_rooms("files srn.file terminal"), *_CLI_PLAIN, *_FORMAT_PLAIN),
        (
            "numpy",
            "siren_format",
            *_rooms("audio batch codec coded evaluation.metrics.closeness evaluation.single packets registry srn"),
            *_rooms("streaming voices"),
        ),
    ),
    Rule(
        "siren_cli.__main__",
        _CLI_PLAIN,
        ("siren_format.errors", *_rooms("commands.app commands.info files.finding terminal.console")),
    ),
)
"""The first rule whose pattern matches holds (see CONTRIBUTING.md, Layering)."""


@dataclass(frozen=True)
class Import:
    """One imported module: its dotted name, its line, and whether it is imported only when a function runs.

    Imports for type checkers alone, which never run, count as inside a function.
    """

    name: str
    line: int
    inside_function: bool


def rule_for(module: str) -> Rule:
    """Returns the rule that governs `module`.

    Raises:
        LookupError: If none does: a new module needs a rule.
    """
    for rule in RULES:
        if any(fnmatchcase(module, pattern) for pattern in rule.pattern.split()):
            return rule
    raise LookupError(f"{module}: no rule in tests/layering.py covers it; add one")


def packages(root: Path) -> frozenset[str]:
    """Lists the packages among `modules`, dotted names."""
    return frozenset(name for name, path in modules(root).items() if path.name == "__init__.py")


def modules(root: Path) -> dict[str, Path]:
    """Lists every module of the three packages, dotted name -> file."""
    found: dict[str, Path] = {}
    for package, source_root in SOURCE_ROOTS.items():
        base = root / source_root
        for path in sorted((base / package).rglob("*.py")):
            parts = path.relative_to(base).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(source: str, module: str, packages: frozenset[str]) -> Iterator[Import]:
    """Yields the imports of one module.

    Args:
        source: The module's text.
        module: Its dotted name.
        packages: The project's packages; what is imported from one of them counts as a module of its own, since it
            may be one, or may bring one in.
    """
    package = module if module in packages else module.rpartition(".")[0]
    pending: list[tuple[ast.AST, bool]] = [(ast.parse(source), False)]
    while pending:
        node, inside = pending.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, inside)
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            for name in {f"{base}.{alias.name}" if base in packages else base for alias in node.names}:
                yield Import(name, node.lineno, inside)
        inside = inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) or _for_types(node)
        pending.extend((child, inside) for child in ast.iter_child_nodes(node))


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def violations(source: str, module: str, packages: frozenset[str]) -> list[str]:
    """Lists the imports of a module that its rule forbids, one line each."""
    rule = rule_for(module)
    bad = []
    for found in imports(source, module, packages):
        top = found.name.partition(".")[0]
        if top in sys.stdlib_module_names:
            allowed = top not in NETWORK_AND_PICKLE
        else:
            names = rule.always + (rule.inside if found.inside_function else ())
            allowed = any(found.name == name or found.name.startswith(name + ".") for name in names)
        if not allowed:
            where = "inside a function" if found.inside_function else "at module level"
            bad.append(f"{module}:{found.line} imports {found.name} {where}")
    return bad
