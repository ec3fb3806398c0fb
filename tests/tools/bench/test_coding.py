"""What the comparison of coders counts, on a model of random weights; never how long anything takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from siren_cli.codec import Codec
from siren_cli.training.prior.network import PriorNet, PriorSize
from siren_cli.training.prior.voice import fit_voice
from tests.tools.bench.coding import as_text, measure

NOBODY = np.empty((0, 28), np.int64)


@pytest.fixture(scope="module")
def net() -> PriorNet:
    torch.manual_seed(3)
    return PriorNet(PriorSize(width=16, block_width=16, head_width=8, dilations=(1, 2)))


def test_the_integers_of_a_network_give_the_network_back(net: PriorNet) -> None:
    prior = net.to_integers(fit_voice(NOBODY))
    again = PriorNet.from_integers(prior).to_integers(fit_voice(NOBODY))
    for name, array in prior.to_arrays().items():
        np.testing.assert_array_equal(array, again.to_arrays()[name])


def test_every_coder_has_a_line_and_payloads_keep_the_bound(codec: Codec, net: PriorNet) -> None:
    rng = np.random.default_rng(1)
    wavs = [rng.normal(0, 0.05, samples).astype(np.float32) for samples in (20_000, 50_000)]
    indices = [rng.integers(0, 1000, (40, 2), dtype=np.int16)]
    report = measure(codec, net.to_integers(fit_voice(NOBODY)), wavs, indices)
    assert (report["recordings"], report["frames"]) == (2, 8 + 20)
    for row in report["coders"]:
        assert list(row["bits_a_frame"]) == ["packed", "order 0", "float twin", "integer prior"]
        assert row["bits_a_frame"]["packed"] == pytest.approx(row["stages"] * np.log2(1000))
        assert row["bits_a_frame"]["float twin"] == pytest.approx(row["bits_a_frame"]["integer prior"], rel=0.02)
        # The bound of the format: 2 % and a byte above the prior's own cross-entropy, voice included.
        assert row["payloads_within_bound"] == 2 and 0 < row["payload_excess_bits_most"] < 12
    silence = {"after, 1 stages": 0.5}
    times = [{"stages": 1, "encoder_ms": 80.0, "write_ms": 4.0, "read_ms": 20.0}]
    text = as_text({"model": "m", "machine": "x", **report, "silence": silence, "times": times})
    assert "integer prior" in text and "after, 1 stages" in text and text.endswith("5.0%    20.0")
