"""Docstrings name things or give orders: none begins with a relative clause."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.layering import modules

ROOT = Path(__file__).resolve().parent.parent
MODULES = modules(ROOT)
PLAIN_ROOMS = (
    "siren_cli.batch",
    "siren_cli.corpus",
    "siren_cli.evaluation",
    "siren_cli.terminal",
    "siren_cli.training",
    "siren_cli.voices",
    "siren_weights",
)
"""Packages whose docstrings keep to the rule, with all that lies in them; every room is to be added."""

_CLAUSE = re.compile(r"(What|Where|How|Which|Whether|Who|Whose)\b")


def clauses(source: str) -> list[str]:
    """Find docstrings, of attributes too, that begin with a relative clause: line and first words of each."""
    texts = [
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]
    return [
        f"{text.lineno}: {str(text.value).strip()[:60]}" for text in texts if _CLAUSE.match(str(text.value).strip())
    ]


def room_of(module: str) -> str | None:
    """Return the plain room of a module; None if it is in none of them."""
    return next((room for room in PLAIN_ROOMS if module == room or module.startswith(f"{room}.")), None)


@pytest.mark.parametrize("module", [module for module in MODULES if room_of(module)])
def test_no_docstring_begins_with_a_relative_clause(module: str) -> None:
    assert clauses(MODULES[module].read_text(encoding="utf-8")) == []


def test_every_plain_room_has_modules() -> None:
    assert {room_of(module) for module in MODULES} >= set(PLAIN_ROOMS)


@pytest.mark.parametrize(
    "source",
    [
        '"""What a module is for."""',
        'def f():\n    """Whether it is so."""',
        'class C:\n    """\n    How it works.\n    """',
        'X = 1\n"""Which one."""',
    ],
)
def test_a_relative_clause_is_found(source: str) -> None:
    assert len(clauses(source)) == 1


@pytest.mark.parametrize("source", ['"""Whole numbers."""', '"""Whichever."""', 'x = "What"', 'print("Who")'])
def test_other_strings_are_not(source: str) -> None:
    assert clauses(source) == []
