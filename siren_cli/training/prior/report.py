"""Rate report: bits of indices under each coder, which `siren train` prints after the fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.training.prior.fit import Recording, bits_of, digits_of
from siren_cli.training.prior.network import PriorNet
from siren_format.limits import FRAME_SAMPLES, INDEX_COUNT, MAX_STAGES
from siren_format.prior import NeuralPrior
from siren_format.prior_rows import prior_digit_bits

_FRAME_RATE_HZ = SAMPLE_RATE_HZ / FRAME_SAMPLES


def compare_coders(
    recordings: Sequence[Recording],
    train: Sequence[Recording],
    net: PriorNet,
    prior: NeuralPrior,
) -> list[str]:
    """Compute cross-entropies of recordings, each a group of its own.

    Args:
        recordings: Indices [F, 2] of the recordings to measure.
        train: Training recordings, for index frequencies (order 0).
        net: The trained network, used without rounding.
        prior: Its integers.

    Returns:
        One line for each number of stages: bits a frame and bits a second of every coder.
    """
    lines = []
    frames = sum(len(indices) for indices in recordings)
    for stages in range(1, MAX_STAGES + 1):
        totals = coder_bits(recordings, stages, train, net, prior)
        costs = [
            f"{name} {bits / frames:.3f} ({bits / frames * _FRAME_RATE_HZ:.1f} bps)" for name, bits in totals.items()
        ]
        share = totals["integer prior"] / totals["packed"]
        lines.append(f"bits a frame with {stages} stages: {', '.join(costs)}; {share:.3f} of packed")
    return lines


def coder_bits(
    recordings: Sequence[Recording],
    stages: int,
    counted: Sequence[Recording],
    net: PriorNet,
    prior: NeuralPrior,
) -> dict[str, float]:
    """Compute the bits of recordings under every coder, each recording a group of its own.

    Args:
        recordings: Indices [F, 2].
        stages: Number of stages to code.
        counted: Recordings for index frequencies (order 0); without them, order 0 is left out.
        net: The network, used without rounding.
        prior: Its integers.

    Returns:
        Cross-entropies by coder, bits in all.
    """
    cut = [indices[:, :stages] for indices in recordings]
    totals = {"packed": stages * sum(map(len, recordings)) * float(np.log2(INDEX_COUNT))}
    if counted:
        totals["order 0"] = sum(
            float(_order_0_bits(counted, stage)[indices[:, stage]].sum())
            for stage in range(stages)
            for indices in recordings
        )
    totals["float twin"] = _twin_bits(net, recordings, stages)
    totals["integer prior"] = sum(float(prior_digit_bits(indices, prior).sum()) for indices in cut)
    return totals


def _order_0_bits(train: Sequence[Recording], stage: int) -> NDArray[np.float64]:
    """Information of every index of a stage from its count, with a pseudo-count of one half."""
    counts = np.bincount(np.concatenate([indices[:, stage] for indices in train]), minlength=INDEX_COUNT) + 0.5
    bits: NDArray[np.float64] = -np.log2(counts / counts.sum())
    return bits


@torch.no_grad()
def _twin_bits(net: PriorNet, recordings: Sequence[Recording], stages: int) -> float:
    has_second = torch.tensor([stages == MAX_STAGES])
    return sum(float(bits_of(net, digits_of(indices)[None], has_second, rounded=False).sum()) for indices in recordings)
