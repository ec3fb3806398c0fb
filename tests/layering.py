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

    `always` holds for any import, `inside` in addition for imports inside functions. A name stands for itself and
    all below it: `siren_format` allows `siren_format.header`.
    """

    pattern: str
    always: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()


_FORMAT_PLAIN = tuple(
    f"siren_format.{name}"
    for name in ("check", "errors", "header", "layout", "limits", "packet_file", "packet_head", "voice", "voice_file")
)
"""The part of the format that needs the standard library alone."""

_CLI_PLAIN = ("siren_cli.config", "siren_cli.errors", "siren_cli.__version__")
_TERMINAL = ("siren_cli.console", "siren_cli.files", "siren_cli.options", "siren_cli.srn_file")

_BATCH = ("siren_cli.batch", "siren_cli.files", "siren_cli.manifest", "siren_cli.srn_file", *_CLI_PLAIN, *_FORMAT_PLAIN)
"""What is done with one file of many may import this at once; what it is done with, inside a function."""

_JUDGED = (
    "siren_cli.__version__",
    "siren_cli.audio",
    "siren_cli.config",
    "siren_cli.console",
    "siren_cli.errors",
    "siren_cli.evaluation",
    "siren_cli.files",
    "siren_cli.loudness",
    "siren_cli.model",
    "siren_cli.phones",
    "siren_cli.pitch",
    "siren_cli.training.augment",
    "siren_cli.training.data",
    "siren_cli.training.sources",
    "siren_cli.training.probe",
    "siren_cli.voice_mix",
)
"""What evaluation takes from the program; only what runs anyway, and the reading of data sets."""

RULES = (
    # Bytes never know torch; their header does not even know NumPy.
    Rule("siren_format", inside=("siren_format",)),
    *(Rule(module, _FORMAT_PLAIN) for module in _FORMAT_PLAIN),
    Rule("siren_format.entropy", ("numpy", "constriction", "siren_format")),
    Rule("siren_format.*", ("numpy", "siren_format")),
    Rule("siren_weights"),
    # The program's plain parts.
    Rule("siren_cli", inside=("siren_cli.codec", "siren_cli.coded")),
    Rule("siren_cli.errors"),
    Rule("siren_cli.config", ("siren_cli.errors",)),
    Rule("siren_cli.temporary"),
    Rule("siren_cli.memory"),
    Rule("siren_cli.files", ("siren_cli.temporary", *_CLI_PLAIN)),
    Rule("siren_cli.manifest", _CLI_PLAIN, ("siren_weights",)),
    Rule("siren_cli.loudness", ("numpy", *_CLI_PLAIN)),
    Rule("siren_cli.phones", ("numpy",)),
    Rule("siren_cli.pitch", ("numpy", *_CLI_PLAIN), ("pysptk",)),
    Rule("siren_cli.chunks", ("numpy", "siren_cli.config")),
    Rule("siren_cli.pcm", ("numpy", *_CLI_PLAIN)),
    Rule("siren_cli.wav_stream", ("siren_cli.pcm", *_CLI_PLAIN)),
    *(
        Rule(
            f"siren_cli.audio_{way}put",
            ("numpy", "soundfile", "siren_cli.files", "siren_cli.pcm", "siren_cli.wav_stream", *_CLI_PLAIN),
        )
        for way in ("in", "out")
    ),
    Rule(
        "siren_cli.audio",
        (
            "numpy",
            "soundfile",
            "soxr",
            "siren_cli.audio_input",
            "siren_cli.audio_output",
            "siren_cli.files",
            "siren_cli.pcm",
            *_CLI_PLAIN,
        ),
    ),
    Rule(
        "siren_cli.weights",
        ("siren_cli.files", "siren_cli.manifest", *_CLI_PLAIN),
        ("numpy", "safetensors", "torch", "siren_format.prior", "siren_format.tables", "siren_weights"),
    ),
    # torch never knows bytes, files or terminals.
    Rule("siren_cli.model", ("siren_cli.model",)),
    Rule(
        "siren_cli.model.*",
        ("numpy", "torch", "siren_cli.model", "siren_cli.phones", *_CLI_PLAIN),
        ("transformers",),
    ),
    # Where the two meet.
    Rule("siren_cli.coded", ("numpy", "siren_format", *_CLI_PLAIN)),
    Rule(
        "siren_cli.codec",
        (
            "numpy",
            "torch",
            "siren_cli.chunks",
            "siren_cli.coded",
            "siren_cli.index_search",
            "siren_cli.intake",
            "siren_cli.loudness",
            "siren_cli.model",
            "siren_cli.rate_distortion",
            "siren_cli.voice_mix",
            "siren_cli.weights",
            "siren_format",
            *_CLI_PLAIN,
        ),
        ("siren_cli.streaming",),
    ),
    Rule("siren_cli.index_search", ("numpy", "torch", "siren_cli.model", "siren_format", *_CLI_PLAIN)),
    Rule("siren_cli.rate_distortion", ("numpy", "torch", "siren_cli.model", "siren_format", *_CLI_PLAIN)),
    Rule("siren_cli.rate_control", ("numpy", *_CLI_PLAIN), ("siren_cli.codec",)),
    Rule("siren_cli.closeness", ("numpy", "torch", "siren_cli.model", *_CLI_PLAIN), ("pystoi",)),
    Rule("siren_cli.intake", ("numpy", "siren_cli.audio", *_CLI_PLAIN)),
    Rule(
        "siren_cli.streaming",
        (
            "numpy",
            "siren_cli.audio",
            "siren_cli.chunks",
            "siren_cli.intake",
            "siren_cli.loudness",
            "siren_cli.memory",
            "siren_format",
            *_CLI_PLAIN,
        ),
        ("siren_cli.codec", "siren_cli.coded"),
    ),
    Rule(
        "siren_cli.salvaging",
        ("numpy", "siren_cli.chunks", "siren_cli.console", "siren_cli.streaming", "siren_format", *_CLI_PLAIN),
        ("siren_cli.codec", "siren_cli.coded"),
    ),
    Rule("siren_cli.training"),
    Rule(
        "siren_cli.training.*",
        (
            "numpy",
            "safetensors",
            "soundfile",
            "soxr",
            "torch",
            "torchaudio",
            "siren_cli.audio",
            "siren_cli.chunks",
            "siren_cli.codec",
            "siren_cli.files",
            "siren_cli.loudness",
            "siren_cli.model",
            "siren_cli.phones",
            "siren_cli.pitch",
            "siren_cli.training",
            "siren_cli.voice_mix",
            "siren_cli.voices",
            "siren_cli.weights",
            "siren_format",
            *_CLI_PLAIN,
        ),
        ("accelerate", "datasets", "pysptk", "tensorboard", "transformers", "yaml"),
    ),
    # The judge may look at everything; nobody but its commands looks at the judge.
    Rule("siren_cli.evaluation"),
    *(Rule(f"siren_cli.evaluation.{name}") for name in ("columns", "programs")),
    *(
        Rule(f"siren_cli.evaluation.{name}", ("numpy", "safetensors", "torch", *_JUDGED), ("siren_weights",))
        for name in ("recogniser", "recogniser_training")
    ),
    Rule(
        "siren_cli.evaluation.*",
        ("numpy", "soundfile", *_JUDGED),
        (
            "jiwer",
            "matplotlib",
            "onnxruntime",
            "pesq",
            "pocketsphinx",
            "pyppmd",
            "pystoi",
            "rapidfuzz",
            "resemblyzer",
            "siren_cli.codec",
            "siren_cli.coded",
            "siren_cli.packet_speech",
            "siren_cli.packets",
            "siren_cli.training.envelope",
            "siren_cli.training.vocoder_stage",
            "siren_cli.weights",
            "siren_format",
            "speechmos",
            "torch",
            "transformers",
            "whisper_normalizer",
            "zstandard",
        ),
    ),
    # Commands know both only through the codec, and each other not at all.
    Rule("siren_cli.console", _CLI_PLAIN, ("rich",)),
    Rule("siren_cli.options", ("typer", "siren_cli.files", *_CLI_PLAIN)),
    Rule(
        "siren_cli.srn_file",
        ("siren_cli.console", "siren_cli.files", "siren_cli.manifest", *_CLI_PLAIN, *_FORMAT_PLAIN),
    ),
    Rule("siren_cli.srn_source", ("siren_cli.files", "siren_cli.srn_file", *_CLI_PLAIN, *_FORMAT_PLAIN)),
    Rule(
        "siren_cli.bit_report",
        ("numpy", "siren_cli.console", "siren_cli.manifest", "siren_cli.weights", "siren_format", *_CLI_PLAIN),
    ),
    *(
        Rule(
            f"siren_cli.{name}",
            ("numpy", "siren_cli.console", "siren_cli.rate_control", "siren_format", *_CLI_PLAIN),
            ("siren_cli.codec", "siren_cli.coded"),
        )
        for name in ("packets", "packet_speech")
    ),
    Rule(
        "siren_cli.packet_files",
        ("siren_cli.console", "siren_cli.files", "siren_cli.manifest", *_CLI_PLAIN, *_FORMAT_PLAIN),
    ),
    # Many files: the plan and the engines know of no sound; what is done with a file knows the codec.
    Rule("siren_cli.batch"),
    Rule("siren_cli.batch.plan", ("siren_cli.files", *_CLI_PLAIN)),
    Rule("siren_cli.batch.work", _BATCH, ("siren_cli.codec", "siren_cli.voices")),
    Rule(
        "siren_cli.batch.encoding",
        _BATCH,
        ("siren_cli.audio", "siren_cli.codec", "siren_cli.packets", "siren_cli.rate_control", "siren_cli.streaming"),
    ),
    Rule(
        "siren_cli.batch.decoding",
        _BATCH,
        (
            "numpy",
            "soundfile",
            "siren_cli.audio",
            "siren_cli.coded",
            "siren_cli.packet_speech",
            "siren_cli.salvaging",
            "siren_cli.streaming",
        ),
    ),
    Rule("siren_cli.batch.ray_engine", ("siren_cli.batch", *_CLI_PLAIN), ("ray",)),
    Rule(
        "siren_cli.batch.*",
        ("siren_cli.batch", "siren_cli.console", "siren_cli.files", "siren_cli.temporary", *_CLI_PLAIN),
    ),
    # Whole trees of coded files, without torch.
    Rule("siren_cli.listing", ("siren_cli.batch.plan", "siren_cli.console", "siren_cli.packet_files", *_BATCH[3:])),
    Rule("siren_cli.checking", ("siren_cli.shelf", *_BATCH[3:]), ("siren_format",)),
    Rule("siren_cli.shelf", ("siren_cli.manifest", *_CLI_PLAIN), ("siren_cli.weights", "siren_format")),
    Rule("siren_cli.tokens"),
    Rule(
        "siren_cli.tokens.*",
        ("numpy", "siren_cli.files", "siren_cli.tokens", "siren_format", *_CLI_PLAIN),
        ("pyarrow",),
    ),
    Rule(
        "siren_cli.srn_rewrite",
        ("siren_cli.manifest", "siren_cli.srn_file", "siren_cli.weights", "siren_format", *_CLI_PLAIN),
    ),
    Rule("siren_cli.voice_mix", (*_CLI_PLAIN, *_FORMAT_PLAIN)),
    Rule(
        "siren_cli.voices",
        (
            "siren_cli.files",
            "siren_cli.srn_file",
            "siren_cli.voice_mix",
            "siren_cli.weights",
            *_CLI_PLAIN,
            *_FORMAT_PLAIN,
        ),
        (
            "siren_cli.audio",
            "siren_cli.codec",
            "siren_cli.coded",
            "siren_cli.loudness",
            "siren_format",
            "siren_weights",
        ),
    ),
    Rule("siren_cli.commands"),
    Rule(
        "siren_cli.commands.info",
        (*_TERMINAL, *_CLI_PLAIN, *_FORMAT_PLAIN),
        ("siren_cli.bit_report", "siren_cli.listing", "siren_cli.packet_files"),
    ),
    Rule(
        "siren_cli.commands.train",
        ("typer", *_TERMINAL, *_CLI_PLAIN),
        ("numpy", "torch", "torchaudio", "yaml", "siren_cli.codec", "siren_cli.training", "siren_cli.weights"),
    ),
    Rule(
        "siren_cli.commands.eval",
        ("typer", *_TERMINAL, *_CLI_PLAIN),
        ("siren_cli.evaluation", "siren_cli.training.sources"),
    ),
    Rule(
        "siren_cli.commands.*",
        ("typer", *_TERMINAL, *_CLI_PLAIN, *_FORMAT_PLAIN),
        (
            "numpy",
            "siren_cli.audio",
            "siren_cli.batch",
            "siren_cli.checking",
            "siren_cli.closeness",
            "siren_cli.codec",
            "siren_cli.coded",
            "siren_cli.loudness",
            "siren_cli.manifest",
            "siren_cli.evaluation.single",
            "siren_cli.packet_files",
            "siren_cli.packet_speech",
            "siren_cli.packets",
            "siren_cli.pcm",
            "siren_cli.rate_control",
            "siren_cli.salvaging",
            "siren_cli.shelf",
            "siren_cli.srn_rewrite",
            "siren_cli.srn_source",
            "siren_cli.streaming",
            "siren_cli.tokens",
            "siren_cli.voice_mix",
            "siren_cli.voices",
            "siren_cli.weights",
            "siren_format",
        ),
    ),
    Rule("siren_cli.main", ("typer", "siren_cli.commands", *_TERMINAL, *_CLI_PLAIN)),
    Rule(
        "siren_cli.__main__",
        _CLI_PLAIN,
        ("siren_cli.commands.info", "siren_cli.console", "siren_cli.main", "siren_format.errors"),
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
        if fnmatchcase(module, rule.pattern):
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
