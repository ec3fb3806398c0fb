"""The README's figures are those of the record, and the record is of the model that is shipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from siren_cli.errors import UsageError
from siren_cli.evaluation.report.readme import (
    BEGIN,
    END,
    MANUAL,
    README,
    RECORD,
    first_table_of,
    main,
    markdown_of,
    paste,
)
from siren_cli.registry.manifest import read_manifest


def test_the_tables_are_those_of_the_record(root: Path) -> None:
    recorded = json.loads((root / RECORD).read_text(encoding="utf-8"))
    for document, table in ((README, first_table_of(recorded)), (MANUAL, markdown_of(recorded))):
        text = (root / document).read_text(encoding="utf-8")
        assert paste(text, table) == text, f"{document} is stale: run 'make eval' and 'make readme-table'"


def test_the_first_table_is_small_and_has_the_outside_judge(root: Path) -> None:
    recorded = json.loads((root / RECORD).read_text(encoding="utf-8"))
    rows = first_table_of(recorded).splitlines()
    heading = rows[0].strip("| ").split(" | ")
    assert heading == ["codec", "file bps at 10 s", f"WER ({recorded['recognisers'][0]})", "speaker", "DNSMOS", "STOI"]
    assert 5 <= rows.index("") - 2 <= 7


def test_the_record_is_of_the_default_model(root: Path) -> None:
    manifest = read_manifest()
    ids = {model["name"]: model["id"] for model in manifest["models"]}
    recorded = json.loads((root / RECORD).read_text(encoding="utf-8"))
    assert recorded["model"]["id"] == ids.get(manifest["default"]), "other weights: run 'make eval' again"


def test_pasting_replaces_the_table_and_a_change_is_noticed(record: dict[str, Any]) -> None:
    table = markdown_of(record)
    text = paste(f"# X\n\n{BEGIN}\nold\n{END}\n\nrest\n", table)
    assert "old" not in text
    assert text.startswith("# X\n")
    assert text.endswith("\nrest\n")
    assert paste(text, table) == text
    record = json.loads(json.dumps(record))
    record["rows"][1]["figures"]["stoi"]["value"] += 0.01
    assert paste(text, markdown_of(record)) != text
    with pytest.raises(UsageError, match="lacks the marks"):
        paste("# X\n", table)


def test_the_command_records_without_clips_and_pastes(
    record: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    (tmp_path / "docs").mkdir()
    for document in (README, MANUAL):
        (tmp_path / document).write_text(f"{BEGIN}\n{END}\n")
    (tmp_path / "e.json").write_text(json.dumps(record))
    main(["e.json"])
    recorded = json.loads((tmp_path / "weights" / "evaluation.json").read_text())
    assert "clips" not in recorded
    assert recorded["rows"] == record["rows"]
    assert "| SIREN, 1 stage, effort 0 |" in (tmp_path / MANUAL).read_text()
    assert "| Original, 16-bit PCM |" in (tmp_path / README).read_text()
