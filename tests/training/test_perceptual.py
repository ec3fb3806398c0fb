"""The perceptual network trains on true envelopes alone; its loss changes decoded envelopes and not its weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from siren_cli.training.data.augment import apply_vtlp
from siren_cli.training.data.batches import Batch
from siren_cli.training.losses.perceptual import PerceptualNetwork

CROPS, FRAMES, BINS = 8, 48, 80


def talk(seed: int) -> Batch:
    """Crops of phones 1 to 4, each a bump at its own frequency, of two speakers with different tilts."""
    generator = torch.Generator().manual_seed(seed)
    phones = torch.randint(1, 5, (CROPS, FRAMES // 8), generator=generator).repeat_interleave(8, dim=1)
    speakers = torch.arange(CROPS) % 2
    bins = torch.arange(BINS)
    bumps = 2.0 * torch.exp(-((bins - 15 * phones[..., None]) ** 2) / 18.0)
    tilt = torch.where(speakers == 0, 1.0, -1.0)[:, None, None] * torch.linspace(-1.0, 1.0, BINS)
    envelope = bumps + tilt
    nothing = torch.zeros(CROPS, FRAMES)
    return Batch(
        torch.zeros(CROPS, 160 * FRAMES), envelope, envelope, nothing, phones, envelope,
        torch.tensor([1.0, CROPS * FRAMES / 2]), speakers=speakers,
    )  # fmt: skip


@pytest.fixture(scope="module")
def taught() -> PerceptualNetwork:
    torch.manual_seed(0)
    listener = PerceptualNetwork(BINS, speakers=2, width=32, blocks=2)
    optimiser = torch.optim.AdamW(listener.parameters(), 5e-3)
    for step in range(60):
        optimiser.zero_grad()
        listener.training_loss(talk(step)).backward()
        optimiser.step()
    return listener


def test_it_learns_phones_and_speakers(taught: PerceptualNetwork) -> None:
    batch = talk(1_000)
    with torch.no_grad():
        heard = taught(batch.envelope)
        said, who = taught.perceptual_loss(batch.envelope, batch)
    assert float((heard.phones.argmax(-1) == batch.phones[:, ::2]).float().mean()) > 0.95
    assert float(said) < 0.3 and abs(float(who)) < 0.01


def test_blur_and_another_voice_are_heard(taught: PerceptualNetwork) -> None:
    batch = talk(1_001)
    blurred = batch.envelope.mean(1, keepdim=True).expand_as(batch.envelope)
    other = batch.envelope.roll(1, dims=0)
    with torch.no_grad():
        said, _ = taught.perceptual_loss(blurred, batch)
        _, who = taught.perceptual_loss(other, batch)
    assert float(said) > 1.0 and float(who) > 0.3


def test_only_the_decoded_envelope_is_changed_by_what_is_heard(taught: PerceptualNetwork) -> None:
    batch = talk(1_002)
    decoded = torch.zeros_like(batch.envelope).requires_grad_()
    taught.zero_grad(set_to_none=True)
    losses = []
    for _ in range(30):
        said, who = taught.perceptual_loss(decoded, batch)
        losses.append(float((said + who).detach()))
        (slope,) = torch.autograd.grad(said + who, decoded)
        decoded = (decoded - 30.0 * slope).detach().requires_grad_()
    assert losses[-1] < 0.5 * losses[0]
    said, who = taught.perceptual_loss(decoded, batch)
    (said + who).backward()
    assert all(parameter.grad is None for parameter in taught.parameters())


def test_a_changed_speaker_is_nobody(taught: PerceptualNetwork) -> None:
    batch = talk(3)
    changed = apply_vtlp(batch, 1.0, -6.0, 2.1, 1e-4)
    assert isinstance(changed.speakers, Tensor) and bool((changed.speakers == -1).all())
    assert batch.speakers is not None and bool((batch.speakers >= 0).all())
    nobody = taught.training_loss(batch._replace(speakers=changed.speakers))
    assert bool(torch.isfinite(nobody))
