"""Fixtures that several test modules share: where the project and its recordings lie."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _packaged_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every test, and every process that it starts, use the packaged model unless told otherwise."""
    monkeypatch.delenv("SIREN_MODEL", raising=False)


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder that holds pyproject.toml."""
    return ROOT


@pytest.fixture(scope="session")
def demo_clip() -> Path:
    """A real recording of exactly 10 s, 16 kHz, one channel (see tests/data/README.md)."""
    return ROOT / "tests" / "data" / "4446-2271-0016.flac"


@pytest.fixture(scope="session")
def short_clips() -> list[Path]:
    """Real recordings of 3.7 to 4.5 s, each of another speaker."""
    names = ("5105-28233-0001", "1580-141083-0021", "5142-36377-0015")
    return [ROOT / "tests" / "data" / f"{name}.flac" for name in names]
