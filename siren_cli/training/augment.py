"""What the semantic branch hears instead of the clean mel: another vocal tract, another microphone, noise.

The target stays clean, so that the indices learn to leave these things out.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_NATS_PER_DB = math.log(10.0) / 20.0


def perturb(mel: Tensor, share: float, mel_mean: float, mel_std: float, floor: float) -> Tensor:
    """Perturbs a share of the items of a batch.

    Each perturbed item gets a warped frequency axis (vocal tract length perturbation, Jaitly & Hinton 2013, and
    with it a shifted pitch), a smooth random equaliser, and, for a third of them each, stationary coloured noise
    at 5 to 35 dB below the mean level, or no band above 3.4 to 7 kHz.

    Args:
        mel: Normalised log-mel [B, F, M].
        share: Probability of an item to be perturbed.
        mel_mean: Mean of the log-mel that was subtracted.
        mel_std: Standard deviation it was divided by.
        floor: Smallest magnitude before the logarithm.

    Returns:
        Normalised log-mel [B, F, M].
    """
    batch, frames, bins = mel.shape
    chosen = torch.rand(batch) < share
    if not bool(chosen.any()):
        return mel
    x = mel[chosen] * mel_std + mel_mean
    count = len(x)
    device = mel.device

    warp = (1 + 0.16 * (2 * torch.rand(count, 1) - 1)).to(device)
    position = (torch.arange(bins, device=device)[None] * warp).clamp(0, bins - 1)
    low = position.floor().long().clamp(max=bins - 2)
    part = (position - low)[:, None]
    lower = x.gather(2, low[:, None].expand(-1, frames, -1))
    upper = x.gather(2, (low + 1)[:, None].expand(-1, frames, -1))
    x = lower + (upper - lower) * part

    knots = 5.0 * _NATS_PER_DB * torch.randn(count, 1, 7).to(device)
    x = x + F.interpolate(knots, size=bins, mode="linear", align_corners=True)

    noisy = (torch.rand(count) < 0.33).to(device)[:, None, None]
    colour = F.interpolate(
        8.0 * _NATS_PER_DB * torch.randn(count, 1, 4).to(device), size=bins, mode="linear", align_corners=True
    )
    below = -(5 + 30 * torch.rand(count, 1, 1)).to(device) * _NATS_PER_DB
    level = x.amax(dim=(1, 2), keepdim=True) - 3.0 + below + colour
    noise = level + 0.3 * torch.randn(count, frames, bins, device=device)
    x = torch.where(noisy, torch.logaddexp(x, noise), x)

    cut = torch.where(
        torch.rand(count) < 0.33, torch.randint(bins * 7 // 10, bins, (count,)), torch.tensor(bins)
    ).to(device)
    x = x.masked_fill((torch.arange(bins, device=device) >= cut[:, None])[:, None], math.log(floor))
    out = mel.clone()
    out[chosen] = (x.clamp_min(math.log(floor)) - mel_mean) / mel_std
    return out
