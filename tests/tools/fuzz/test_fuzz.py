"""A short run of every fuzzing target, and whether they would find what they look for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from siren_format import layout as layout_module
from tests.cli.conftest import environment
from tests.tools.fuzz import targets
from tests.tools.fuzz.__main__ import SHARES, fuzz, table
from tests.tools.fuzz.targets import TARGETS, VECTORS, Finding, repaired, seeds_of

RUNS = {
    "layout": 20_000, "packet-file": 20_000, "voice-file": 20_000, "stream": 600, "packet": 200, "reader": 200,
    "salvage": 200,
}  # fmt: skip
"""A few seconds; `make fuzz` goes on for ten million."""


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found_in_a_short_run(name: str, tmp_path: Path) -> None:
    figures = fuzz(name, tmp_path, [f"-runs={RUNS[name]}", "-seed=1"])
    assert figures["findings"] == 0, (tmp_path / "findings" / f"{name}.log").read_text()
    assert figures["executions"] >= RUNS[name]
    assert 0 < figures["peak_memory_mb"] <= TARGETS[name].memory_mb
    assert "0\n" in table({name: figures})


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_taken_and_refused(name: str) -> None:
    taken = [TARGETS[name].run(data) for data in seeds_of(TARGETS[name])]
    assert any(taken)
    assert name == "packet" or not all(taken)


def test_a_reader_that_overlooks_parity_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    data = (VECTORS / "valid" / "worked-example.srn").read_bytes()
    monkeypatch.setattr(layout_module, "is_parity_even", lambda *parts: True)
    found = 0
    for number in range(50):
        try:
            targets.layout(data[:-2] + number.to_bytes(2, "little"))
        except Finding as finding:
            found += "was flipped and nobody noticed" in str(finding)
    assert found > 25


@pytest.mark.slow
def test_a_crash_is_a_finding(tmp_path: Path) -> None:
    code = (
        "import siren_format.layout as layout\n"
        "def broken(data):\n    raise IndexError('out of range')\n"
        "layout.parse_layout = broken\n"
        "import sys; sys.argv = ['child', 'layout', '-runs=10']\n"
        "import runpy; runpy.run_module('tests.tools.fuzz.child', run_name='__main__')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False,
                         env=environment())  # fmt: skip
    assert run.returncode != 0
    assert "IndexError: out of range" in run.stdout + run.stderr


@pytest.mark.parametrize("path", sorted((VECTORS / "valid").glob("*.srn")), ids=lambda path: path.stem)
def test_repair_leaves_whole_files_alone_and_mends_others(path: Path) -> None:
    data = path.read_bytes()
    assert repaired(data) == data
    spoilt = data[:-1] + bytes([data[-1] ^ 0x41])
    if data[1] & 0x40 == 0:
        assert repaired(spoilt) == data


def test_the_shares_are_of_all_targets() -> None:
    assert set(SHARES) == set(TARGETS)
    assert sum(SHARES.values()) == pytest.approx(1.0)
