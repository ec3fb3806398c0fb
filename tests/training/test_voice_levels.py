"""Level map of voice coefficients."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

import siren_cli
from siren_cli.training.export.voice_levels import _merged, apply_level_map
from siren_cli.training.pipeline import TrainRequest, train
from siren_format.voice import digits_to_numbers, voice_codes
from tests.training.conftest import FEW, said_nothing

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("most", [2, 7])
@pytest.mark.parametrize("seed", range(6))
def test_no_other_runs_are_cheaper(seed: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    levels = int(rng.integers(2, 7))
    counts, moved, price = rng.integers(0, 40, levels), float(rng.uniform(0.1, 3)), float(rng.choice([0, 0.02, 0.1, 2]))
    shares = (counts + 0.01) / (counts + 0.01).sum()

    def cost(used: list[int]) -> float:
        distance = sum(p * ((n - u) / (levels // 2)) ** 2 for n, (p, u) in enumerate(zip(shares, used, strict=True)))
        masses = [sum(p for p, u in zip(shares, used, strict=True) if u == level) for level in set(used)]
        return float(moved * distance - price * sum(m * np.log2(m) for m in masses))

    found = _merged(counts, moved, price, most)
    assert all(found[level] == level for level in found)
    every = (list(way) for way in itertools.product(range(levels), repeat=levels) if list(way) == sorted(way))
    assert cost(found) == pytest.approx(min(cost(way) for way in every if len(set(way)) <= most), abs=1e-12)


def test_free_bits_keep_all_levels_and_dear_ones_none() -> None:
    counts = np.array([1, 5, 9, 30, 9, 5, 1, 0, 2, 2, 2, 2, 2, 2, 2, 2])
    assert _merged(counts, 1.0, 0.0, 16) == list(range(16))
    assert len(set(_merged(counts, 1.0, 100.0, 16))) == 1


def test_digits_are_replaced() -> None:
    digits = np.random.default_rng(1).integers(0, 4, (5, 28))
    used = (*((4,) * 8 + (12,) * 8) * 8, *((0, 0, 3, 3) * 12))
    assert (apply_level_map(digits, 8, ()) == digits).all()
    for before, after in zip(digits, apply_level_map(digits, 8, used), strict=True):
        numbers, drawn = (digits_to_numbers(some.tolist(), 8) for some in (before, after))
        assert drawn[:8] == [4 if n < 8 else 12 for n in numbers[:8]]
        assert drawn[8:] == [0 if n < 2 else 3 for n in numbers[8:]]


def test_an_exported_model_uses_the_levels_that_are_worth_their_bits(
    recordings: Path, short_clips: list[Path], tmp_path: Path
) -> None:
    settings = ("model.voice_fine=8", "model.timbre=True", "prior.voice_rate_weight=0.1")
    stages = ("prepare", "factorizer", "vocoder", "guide", "prior")
    train(TrainRequest(tmp_path, (str(recordings),), stages, "tiny", (*FEW, *settings), device="cpu"), said_nothing)
    used = json.loads((tmp_path / "model" / "config.json").read_text())["voice_used"]
    assert len(used) == 176 and used != [*list(range(16)) * 8, *list(range(4)) * 12]
    codec = siren_cli.load(tmp_path / "model")
    wav, rate_hz = soundfile.read(short_clips[0], dtype="float32")
    coded = codec.encode(wav, rate_hz)
    assert coded.voice is not None
    tables = [*(used[16 * i : 16 * i + 16] for i in range(8)), *(used[128 + 4 * i : 132 + 4 * i] for i in range(12))]
    halves = [8] * 8 + [2] * 12
    for code, table, half in zip(voice_codes(coded.voice, 8), tables, halves, strict=True):
        assert round((code + 1) * half) in table
    assert codec.decode(coded.to_bytes()).shape == wav.shape
