"""Training of the neural prior on indices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siren_cli.training.config import TrainConfig
from siren_cli.training.prior.network import PriorNet, PriorSize
from siren_format.limits import LEVELS, MAX_STAGES
from siren_format.packing import indices_to_digits

Recording = NDArray[np.int16]

_SECOND_SHARE = 0.5
"""Share of sequences with both stages; the others have one stage, as files may."""

_HEAD_START = 2.0
"""Weight of the bits of sequences with one stage, since the rate of the shortest files matters most."""


def fit_prior(
    recordings: Sequence[Recording],
    config: TrainConfig,
    report: Callable[[str], None],
    size: PriorSize | None = None,
    start: PriorNet | None = None,
) -> PriorNet:
    """Train the prior.

    Args:
        recordings: Indices [F, 2] of a recording each.
        config: Settings: `steps`, `batch` in sequences of `crop_frames` frames, `learning_rate` and so on.
        report: Called with a line every `log_every` steps.
        size: Widths; the defaults if None.
        start: Network to continue, which is changed; None for random weights.

    Returns:
        The trained network, on the CPU.
    """
    torch.manual_seed(config.seed)
    net = PriorNet(size or PriorSize()) if start is None else start.train()
    optimiser = torch.optim.AdamW(
        net.parameters(), lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=config.weight_decay
    )
    pieces = _pieces(recordings, config.crop_frames)
    batches = _batches(pieces, config.batch * config.crop_frames, config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    total, frames = 0.0, 0
    for step in range(1, config.steps + 1):
        optimiser.param_groups[0]["lr"] = config.learning_rate * _rate(step, config)
        digits, is_frame = next(batches)
        has_second = torch.rand(len(digits), generator=generator) < _SECOND_SHARE
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
            bits = bits_of(net, digits, has_second)
        weights = torch.where(has_second, 1.0, _HEAD_START)[:, None, None] * is_frame[..., None]
        loss = (bits * weights).sum() / is_frame.sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), config.clip_norm)
        optimiser.step()
        seen = bits.detach()[..., : len(LEVELS)] * is_frame[..., None]
        total, frames = total + float(seen.sum()), frames + int(is_frame.sum())
        if step % config.log_every == 0 or step == config.steps:
            report(f"stage prior  step {step}  bits_1 {total / frames:.3f}")
            total, frames = 0.0, 0
    return net.eval()


def bits_of(net: PriorNet, digits: Tensor, has_second: Tensor, *, rounded: bool = True) -> Tensor:
    """Compute the information of every digit.

    Args:
        net: The prior.
        digits: [B, T, 8].
        has_second: Mask of sequences with stage 2 [B]; in the others its digits have 0 bits.
        rounded: False for the float twin, which differs from the integers in rounding alone.

    Returns:
        Bits [B, T, 8].
    """
    logs = net(digits, has_second, rounded=rounded).gather(-1, digits[..., None])[..., 0]
    absent = torch.arange(len(LEVELS) * MAX_STAGES) >= len(LEVELS)
    return (-logs).masked_fill(absent & ~has_second[:, None, None], 0.0)


def digits_of(recording: Recording) -> Tensor:
    """Split indices [F, 2] into digits [F, 8]."""
    return torch.from_numpy(indices_to_digits(recording).reshape(len(recording), -1).astype(np.int64))


def _rate(step: int, config: TrainConfig) -> float:
    """Learning rate schedule, as a share of the plateau: warm-up, plateau, linear decay."""
    fall = (config.steps + 1 - step) / max(1.0, config.decay_share * config.steps)
    return min(1.0, step / max(1, config.warmup_steps), fall)


def _pieces(recordings: Sequence[Recording], frames: int) -> list[Tensor]:
    """Cut the digits of recordings into pieces of at most one crop."""
    whole = [digits_of(recording) for recording in recordings]
    return [piece for digits in whole for piece in digits.split(frames) if len(piece) > 0]


def _batches(pieces: list[Tensor], frames: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Draw batches of about `frames` frames without end: digits [B, T, 8] of similar lengths, mask [B, T]."""
    rng = np.random.default_rng(seed)
    lengths = np.array([len(piece) for piece in pieces], np.float64)
    while True:
        order = np.argsort(lengths * rng.uniform(0.9, 1.1, len(pieces)), kind="stable")
        starts = np.flatnonzero(np.diff(np.cumsum(lengths[order]) // frames, prepend=-1))
        groups = np.split(order, starts[1:])
        for number in rng.permutation(len(groups)):
            chosen = [pieces[i] for i in groups[number]]
            digits = torch.nn.utils.rnn.pad_sequence(chosen, batch_first=True)
            counts = torch.tensor([len(piece) for piece in chosen])
            yield digits, torch.arange(digits.shape[1]) < counts[:, None]
