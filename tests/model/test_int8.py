"""Stored weights: half the bytes, and what comes back is what went in to a part in a hundred of each row."""

from __future__ import annotations

import torch

from siren_cli.model.int8 import COMPACT_NUMBERS, SCALE_SUFFIX, compact, widen


def test_large_matrices_take_one_byte_a_number() -> None:
    torch.manual_seed(0)
    matrix = torch.randn(256, 256) * torch.logspace(-3, 1, 256)[:, None]
    stored = compact({"big": matrix})
    assert stored["big"].dtype == torch.int8 and stored["big" + SCALE_SUFFIX].shape == (256,)
    step = matrix.abs().amax(dim=1) / 127
    assert bool(((widen(stored)["big"] - matrix).abs() <= 0.5001 * step[:, None]).all())


def test_convolutions_keep_their_shape_and_small_tensors_their_type() -> None:
    tensors = {"kernel": torch.randn(64, 64, 4), "bias": torch.randn(64), "small": torch.randn(8, 8)}
    assert tensors["kernel"].numel() == COMPACT_NUMBERS
    stored = compact(tensors)
    assert {name: tensor.dtype for name, tensor in stored.items()} == {
        "kernel": torch.int8, "kernel" + SCALE_SUFFIX: torch.float32, "bias": torch.float16, "small": torch.float16,
    }  # fmt: skip
    again = widen(stored)
    assert again.keys() == tensors.keys()
    assert all(again[name].shape == tensors[name].shape and again[name].dtype == torch.float32 for name in tensors)


def test_zeros_stay_zeros() -> None:
    assert bool((widen(compact({"none": torch.zeros(256, 256)}))["none"] == 0).all())


def test_plain_tensors_pass_through() -> None:
    plain = {"a": torch.randn(3, 3), "b.scale": torch.randn(3)}
    assert all(torch.equal(widen(plain)[name], plain[name]) for name in plain)
