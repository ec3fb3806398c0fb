"""Training data of the prior: recordings with several offsets, silence of many lengths."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from siren_cli.config import ModelConfig
from siren_cli.model.quantizer import ResidualCodebooks
from siren_cli.model.siren import SirenModel, build
from siren_cli.training.data.indices import SHIFTS, indices_of, shifted_indices
from siren_cli.training.prior.material import _lengthened

CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=["rounding", "codebooks", "codebooks and a second pass"])
def model(request: pytest.FixtureRequest) -> SirenModel:
    torch.manual_seed(5)
    changes = {} if request.param == "rounding" else {"codebook_width": 20, "encoder_blocks": (2, 1, 1, 1)}
    model = build(ModelConfig.tiny(**changes, heard_again=int("second" in request.param)))
    torch.nn.init.uniform_(model.mel.filterbank, 0.0, 0.1)  # training fills it; zeros would hear nothing
    branch = model.factorizer.semantic
    with torch.no_grad():
        if branch.told is not None:
            branch.told[1].weight.normal_(0.0, 0.5)  # nothing is told before training
        # So that indices vary: other numbers are rounded to more than a few levels, places lie where latents do.
        if isinstance(model.quantizer, ResidualCodebooks):
            mel = model.mel(torch.from_numpy(noise(1, 50))[None])
            for number, branch.remove_mean in enumerate((False, True)):
                latents, own = branch(mel)[1][0], slice(500 * number, 500 * number + 500)
                model.quantizer.places[0, own] *= latents.std(0)
                model.quantizer.places[0, own] += latents.mean(0)
            model.quantizer.places[1] *= latents.std(0)
        else:
            for narrow in model.quantizer.narrow:
                narrow.weight *= 30
    return model


def noise(seed: int, frames: int) -> NDArray[np.float32]:
    """Noise whose level changes every 10 ms [T]."""
    rng = np.random.default_rng(seed)
    return (rng.normal(0, 0.1, frames * 2_560) * np.repeat(rng.random(frames * 16), 160)).astype(np.float32)


def test_the_first_beginning_is_the_recordings_own(model: SirenModel) -> None:
    wav = np.random.default_rng(1).normal(0, 0.1, 50_000).astype(np.float32)
    found = shifted_indices(model, wav, CPU, bf16=False)
    assert len(found) == SHIFTS == 4
    np.testing.assert_array_equal(found[0], indices_of(model, wav, CPU))
    assert [len(indices) for indices in found] == [20, 19, 19, 19]


@pytest.mark.parametrize(("number", "late_ms"), [(1, 40), (2, 80), (3, 120)])
def test_the_others_are_those_of_recordings_that_begin_later(
    model: SirenModel, monkeypatch: pytest.MonkeyPatch, number: int, late_ms: int
) -> None:
    # Without the mean over the recording and far from its edges nothing but the beginning is left to differ.
    monkeypatch.setattr(model.factorizer.semantic, "remove_mean", False)
    wav = noise(3, 120)
    found = shifted_indices(model, wav, CPU, bf16=False)[number][50:70]
    own, late = (indices_of(model, wav[begin:], CPU)[50:70] for begin in (0, late_ms * 16))
    assert np.mean(found == late) > 0.9 > np.mean(found == own)


def test_a_recording_of_one_frame_has_one_beginning(model: SirenModel) -> None:
    assert len(shifted_indices(model, np.ones(100, np.float32), CPU, bf16=True)) == 1


def test_silence_is_made_longer_and_speech_is_not() -> None:
    rng = np.random.default_rng(2)
    speech = np.arange(20)[:, None] * np.ones((1, 2), np.int16)
    assert _lengthened(speech, rng) is speech
    silent = np.concatenate([speech, np.full((8, 2), 832), speech]).astype(np.int16)
    lengths = [len(_lengthened(silent, rng)) for _ in range(50)]
    assert min(lengths) >= 48 and max(lengths) > 100
    longer = _lengthened(silent, rng)
    np.testing.assert_array_equal(longer[:20], speech)
    np.testing.assert_array_equal(longer[-20:], speech)
    assert np.all(longer[20:-20] == 832)
