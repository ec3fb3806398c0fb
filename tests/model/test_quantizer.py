"""Residual codebooks: the nearest point of a lattice, its price considered, in the digits of formats/SRN1.md."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from siren_cli.config import ModelConfig
from siren_cli.errors import ConfigError
from siren_cli.model.encoder import LatentHead
from siren_cli.model.quantizer import POINTS, ResidualCodebooks
from siren_format.packing import indices_to_digits


@pytest.fixture
def quantizer() -> ResidualCodebooks:
    torch.manual_seed(0)
    made = ResidualCodebooks(20, 12, 2).eval()
    made.places[1] *= 0.4
    made.weights.uniform_(0.5, 2.0)
    made.steps.fill_(4.0)
    return made


def _latents(*shape: int) -> Tensor:
    return torch.randn(*shape, 20, generator=torch.Generator().manual_seed(1))


def test_the_nearest_place_is_taken_and_what_is_left_is_coded_next(quantizer: ResidualCodebooks) -> None:
    latents = _latents(1, 30)
    indices = quantizer.latents_to_indices(latents, 2)[0]
    left = latents[0]
    for stage in range(2):
        apart = ((left[:, None] - quantizer.places[stage]) * quantizer.weights[stage]).square().sum(-1)
        assert torch.equal(indices[:, stage], apart.argmin(-1))
        left = left - quantizer.places[stage][indices[:, stage]]


def test_digits_are_those_of_the_format_and_give_back_what_was_quantised(quantizer: ResidualCodebooks) -> None:
    latents = _latents(2, 40)
    for stages in (1, 2):
        quantised, digits = quantizer(latents, torch.tensor([stages, stages]))
        indices = quantizer.latents_to_indices(latents, stages)
        torch.testing.assert_close(quantizer.indices_to_latents(indices), quantised)
        for item in range(2):
            wanted = indices_to_digits(indices[item].numpy().astype(np.int16))
            assert np.array_equal(wanted, digits[item, :, :stages].numpy())


def test_a_dear_point_is_left_for_one_farther_away(quantizer: ResidualCodebooks) -> None:
    latents = quantizer.places[0, 17].expand(1, 1, -1)
    assert quantizer.latents_to_indices(latents, 1).item() == 17
    quantizer.prices[0, 17] = 1e6
    assert quantizer.latents_to_indices(latents, 1).item() != 17


def test_every_item_has_its_own_number_of_stages(quantizer: ResidualCodebooks) -> None:
    latents = _latents(1, 30).expand(2, -1, -1)
    quantised, _ = quantizer(latents, torch.tensor([1, 2]))
    for item in range(2):
        alone, _ = quantizer(latents[:1], torch.tensor([item + 1]))
        torch.testing.assert_close(quantised[item], alone[0])


def test_distances_are_least_where_the_index_is(quantizer: ResidualCodebooks) -> None:
    quantizer.prices.zero_()
    latents = _latents(1, 10)
    indices = quantizer.latents_to_indices(latents, 2)[0]
    left = quantizer.first_left(latents)[0]
    for stage in range(2):
        distances = quantizer.point_distances(left, stage)
        apart = (left[0] - quantizer.places[stage]) * quantizer.weights[stage]
        torch.testing.assert_close(distances[0], apart.square().sum(-1) / quantizer.steps[stage], rtol=1e-3, atol=1e-3)
        assert torch.equal(distances.argmin(-1), indices[:, stage])
        assert torch.equal(quantizer.nearest(left, stage), indices[:, stage])
        left = left - quantizer.said(indices[:, stage], stage)


def test_latents_that_are_not_rounded_pass_as_they_are(quantizer: ResidualCodebooks) -> None:
    latents = _latents(1, 5)
    plain, _ = quantizer.latents_to_codes(latents, torch.tensor([2]), rounded=False)
    torch.testing.assert_close(plain, quantizer.widen(latents))


def test_places_do_not_learn_by_gradients(quantizer: ResidualCodebooks) -> None:
    assert {name for name, _ in quantizer.named_parameters()} == {"widen.weight", "widen.bias"}
    assert quantizer.places.shape == (2, POINTS, 20)


def test_posteriorgrams_are_roots_of_probabilities() -> None:
    said = LatentHead(ModelConfig.tiny(codebook_width=20)).posteriorgram(torch.randn(2, 16, 40))
    assert said.shape == (2, 2, 320)
    torch.testing.assert_close(said.square().sum(-1), torch.full((2, 2), 8.0))


def test_codebooks_need_spectra() -> None:
    with pytest.raises(ConfigError, match="codebook_width is 80"):
        ModelConfig(codebook_width=80, front_end="hubert", hubert_path="x")
    with pytest.raises(ConfigError, match="codebook_width is -1"):
        ModelConfig(codebook_width=-1)


def test_sharp_posteriors_say_more_of_what_is_likeliest() -> None:
    scores = torch.randn(1, 16, 40, generator=torch.Generator().manual_seed(4))
    plain, sharp = (
        LatentHead(ModelConfig.tiny(codebook_width=20, phone_sharpness=sharpness)).posteriorgram(scores).square()
        for sharpness in (1.0, 2.0)
    )
    torch.testing.assert_close(plain, scores.softmax(-1).unflatten(1, (-1, 8)).flatten(2))
    powers = scores.softmax(-1).square()
    torch.testing.assert_close(sharp, (powers / powers.sum(-1, keepdim=True)).unflatten(1, (-1, 8)).flatten(2))
    for power in (0.0, 11.0):
        with pytest.raises(ConfigError, match="phone_sharpness is .*, expected above 0 and at most 10"):
            ModelConfig.tiny(phone_sharpness=power)


def test_what_is_around_has_its_say_in_phones_only_if_asked() -> None:
    torch.manual_seed(5)
    seen, phonetic, found = torch.randn(1, 32, 80), torch.randn(1, 16, 16), torch.randn(1, 2, 16)
    alone, together = (
        LatentHead(ModelConfig.tiny(codebook_width=20, phones_around=around)) for around in (False, True)
    )
    assert together.load_state_dict(alone.state_dict(), strict=False).missing_keys == ["around.weight", "around.bias"]
    with torch.no_grad():
        assert torch.equal(alone(seen, phonetic, found)[0], alone(seen, phonetic, -found)[0])
        assert not torch.allclose(together(seen, phonetic, found)[0], together(seen, phonetic, -found)[0])
        assert together.around is not None
        together.around.weight.zero_()
        together.around.bias.zero_()
        for ours, theirs in zip(alone(seen, phonetic, found), together(seen, phonetic, found), strict=True):
            torch.testing.assert_close(ours, theirs)
