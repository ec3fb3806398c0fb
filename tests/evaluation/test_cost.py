"""What coding costs: programs of known cost, and every system's row."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from siren_cli.errors import DataError
from siren_cli.evaluation.cost import measure
from siren_cli.evaluation.cost.programs import program_costs
from siren_cli.evaluation.report.columns import COST_COLUMNS
from siren_cli.evaluation.report.tables import cost_note_of, cost_table_of


def test_programs_of_known_time_and_memory() -> None:
    # Sleeping takes no less than it is told to, whatever else the machine does: the first byte comes after 0.2 s, and
    # the end after both sleeps. How soon each of them is noticed is not for a test.
    slow = "import sys, time; time.sleep(0.2); sys.stdout.write('x'); sys.stdout.flush(); time.sleep(0.2)"
    big = "sum(bytes([1]) * 80_000_000)"
    [patient, hungry] = program_costs([[sys.executable, "-c", slow], [sys.executable, "-c", big]], 1)
    assert 0.2 <= patient.first_byte_s < patient.seconds
    assert patient.seconds >= 0.4
    assert hungry.peak_bytes >= 80_000_000 > patient.peak_bytes


def test_a_program_is_timed_with_its_byte_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    program_costs([[sys.executable, "-c", "import sys; raise SystemExit(sys.dont_write_bytecode)"]], 1)


@pytest.mark.parametrize("command", [["no-such-program"], [sys.executable, "-c", "raise SystemExit(3)"]])
def test_a_program_that_fails_is_told(command: list[str]) -> None:
    with pytest.raises(RuntimeError, match=r"No such file|exit status 3, expected 0"):
        program_costs([command], 1)


@pytest.mark.slow
def test_every_system_has_its_row(tiny_model: Path, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "REPEATS", 1)
    programs = {"opus6": "opusenc", "codec2-700C": "c2enc"}
    baselines = tuple(name for name, program in programs.items() if shutil.which(program))
    rows = measure.cost_of(str(tiny_model), (1,), (0, 2), baselines, speech)
    assert [row["system"] for row in rows] == ["siren-1", "siren-1-effort-2", *baselines]
    assert {column.name for column in COST_COLUMNS} <= rows[0].keys()
    for row in rows:
        assert 0.0 < row["encode_first_byte_s"] <= row["encode_s"]
        assert row["decode_speed_1"] > 0.0 < row["encode_speed_1"]
        assert 5.0 < row["decode_peak_mb"] < 2_000.0
    assert rows[0]["encode_peak_mb"] > 100.0
    record = {"cost": {"clip_s": 3.7, "conditions": measure.conditions(), "rows": rows}}
    table = cost_table_of(record)
    assert table is not None
    headings, cells = table
    assert len(headings) == len(cells[0]) == 1 + len(COST_COLUMNS)
    assert all(line[4] == "–" for line in cells[2:])
    assert "on 3.7 s" in cost_note_of(record)


def test_a_failing_model_is_one_line(tmp_path: Path, speech: np.ndarray) -> None:
    with pytest.raises(DataError, match="could not be measured .*; leave it out with --skip cost"):
        measure.cost_of(str(tmp_path), (1,), (0,), (), speech)
