"""Cost of a recording as packets, and time on air."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from siren_cli.packets.costs import LORA_SETTINGS, LoraSetting, packet_cost_facts, packet_cost_rows
from siren_format import Stream, stream_to_bytes
from tests.formats.vector_material import VOICE, noise_indices


def test_airtime_is_that_of_semtech() -> None:
    # By hand: 12.25 symbols of preamble and 8 + 5 ceil((8 PL - 4 SF + 44) / (4 (SF - 2 DE))) symbols.
    assert LoraSetting(7, 125_000).airtime_s(51) == pytest.approx((12.25 + 8 + 5 * 16) * 1.024e-3)
    assert LoraSetting(12, 125_000).airtime_s(51) == pytest.approx((12.25 + 8 + 5 * 11) * 32.768e-3, rel=0.1)
    times = [LoraSetting(factor, 125_000).airtime_s(51) for factor in range(7, 13)]
    assert times == sorted(times)


def test_cost_of_a_file(tiny_model: Path) -> None:
    from siren_cli.registry.weights import find_model, read_prior

    files = find_model(str(tiny_model))
    indices = noise_indices(1, 60, 2)
    data = stream_to_bytes(
        Stream(files.model_id, indices, 60 * 2_560, VOICE, 16_000, None), read_prior(files.weights_path)
    )
    facts = packet_cost_facts(data, str(tiny_model))
    assert [(fact["most_bytes"], fact["stages"]) for fact in facts[:3]] == [(51, 1), (51, 2), (88, 1)]
    assert all(fact["bytes"] <= fact["packets"] * fact["most_bytes"] for fact in facts)
    assert facts[0]["packets"] > facts[-2]["packets"] == 1
    assert set(facts[0]["airtime_s"]) == {own.name for own in LORA_SETTINGS}
    assert json.dumps(facts)
    rows = packet_cost_rows(facts)
    assert rows[0][0] == "LoRaWAN at its slowest, 51" and rows[0][1].startswith("1 stage: ")
