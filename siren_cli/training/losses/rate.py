"""Rate loss: the bits of the indices under a prior that trains beside the factorizer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from siren_cli.config import FSQ_LEVELS
from siren_cli.training.prior.network import PriorNet, PriorSize
from siren_format.limits import MAX_STAGES
from siren_format.prior import ONE_HOT_ROWS

_LEAST_LOG2 = -14.0
"""Least log2 of a probability, that of the coder's smallest frequency."""


class EntropyEstimator(nn.Module):
    """Entropy estimator: bits of the digits of a frame under an autoregressive prior.

    Rate and distortion are minimised together, as in learned image compression (Ballé et al. 2018). Gradients pass
    straight through the rounding, on two ways. The bits of a digit reach its code by the slope between the bits of the
    neighbouring levels. They reach earlier codes by the prior, whose input mixes the two levels around a code.
    """

    levels: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.prior = PriorNet(PriorSize())
        self.register_buffer("levels", torch.tensor(FSQ_LEVELS * MAX_STAGES, device="cpu"), persistent=False)

    def forward(self, codes: Tensor, stage_counts: Tensor) -> Tensor:
        """Estimate the bits of codes.

        Args:
            codes: [B, F, Q, 4], rounded.
            stage_counts: Number of coded stages of each item [B].

        Returns:
            Bits per frame of each stage [2], averaged over all items; a stage that is not coded has 0.
        """
        stages = codes.shape[2]
        codes = functional.pad(codes.float(), (0, 0, 0, MAX_STAGES - stages)).flatten(2)
        position = (codes + 1.0) * (self.levels // 2)
        digits = torch.minimum(position.detach().round().long().clamp_min(0), self.levels - 1)
        above, below = torch.minimum(digits + 1, self.levels - 1), (digits - 1).clamp_min(0)
        beside = position - position.detach()
        sizes = (above - below).float()

        def rows(of: Tensor) -> Tensor:
            return functional.one_hot(of + self.prior.offsets, ONE_HOT_ROWS).float()

        one_hot = rows(digits) + (rows(above) - rows(below)) * (beside / sizes)[..., None]
        has_second = stage_counts > 1
        bits = -self.prior.logarithms(one_hot.sum(2), has_second, rounded=False).clamp_min(_LEAST_LOG2)

        def bits_of(of: Tensor) -> Tensor:
            return bits.gather(-1, of[..., None])[..., 0]

        digit_bits = bits_of(digits) + (bits_of(above) - bits_of(below)).detach() / sizes * beside
        counts = torch.arange(MAX_STAGES, device=codes.device) < stage_counts[:, None]
        counts = counts.repeat_interleave(len(FSQ_LEVELS), 1)[:, None].float()
        return (digit_bits * counts).unflatten(-1, (MAX_STAGES, -1)).sum(-1).mean((0, 1))
