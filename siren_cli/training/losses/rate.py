"""What indices cost: a rate term for the factorizer, priced by a prior of the kind that codes them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from siren_cli.config import FSQ_LEVELS
from siren_cli.training.prior.network import PriorNet, PriorSize
from siren_format.limits import MAX_STAGES
from siren_format.prior import ONE_HOT_ROWS

_LEAST_LOG2 = -14.0
"""No digit is held to be less likely than the coder's frequencies can say."""


class EntropyEstimator(nn.Module):
    """Bits of the digits of a frame under a prior that learns beside the factorizer and knows all frames before.

    Rate and distortion are minimised together, as in learned image compression (Ballé et al. 2018). A digit's price
    reaches its code through the slope between the neighbouring levels' prices, and the codes that it was predicted
    from through the prior, which hears a code between two levels as a share of both; both straight through the
    rounding.
    """

    levels: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.prior = PriorNet(PriorSize())
        self.register_buffer("levels", torch.tensor(FSQ_LEVELS * MAX_STAGES, device="cpu"), persistent=False)

    def forward(self, codes: Tensor, stage_counts: Tensor) -> Tensor:
        """Prices codes.

        Args:
            codes: [B, F, Q, 4], rounded.
            stage_counts: How many stages of each item count [B].

        Returns:
            Bits per frame of each stage [2], averaged over all items; of one that does not count, none.
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

        heard = rows(digits) + (rows(above) - rows(below)) * (beside / sizes)[..., None]
        has_second = stage_counts > 1
        prices = -self.prior.logarithms(heard.sum(2), has_second, rounded=False).clamp_min(_LEAST_LOG2)

        def price(of: Tensor) -> Tensor:
            return prices.gather(-1, of[..., None])[..., 0]

        price_of_each = price(digits) + (price(above) - price(below)).detach() / sizes * beside
        counts = torch.arange(MAX_STAGES, device=codes.device) < stage_counts[:, None]
        counts = counts.repeat_interleave(len(FSQ_LEVELS), 1)[:, None].float()
        return (price_of_each * counts).unflatten(-1, (MAX_STAGES, -1)).sum(-1).mean((0, 1))
