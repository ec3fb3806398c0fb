"""Residual FSQ: digits, indices and codes mean what formats/SRN1.md says."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from siren_cli.config import FSQ_LEVELS
from siren_cli.model.quantizer import FiniteScalar
from siren_cli.model.variants.fsq import ResidualFSQ
from siren_format.packing import indices_to_digits


def test_codes_and_digits_are_inverse_for_all_thousand_indices() -> None:
    fsq = FiniteScalar(FSQ_LEVELS)
    digits = torch.tensor(list(itertools.product(*(range(level) for level in FSQ_LEVELS))))
    codes = fsq.digits_to_codes(digits)
    assert codes.min() == -1 and codes.max() <= 1
    assert torch.equal(fsq.codes_to_digits(codes), digits)


def test_every_level_is_reached_and_none_beyond() -> None:
    fsq = FiniteScalar(FSQ_LEVELS)
    digits = fsq.codes_to_digits(fsq(torch.linspace(-6, 6, 4001)[:, None].expand(-1, 4)))
    for number, levels in enumerate(FSQ_LEVELS):
        assert digits[:, number].unique().tolist() == list(range(levels))


def test_rounding_passes_the_gradient_of_the_bound() -> None:
    x = torch.tensor([[0.3, -0.2, 0.1, 0.05]], requires_grad=True)
    FiniteScalar(FSQ_LEVELS)(x).sum().backward()
    assert x.grad is not None and bool((x.grad > 0.3).all())


def test_indices_carry_the_digits_of_the_format() -> None:
    torch.manual_seed(0)
    quantizer = ResidualFSQ(12, 2).eval()
    latents = 3 * torch.randn(2, 40, 12)
    _, digits = quantizer(latents, torch.tensor([2, 2]))
    indices = quantizer.latents_to_indices(latents, 2)
    assert indices.min() >= 0 and indices.max() <= 999
    for item in range(2):
        assert np.array_equal(indices_to_digits(indices[item].numpy().astype(np.int16)), digits[item].numpy())


def test_indices_give_back_the_quantised_latents() -> None:
    torch.manual_seed(1)
    quantizer = ResidualFSQ(12, 2).eval()
    latents = 3 * torch.randn(1, 50, 12)
    for stages in (1, 2):
        quantised, _ = quantizer(latents, torch.tensor([stages]))
        indices = quantizer.latents_to_indices(latents, stages)
        assert indices.shape == (1, 50, stages)
        torch.testing.assert_close(quantizer.indices_to_latents(indices), quantised)


def test_first_stage_is_the_same_with_and_without_the_second() -> None:
    torch.manual_seed(2)
    quantizer = ResidualFSQ(12, 2).eval()
    latents = torch.randn(1, 30, 12)
    both, first = (quantizer.latents_to_indices(latents, stages) for stages in (2, 1))
    assert torch.equal(both[..., :1], first)


def test_stage_dropout_counts_per_item() -> None:
    torch.manual_seed(3)
    quantizer = ResidualFSQ(12, 2).eval()
    latents = torch.randn(1, 30, 12).expand(2, -1, -1)
    quantised, _ = quantizer(latents, torch.tensor([1, 2]))
    alone = quantizer(latents[:1], torch.tensor([1]))[0]
    assert torch.equal(quantised[:1], alone)
    assert not torch.equal(quantised[0], quantised[1])
