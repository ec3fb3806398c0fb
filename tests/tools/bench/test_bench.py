"""The benchmark's bookkeeping; never the speed itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from siren_cli.codec import Codec
from tests.tools.bench import seams
from tests.tools.bench.contender import Contender, Speed, measure
from tests.tools.bench.endurance import Endured
from tests.tools.bench.endurance import as_text as as_endurance_text
from tests.tools.bench.peers import DAC_16_KHZ, DISTILHUBERT, ENCODEC_24_KHZ, MIMI
from tests.tools.bench.report import as_dict, as_text
from tests.tools.bench.spectrograms import draw
from tests.tools.bench.startup import Run

ROOT = Path(__file__).parents[3]

SPEEDS = [
    Speed("ours", 100.0, 40.0, False),
    Speed("theirs", 20.0, 10.0, True),
    Speed("half", 5.0, None, False),
    Speed("slow", 10.0, 20.0, True),
]
RUNS = [
    Run("python -c pass", 0.01, 8_000_000),
    Run("python -c 'import torch'", 1.0, 200_000_000),
    Run("siren info", 0.025, 9_000_000),
]


def test_contenders_take_turns_and_the_first_round_does_not_count() -> None:
    calls: list[str] = []
    contenders = [
        Contender("a", lambda: calls.append("a.encode"), lambda: calls.append("a.decode")),
        Contender("b", lambda: calls.append("b.encode"), None, is_peer=True),
    ]
    speeds = measure(contenders, audio_s=10.0, repeats=2)
    assert calls == ["a.encode", "a.decode", "b.encode"] * 3
    assert [(speed.name, speed.decode is None, speed.is_peer) for speed in speeds] == [
        ("a", False, False),
        ("b", True, True),
    ]


def test_ratios_are_to_the_fastest_peer_in_each_direction() -> None:
    rows = as_dict(SPEEDS, RUNS, {})["speed"]
    assert [(row["encode_ratio"], row["decode_ratio"]) for row in rows] == [
        (5.0, 2.0),
        (1.0, 0.5),
        (0.25, None),
        (0.5, 1.0),
    ]


def test_commands_are_compared_with_bare_python_and_with_torch() -> None:
    row = as_dict(SPEEDS, RUNS, {})["commands"][2]
    assert row["ratio_to_bare_python"] == pytest.approx(2.5)
    assert row["ratio_to_import_torch"] == pytest.approx(0.025)


def test_the_table_reads_as_expected() -> None:
    assert as_text(as_dict(SPEEDS[:3], RUNS[:2], {"threads": 1})) == (
        "threads 1\n\n"
        "real-time factor (higher is faster)  encode  decode  to the fastest peer\n"
        "ours                                 100.0x   40.0x        5.00x / 4.00x\n"
        "theirs                                20.0x   10.0x        1.00x / 1.00x\n"
        "half                                   5.0x       -            0.25x / -\n\n"
        "whole process             seconds  bare Pythons  import torchs  peak MB\n"
        "python -c pass              0.010          1.0x          0.01x        8\n"
        "python -c 'import torch'    1.000        100.0x          1.00x      200"
    )


def test_seams_are_measured_against_a_run_as_a_whole(codec: Codec) -> None:
    rows = seams.measure(codec, 80)
    assert rows["decoding, at a boundary"]["wave_db"] < -40
    assert rows["frames shifted by 80 ms"]["wave_db"] > -20
    assert rows["encoding and decoding, far from it"]["mel_db"] >= 0
    lines = seams.as_text(rows).splitlines()
    assert len(lines) == 2 + len(rows)
    assert lines[-1].startswith("| frames shifted by 120 ms | ")


def test_the_endurance_table_compares_with_the_first_recording() -> None:
    short = Endured("encode", 10, 7.0, 1.0, 500_000_000, 5_000)
    found = [short, Endured("encode", 180, 109.0, 1.0, 510_000_000, 90_000)]
    assert as_endurance_text(found).splitlines()[2:] == [
        "| encode | 10 | 500 MB | 1.00 | 100 | 1.00 | 0.005 MB |",
        "| encode | 180 | 510 MB | 1.02 | 100 | 1.00 | 0.090 MB |",
    ]


@pytest.mark.parametrize(
    ("config_name", "settings"),
    [
        ("EncodecConfig", ENCODEC_24_KHZ),
        ("MimiConfig", MIMI),
        ("DacConfig", DAC_16_KHZ),
        ("HubertConfig", DISTILHUBERT),
    ],
)
def test_every_published_setting_is_one_that_transformers_knows(config_name: str, settings: dict[str, Any]) -> None:
    import transformers

    config_class = getattr(transformers, config_name)
    assert settings.keys() <= config_class().to_dict().keys()
    config = config_class(**settings).to_dict()
    assert {name: config[name] for name in settings} == settings


def test_the_model_card_shows_the_pictures_that_are_drawn(tmp_path: Path) -> None:
    drawn = draw(tmp_path, None)
    card = (ROOT / "weights" / "README.md").read_text(encoding="utf-8")
    for path in drawn:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert f"(spectrograms/{path.name})" in card and (ROOT / "weights" / "spectrograms" / path.name).is_file()
    assert card.count("(spectrograms/") == len(drawn) == 9
