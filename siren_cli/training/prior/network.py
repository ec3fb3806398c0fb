"""Neural prior for training in torch: weights and activations are rounded as in the integer model.

The arithmetic, with its scales, is that of `siren_format.prior` (formats/SRN1.md, section 3.3). Rounding passes
gradients straight through (Bengio et al. 2013); so training is quantisation-aware.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from siren_cli.training.prior.voice import VoiceRows
from siren_format.limits import LEVELS, MAX_STAGES
from siren_format.prior import (
    ACTIVATION_BITS,
    ACTIVATION_MAX,
    DIGIT_OFFSETS,
    ONE_HOT_ROWS,
    WEIGHT_BITS,
    NeuralPrior,
    exp2_table,
)

_DIGITS = len(LEVELS)
_ACTIVATION_ONE = 1 << ACTIVATION_BITS
_WEIGHT_ONE = 1 << WEIGHT_BITS
_ACCUMULATOR_ONE = _ACTIVATION_ONE * _WEIGHT_ONE
_IMPOSSIBLE = -1e9


@dataclass(frozen=True)
class PriorSize:
    """Sizes of the prior: widths of state, block and digit head, and the dilations of the blocks."""

    width: int = 160
    block_width: int = 192
    head_width: int = 96
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16)


class PriorNet(nn.Module):
    """Neural prior: digits [B, T, 8] → base-2 logarithms of probabilities [B, T, 8, 8].

    ```
    digits of a frame ─embed─► [block: near + far (dilation) ─ReLU─► back, added] × n ─► state, one frame late
    state + earlier digits of the frame ─ReLU─► logits of the digit
    ```
    """

    def __init__(self, size: PriorSize) -> None:
        super().__init__()
        self.size = size
        width, inner, head = size.width, size.block_width, size.head_width
        digits = MAX_STAGES * _DIGITS

        def matrix(rows: int, columns: int, gain: float = 1.0) -> nn.Parameter:
            return nn.Parameter(torch.randn(rows, columns) * gain / math.sqrt(columns))

        self.embed = nn.Parameter(torch.randn(ONE_HOT_ROWS, width) * 0.2)
        self.start = nn.Parameter(torch.zeros(len(size.dilations) + 1, width))
        self.near = nn.ParameterList(matrix(inner, width) for _ in size.dilations)
        self.far = nn.ParameterList(matrix(inner, width) for _ in size.dilations)
        self.bias = nn.ParameterList(torch.zeros(inner) for _ in size.dilations)
        self.back = nn.ParameterList(matrix(width, inner, 0.5) for _ in size.dilations)
        self.context = matrix(digits * head, width)
        self.context_bias = nn.Parameter(torch.zeros(digits * head))
        self.earlier = nn.Parameter(torch.randn(ONE_HOT_ROWS, digits * head) * 0.2)
        self.out = nn.Parameter(torch.randn(digits, max(LEVELS), head) * 0.5 / math.sqrt(head))
        self.out_bias = nn.Parameter(torch.zeros(digits, max(LEVELS)))
        rows = torch.arange(ONE_HOT_ROWS)[:, None]
        offsets = torch.tensor(DIGIT_OFFSETS)
        self.register_buffer("is_earlier", (rows < offsets).repeat_interleave(head, 1).float(), persistent=False)
        levels = torch.tensor(LEVELS * MAX_STAGES)
        self.register_buffer("impossible", torch.arange(max(LEVELS)) >= levels[:, None], persistent=False)
        self.register_buffer("offsets", offsets, persistent=False)

    is_earlier: Tensor
    impossible: Tensor
    offsets: Tensor

    def forward(self, digits: Tensor, has_second: Tensor, *, rounded: bool = True) -> Tensor:
        """Predict every digit from those before it.

        Args:
            digits: [B, T, 8], both stages' digits of every frame.
            has_second: Mask of sequences with stage 2 [B]; in the others nothing depends on its digits.
            rounded: Compute as the integer model; False is the float twin.

        Returns:
            Logarithms [B, T, 8, 8]; values that a digit does not have are impossible.
        """
        one_hot = functional.one_hot(digits + self.offsets, ONE_HOT_ROWS).sum(2).float()
        return self.logarithms(one_hot, has_second, rounded=rounded)

    def logarithms(self, one_hot: Tensor, has_second: Tensor, *, rounded: bool = True) -> Tensor:
        """Predict every digit from the summed one-hot vectors of a frame [B, T, 52], which may have a gradient."""

        def weight(parameter: Tensor) -> Tensor:
            most = ACTIVATION_MAX / _WEIGHT_ONE
            return _rounded(parameter.clamp(-most, most), _WEIGHT_ONE) if rounded else parameter.clamp(-most, most)

        def state_of(x: Tensor) -> Tensor:
            return _rounded(x, _ACTIVATION_ONE) if rounded else x

        present = torch.ones_like(one_hot)
        present[..., ONE_HOT_ROWS // MAX_STAGES :] = has_second[:, None, None].float()
        one_hot = one_hot * present
        # The embedding's rows are activations, not weights.
        state = _clamped(one_hot @ state_of(_clamped(self.embed)))
        start = state_of(_clamped(self.start))
        for level, dilation in enumerate(self.size.dilations):
            before = _delayed(state, start[level], dilation)
            inner = state @ weight(self.near[level]).T + before @ weight(self.far[level]).T + self.bias[level]
            inner = _clamped(state_of(inner).relu())
            state = _clamped(state + state_of(inner @ weight(self.back[level]).T))
        late = _delayed(state, start[-1], 1)
        hidden = late @ weight(self.context).T + self.context_bias
        hidden = _clamped(state_of(hidden + one_hot @ (weight(self.earlier) * self.is_earlier)).relu())
        hidden = hidden.unflatten(-1, (len(self.offsets), -1))
        with torch.autocast(hidden.device.type, enabled=False):  # bfloat16 would round logits too far
            logits = torch.einsum("btku,klu->btkl", hidden.float(), weight(self.out)) + self.out_bias
            logits = logits.masked_fill(self.impossible, _IMPOSSIBLE)
            return torch.log_softmax(logits * math.log(2.0), -1) / math.log(2.0)

    @torch.no_grad()
    def to_integers(self, voice: VoiceRows) -> NeuralPrior:
        """Build the integer model of `siren_format`; voice frequencies are fitted apart."""

        def stacked(parameters: nn.ParameterList) -> Tensor:
            return torch.stack(list(parameters))

        digits = len(self.offsets)
        return NeuralPrior(
            dilations=np.array(self.size.dilations, np.int16),
            embed=_integers(self.embed, _ACTIVATION_ONE),
            start=_integers(self.start, _ACTIVATION_ONE),
            near=_integers(stacked(self.near), _WEIGHT_ONE),
            far=_integers(stacked(self.far), _WEIGHT_ONE),
            bias=_biases(stacked(self.bias)),
            back=_integers(stacked(self.back), _WEIGHT_ONE),
            context=_integers(self.context.unflatten(0, (digits, -1)), _WEIGHT_ONE),
            context_bias=_biases(self.context_bias.unflatten(0, (digits, -1))),
            earlier=_integers((self.earlier * self.is_earlier).unflatten(1, (digits, -1)), _WEIGHT_ONE),
            out=_integers(self.out * ~self.impossible[..., None], _WEIGHT_ONE),
            out_bias=_biases(self.out_bias * ~self.impossible),
            exp2=exp2_table(),
            voice_level=voice.level,
            voice_parents=voice.parents,
            voice_digits=voice.digits,
        )

    @classmethod
    @torch.no_grad()
    def from_integers(cls, prior: NeuralPrior) -> PriorNet:
        """Build the network of an integer model; `to_integers` is the inverse, without voice frequencies."""
        inner, head = prior.bias.shape[1], prior.context_bias.shape[1]
        net = cls(PriorSize(prior.embed.shape[1], inner, head, tuple(prior.dilations.tolist())))

        def fill(parameter: Tensor, integers: NDArray[np.integer], one: int) -> None:
            parameter.copy_(torch.from_numpy(integers.astype(np.float64) / one).reshape(parameter.shape))

        fill(net.embed, prior.embed, _ACTIVATION_ONE)
        fill(net.start, prior.start, _ACTIVATION_ONE)
        for name in ("near", "far", "back"):
            for parameter, integers in zip(getattr(net, name), getattr(prior, name), strict=True):
                fill(parameter, integers, _WEIGHT_ONE)
        for parameter, integers in zip(net.bias, prior.bias, strict=True):
            fill(parameter, integers, _ACCUMULATOR_ONE)
        for name in ("context", "earlier", "out"):
            fill(getattr(net, name), getattr(prior, name), _WEIGHT_ONE)
        for name in ("context_bias", "out_bias"):
            fill(getattr(net, name), getattr(prior, name), _ACCUMULATOR_ONE)
        return net.eval()


def _rounded(x: Tensor, one: int) -> Tensor:
    """Round to multiples of 1 / one, halves up; the gradient is that of the identity."""
    return x + (torch.floor(x * one + 0.5) / one - x).detach()


def _clamped(state: Tensor) -> Tensor:
    most = ACTIVATION_MAX / _ACTIVATION_ONE
    return state.clamp(-most, most)


def _delayed(states: Tensor, start: Tensor, frames: int) -> Tensor:
    """Delay states [B, T, H] by frames, with the learned start before the first."""
    first = start.expand(len(states), min(frames, states.shape[1]), -1)
    return torch.cat([first, states[:, :-frames]], dim=1)


def _integers(x: Tensor, one: int) -> NDArray[np.int8]:
    return torch.floor(x * one + 0.5).clamp(-ACTIVATION_MAX, ACTIVATION_MAX).to(torch.int8).numpy()


def _biases(x: Tensor) -> NDArray[np.int32]:
    return torch.floor(x.double() * _ACCUMULATOR_ONE + 0.5).to(torch.int32).numpy()
