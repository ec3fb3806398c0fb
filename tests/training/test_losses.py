"""Losses and discriminators: each has its minimum at the target, and each can be switched."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
import torch

from siren_cli.config import FSQ_LEVELS
from siren_cli.model.quantizer import FiniteScalar
from siren_cli.phones import PHONES
from siren_cli.training.config import DISCRIMINATORS
from siren_cli.training.data.batches import Batch
from siren_cli.training.data.units import UNITS, units_of
from siren_cli.training.losses.auxiliary import ctc_loss, distillation_loss, entropy_shares, level_usage_loss
from siren_cli.training.losses.discriminators import Adversary
from siren_cli.training.losses.rate import EntropyEstimator
from siren_cli.training.losses.waveform import (
    MultiResolutionStftLoss,
    MultiScaleMelLoss,
    adversary_loss,
    feature_matching,
    generator_loss,
)


@pytest.fixture(scope="module")
def speech() -> torch.Tensor:
    """A second of two real recordings [2, 16000]."""
    folder = Path(__file__).resolve().parent.parent / "data"
    paths = [*folder.glob("1580-*.flac"), *folder.glob("5105-*.flac")]
    clips = [soundfile.read(path, start=8000, frames=16_000, dtype="float32")[0] for path in paths]
    return torch.stack([torch.from_numpy(clip) for clip in clips])


@pytest.mark.parametrize("distance", [MultiScaleMelLoss(), MultiResolutionStftLoss()], ids=["mel", "stft"])
def test_distances_grow_with_the_noise(distance: torch.nn.Module, speech: torch.Tensor) -> None:
    torch.manual_seed(0)
    noise = torch.randn_like(speech) * speech.std()
    little, much = (float(distance(speech + share * noise, speech)) for share in (0.03, 0.3))
    assert float(distance(speech, speech)) < 1e-6 < little < much


@pytest.mark.parametrize("kind", DISCRIMINATORS)
@pytest.mark.parametrize("loss", ["hinge", "least-squares"])
def test_every_discriminator_learns_to_tell_noise_from_speech(kind: str, loss: str, speech: torch.Tensor) -> None:
    torch.manual_seed(0)
    adversary = Adversary((kind,), width=4)
    fake = torch.randn_like(speech) * 0.1
    optimiser = torch.optim.Adam(adversary.parameters(), 1e-2)
    losses = []
    for _ in range(25):
        total = adversary_loss(loss, adversary(speech)[0], adversary(fake)[0])
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        losses.append(float(total.detach()))
    assert losses[-1] < 0.9 * losses[0]
    with torch.no_grad():
        real_scores, real_features = adversary(speech)
        fake_scores, fake_features = adversary(fake)
    assert float(generator_loss(loss, real_scores)) < float(generator_loss(loss, fake_scores))
    assert float(feature_matching(real_features, real_features)) == 0.0
    assert float(feature_matching(real_features, fake_features)) > 0.1


def test_the_default_judges_keep_their_names() -> None:
    names = {name.split(".")[1] for name in Adversary().state_dict()}
    assert names == {str(number) for number in range(7)}
    assert len(Adversary(("scale",)).judges) == 3


def batch_of(phones: torch.Tensor, transcripts: torch.Tensor | None) -> Batch:
    nothing = torch.zeros(0)
    return Batch(nothing, nothing, nothing, nothing, phones, nothing, torch.ones(2), transcripts=transcripts)


def logits_saying(units: list[int], count: int) -> torch.Tensor:
    logits = torch.zeros(len(units), count)
    logits[torch.arange(len(units)), torch.tensor(units)] = 12.0
    return logits


def test_ctc_rewards_what_was_said() -> None:
    text = units_of("hey", "text")
    said = [0, text[0], text[0], 0, text[1], text[2], 0, 0]
    right = logits_saying(said, UNITS["text"])[None]
    wrong = logits_saying([0, *reversed(said[1:-1]), 0], UNITS["text"])[None]
    batch = batch_of(torch.full((1, 16), 255), torch.tensor([[0, 0, 8, *text, -1, -1]]))
    assert float(ctc_loss(right, batch, "text")) < 0.1 < 3.0 < float(ctc_loss(wrong, batch, "text"))


def test_ctc_reads_labels_where_every_frame_has_one() -> None:
    labels = [0, 16, 16, 5, 0, 0]
    phones = torch.tensor(labels).repeat_interleave(2)[None]
    logits = logits_saying(labels, len(PHONES))[None]
    assert float(ctc_loss(logits, batch_of(phones, None), "phones")) < 0.1
    phones[0, 0] = 255
    assert float(ctc_loss(logits, batch_of(phones, None), "phones")) == 0.0


def test_imitation_minds_direction_alone() -> None:
    torch.manual_seed(0)
    ours = torch.randn(2, 5, 8)
    assert float(distillation_loss(3 * ours, ours)) < 1e-5
    assert float(distillation_loss(-ours, ours)) > 1.99


def codes(digits: torch.Tensor) -> torch.Tensor:
    half = torch.tensor(FSQ_LEVELS) // 2
    return ((digits - half).float() / half).requires_grad_()


def taught(price: EntropyEstimator, *examples: torch.Tensor, steps: int = 60) -> EntropyEstimator:
    """An entropy estimator trained on examples of codes."""
    optimiser = torch.optim.Adam(price.parameters(), 0.01)
    for _ in range(steps):
        optimiser.zero_grad()
        for example in examples:
            price(example.detach(), torch.full((len(example),), 2)).sum().backward()
        optimiser.step()
    return price.requires_grad_(False)


def test_what_can_be_foretold_gets_cheap() -> None:
    torch.manual_seed(0)
    random = codes(torch.stack([torch.randint(0, n, (2, 50, 2)) for n in FSQ_LEVELS], -1)).detach()
    same = codes(torch.full((2, 50, 2, 4), 2)).detach()
    both, one = torch.tensor([2, 2]), torch.tensor([1, 1])
    price = taught(EntropyEstimator(), same)
    assert float(price(same, both).sum()) < 1.0
    assert bool((price(random, both) > 10.0).all())
    assert float(price(random, one)[0]) > 10.0 and float(price(random, one)[1]) == 0.0
    half = price(random, torch.tensor([1, 2]))
    assert 0.0 < float(half[1]) < float(price(random, both)[1])


def test_the_price_pulls_codes_to_the_cheaper_side_and_to_what_foretells_the_next() -> None:
    torch.manual_seed(0)
    low, high = (torch.full((1, 6, 2, 4), digit) for digit in (1, 3))
    turns = torch.cat([low, high, low, high], 1)
    price = taught(EntropyEstimator(), codes(turns[:, :24]), codes(turns.roll(3, 1)))
    dear = codes(low.where(torch.arange(6)[:, None, None] != 5, 2))
    price(dear, torch.tensor([2])).sum().backward()
    assert dear.grad is not None
    assert bool((dear.grad[0, 5] > 0).all()), "a smaller digit is cheaper, so descent has to go down"
    assert bool((dear.grad[0, :5].abs().sum((-1, -2)) > 0).any()), "and frames before hear what they foretold"
    one_stage = codes(turns)
    price(one_stage, torch.tensor([1])).sum().backward()
    assert one_stage.grad is not None
    assert float(one_stage.grad[:, :, 1].abs().max()) == 0.0, "a stage that does not count costs nothing"


def test_digits_that_leave_levels_idle_learn_to_use_them() -> None:
    torch.manual_seed(0)
    fsq = FiniteScalar(FSQ_LEVELS)
    narrow = (0.6 * torch.randn(10, 25, 1, 4)).requires_grad_()
    before = entropy_shares(fsq.codes_to_digits(fsq(narrow))[:, :, 0])
    assert max(before) < 0.9
    optimiser = torch.optim.SGD([narrow], 50.0)
    for _ in range(20):
        optimiser.zero_grad()
        loss = level_usage_loss(fsq(narrow), 0.95)
        loss.backward()
        optimiser.step()
    assert min(entropy_shares(fsq.codes_to_digits(fsq(narrow))[:, :, 0])) > 0.94
    assert (
        float(level_usage_loss(fsq(narrow.detach()), 0.9)) == 0 < float(level_usage_loss(torch.zeros(1, 9, 2, 4), 0.9))
    )


def test_entropy_shares_are_those_of_the_digits() -> None:
    every = torch.stack([torch.arange(40) % n for n in FSQ_LEVELS], -1)[None]
    assert entropy_shares(every) == pytest.approx([1.0] * 4)
    assert entropy_shares(torch.zeros_like(every)) == pytest.approx([0.0] * 4)
