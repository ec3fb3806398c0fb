"""The neural prior: its rate falls in training, and its integers equal the trained network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from siren_cli.training.config import TrainConfig
from siren_cli.training.prior.fit import bits_of, digits_of, fit_prior
from siren_cli.training.prior.network import PriorNet, PriorSize
from siren_cli.training.prior.report import coder_bits
from siren_cli.training.prior.voice import fit_voice
from siren_format.limits import LEVELS
from siren_format.prior import NeuralPrior
from siren_format.prior_rows import prior_digit_bits
from siren_format.prior_voice import voice_bits
from siren_format.voice import coarse_level_db, voice_to_bytes

pytestmark = pytest.mark.slow

SMALL = PriorSize(width=24, block_width=24, head_width=16, dilations=(1, 2, 4))
STAGES = (1, 2)
VOICES = fit_voice(np.empty((0, 28), np.int64))


def recordings(seed: int, count: int) -> list[np.ndarray]:
    """Sequences whose first digit repeats after three frames; frequencies of indices cannot predict it."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        indices = rng.integers(0, 1000, (int(rng.integers(5, 60)), 2))
        for frame in range(3, len(indices)):
            indices[frame] += indices[frame - 3] % 8 - indices[frame] % 8
        made.append(indices.astype(np.int16))
    return made


@pytest.fixture(scope="module")
def net() -> PriorNet:
    config = TrainConfig(steps=200, batch=10, crop_frames=40, learning_rate=5e-3, warmup_steps=10, log_every=100)
    said: list[str] = []
    trained = fit_prior(recordings(1, 200), config, said.append, SMALL)
    assert [line.split("  ")[1] for line in said] == ["step 100", "step 200"]
    return trained


def test_it_learns_what_frequencies_cannot(net: PriorNet) -> None:
    for stages in STAGES:
        bits = coder_bits(recordings(2, 30), stages, recordings(1, 200), net, net.to_integers(VOICES))
        assert bits["integer prior"] < 0.85 * bits["order 0"]


@pytest.mark.parametrize("trained", [True, False])
def test_the_integers_are_the_rounded_network(net: PriorNet, trained: bool) -> None:
    torch.manual_seed(4)
    network = net if trained else PriorNet(SMALL)
    prior = network.to_integers(VOICES)
    for indices in recordings(3, 10):
        for stages in STAGES:
            exact = prior_digit_bits(indices[:, :stages], prior).reshape(len(indices), -1)
            with torch.no_grad():
                bits = bits_of(network, digits_of(indices)[None], torch.tensor([stages == 2]))[0].numpy()
            # Logits are rounded to 1/64 bit and frequencies to 1/65536 on top of what training sees.
            np.testing.assert_allclose(exact, bits[:, : len(LEVELS) * stages], atol=0.05, rtol=0.02)


def test_the_float_twin_is_hardly_better(net: PriorNet) -> None:
    totals = {}
    with torch.no_grad():
        for rounded in (True, False):
            totals[rounded] = sum(
                float(bits_of(net, digits_of(indices)[None], torch.tensor([True]), rounded=rounded).sum())
                for indices in recordings(5, 20)
            )
    assert totals[True] < 1.02 * totals[False]


def test_a_trained_prior_goes_on_without_forgetting(net: PriorNet) -> None:
    config = TrainConfig(steps=20, batch=2, crop_frames=40, learning_rate=5e-4, warmup_steps=5)
    unseen, few = recordings(2, 30), recordings(6, 3)

    def bits(prior: NeuralPrior) -> float:
        return sum(float(prior_digit_bits(indices, prior).sum()) for indices in unseen)

    before = net.to_integers(VOICES)
    anew = fit_prior(few, config, lambda line: None, SMALL).to_integers(VOICES)
    again = fit_prior(few, config, lambda line: None, start=PriorNet.from_integers(before)).to_integers(VOICES)
    assert bits(again) < 1.05 * bits(before) < bits(anew)
    assert not np.array_equal(again.near, before.near)


def test_voices_cost_what_they_tell(net: PriorNet) -> None:
    rng = np.random.default_rng(8)
    voices = rng.integers(0, 4, (400, 28))
    voices[:, 5] = voices[:, 2]  # says nothing new
    voices[:, 9] = np.where(rng.random(400) < 0.95, 1, voices[:, 9])  # hardly says anything
    rows = fit_voice(voices)
    assert rows.parents[5] == 2 and rows.parents[0] == -1
    prior = net.to_integers(rows)

    def bits(digits: np.ndarray, level_db: float) -> float:
        return voice_bits(voice_to_bytes(level_db, digits.tolist()), prior)

    usual = np.mean([bits(digits, -26.0) for digits in voices])
    assert 2 * 26 + 3 < usual < 2 * 26 + 0.6 + 5
    # Anything can be said, for at most about eight bits a digit and two bytes for a level that encoders do not write.
    odd = voices[0].copy()
    odd[5] = (odd[2] + 1) % 4
    assert usual < bits(odd, -26.0) < usual + 12
    assert 10 < bits(voices[0], -26.5) - bits(voices[0], -26.0) < 16


def test_a_few_voices_more_leave_the_others_as_cheap_as_they_were(net: PriorNet) -> None:
    rng = np.random.default_rng(9)
    voices = rng.choice(4, (400, 28), p=[0.7, 0.1, 0.1, 0.1])
    voices[:, 7] = voices[:, 4]
    before = net.to_integers(fit_voice(voices))
    mine = np.full((5, 28), 3)

    def bits(digits: np.ndarray, prior: NeuralPrior) -> float:
        return float(np.mean([voice_bits(voice_to_bytes(-26.0, one.tolist()), prior) for one in digits]))

    after = net.to_integers(fit_voice(mine, before))
    anew = net.to_integers(fit_voice(mine))
    assert after.voice_parents[7] == 4
    assert bits(voices, after) < bits(voices, before) + 7 < bits(voices, anew)
    assert bits(mine, after) < 0.7 * bits(mine, before)


@pytest.mark.parametrize(
    ("level_db", "coarse_db"),
    [(3.0, 0.0), (-0.9, 0.0), (-25.2, -26.0), (-62.9, -62.0), (-63.1, -63.1), (-100.0, -100.0)],
)
def test_levels_in_steps_of_two_decibels(level_db: float, coarse_db: float) -> None:
    assert coarse_level_db(level_db) == coarse_db
