"""A small evaluation of bundled clips with a tiny random model, run once; its store is shared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from siren_cli.evaluation.clip_work import Plan
from siren_cli.evaluation.damage import Damage
from siren_cli.evaluation.material import list_material
from siren_cli.evaluation.run import evaluate
from siren_cli.training.sources import Clip

MANIFEST = Path(__file__).resolve().parent.parent / "data" / "manifest.jsonl"


@pytest.fixture(scope="session")
def clips() -> list[Clip]:
    """The bundled recordings with words and alignments, the long one left out."""
    return list_material(MANIFEST, "test", None)[1:]


@pytest.fixture(scope="session")
def speech(short_clips: list[Path]) -> np.ndarray:
    """A real recording, [T] at 16 kHz."""
    return soundfile.read(short_clips[1], dtype="float32")[0]


@pytest.fixture(scope="session")
def plan(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Everything but the slow judges and the programs that pip does not bring."""
    return Plan(
        model=str(tiny_model), stages=(1, 2), baselines=(), has_strangers=True, asr="pocketsphinx",
        cache=tmp_path_factory.mktemp("store"), threads=1, damages=(Damage("ber", 0.05), Damage("drop", 0.3)),
        packet_bytes=20, skip=("words", "dnsmos", "cost"),
    )  # fmt: skip


@pytest.fixture(scope="session")
def record(plan: Plan, clips: list[Clip]) -> dict[str, Any]:
    """What `evaluate` makes of two clips."""
    return evaluate(plan, clips[:2], 1, lambda text: None)
