"""Arrays of the Python interface: torch and NumPy, every layout and number format that has one meaning."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

from siren_cli.audio.samples import BlockReader, to_samples
from siren_cli.errors import AudioEmpty, AudioInvalid

X = (0.3 * np.sin(0.05 * np.arange(4_000))).astype(np.float32)
STEREO = np.stack([X, -0.5 * X], axis=1)


@pytest.mark.parametrize(
    ("given", "tolerance"),
    [
        (X[None], 0),
        (X[:, None], 0),
        (torch.from_numpy(X), 0),
        (torch.from_numpy(X)[None].requires_grad_(), 0),
        (X.astype(np.float64), 0),
        (torch.from_numpy(X).double(), 0),
        (np.repeat(X, 2)[::2], 0),
        (X.astype(">f4"), 0),
        (X.tolist(), 0),
        (X.astype(np.float16), 1e-3),
        (torch.from_numpy(X).bfloat16(), 2e-3),
        ((X * 2**15).astype(np.int16), 2**-15),
        (torch.from_numpy((X * 2**15).astype(np.int16))[None], 2**-15),
        ((X * 2**31).astype(np.int32), 2**-24),
        ((X * 2**7).astype(np.int8), 2**-7),
        ((X * 2**7 + 128).astype(np.uint8), 2**-7),
        ((X * 2**15 + 2**15).astype(np.uint16), 2**-15),
    ],
)
def test_one_channel_in_any_form(given: Any, tolerance: float) -> None:
    found = to_samples(given, 16_000)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.reshape(-1), X, atol=tolerance, rtol=0)


@pytest.mark.parametrize("given", [STEREO, STEREO.T, torch.from_numpy(STEREO), torch.from_numpy(STEREO).t()])
def test_the_smaller_axis_is_the_channels(given: Any) -> None:
    np.testing.assert_array_equal(to_samples(given, 16_000), STEREO)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((40, 50), np.float32), "at most 32 channels"),
        (np.zeros((9, 9), np.float32), "one axis of channels and a longer one of samples"),
        (np.zeros((1, 2, 400), np.float32), "one recording at a time"),
        (np.float32(0.5), "one recording at a time"),
        (np.zeros(9, np.int64), "int64, expected floats or integers of 8 to 32 bits"),
        (np.zeros(9, bool), "bool, expected floats"),
        (np.zeros(9, complex), "complex128, expected floats"),
        (np.array(["a"]), "expected floats"),
        ("in.wav", "expected floats"),
        (None, "expected floats"),
        ([[1.0], [1.0, 2.0]], "make no array"),
        ([0.0, float("nan")], "not finite"),
        (np.array([1e300]), "not finite"),
    ],
)
def test_wrong_arrays_are_refused_in_one_line(given: Any, message: str) -> None:
    with pytest.raises(AudioInvalid, match=message) as caught:
        to_samples(given, 16_000)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("given", [[], np.zeros((0, 2), np.float32), np.zeros((2, 0), np.float32), torch.zeros(1, 0)])
def test_no_samples(given: Any) -> None:
    with pytest.raises(AudioEmpty, match="there are no samples"):
        to_samples(given, 16_000)


@pytest.mark.parametrize("rate_hz", [16, 0, -16_000, 10**6, 16_000.5, float("nan"), "16000", None, True])
def test_wrong_rates_are_refused(rate_hz: Any) -> None:
    with pytest.raises(AudioInvalid, match="expected a whole number in 1000..768000"):
        to_samples(X, rate_hz)


def test_samples_far_above_full_scale_are_noted() -> None:
    with pytest.warns(UserWarning, match="samples reach 9830 times full scale, expected -1..1"):
        to_samples(X * 32_768, 16_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_samples(3 * X, 16_000)


def test_the_first_block_decides_which_axis_is_the_channels() -> None:
    turned = BlockReader(16_000)
    assert turned.read(STEREO.T).shape == (4_000, 2)
    assert turned.read(STEREO[:1].T).shape == (1, 2)
    straight = BlockReader(16_000)
    assert straight.read(STEREO[:1]).shape == (1, 2)
    assert straight.read(STEREO).shape == (4_000, 2)
    assert BlockReader(16_000).read(X[None]).shape == (4_000, 1)
