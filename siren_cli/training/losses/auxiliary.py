"""Auxiliary losses of the factorizer: CTC, distillation, and a codebook-usage regulariser."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from siren_cli.config import FSQ_LEVELS
from siren_cli.training.data.batches import Batch, phones_at_50_hz

_NEAR_LEVELS = 0.5
"""Standard deviation of the soft assignment of a code to the levels around it, in levels."""


def ctc_loss(logits: Tensor, batch: Batch, kind: str) -> Tensor:
    """Compute the CTC loss (Graves et al. 2006) of transcripts and phone labels.

    Targets are the transcripts of recordings that lie in a crop as a whole. With phones, a crop with a label for every
    frame has the sequence of its labels as a target too.

    Args:
        logits: [B, F50, U]; unit 0 is the blank.
        batch: With transcripts.
        kind: `phones` or `text`.

    Returns:
        Nats per unit; 0 without targets.
    """
    pieces: list[Tensor] = []
    targets: list[Tensor] = []
    if kind == "phones":
        labels = phones_at_50_hz(batch.phones)
        for crop in range(len(labels)):
            sequence = labels[crop].unique_consecutive()
            if bool((labels[crop] >= 0).all()) and bool((sequence > 0).any()):
                pieces.append(logits[crop])
                targets.append(sequence[sequence > 0])
    if batch.transcripts is not None:
        for row in batch.transcripts:
            crop, first, frames = row[:3].tolist()
            sequence = row[3:]
            pieces.append(logits[crop, first : first + frames])
            targets.append(sequence[sequence >= 0])
    if not pieces:
        return logits.new_zeros((), dtype=torch.float32)
    scores = nn.utils.rnn.pad_sequence([piece.float().log_softmax(-1) for piece in pieces])
    frames, units = (torch.tensor([len(item) for item in many]) for many in (pieces, targets))
    total = F.ctc_loss(scores, torch.cat(targets), frames, units, reduction="sum", zero_infinity=True)
    return total / max(1, int(units.sum()))


def distillation_loss(ours: Tensor, theirs: Tensor) -> Tensor:
    """Distillation loss: one minus the mean cosine similarity of projected and teacher features [B, F50, D]."""
    return 1 - F.cosine_similarity(ours.float(), theirs.float(), dim=-1).mean()


def entropy_shares(digits: Tensor) -> list[float]:
    """TrainRequest-0 entropy of every digit [B, F, 4] as a share of log2 of its levels (bitrate utilisation)."""
    shares = []
    for number, levels in enumerate(FSQ_LEVELS):
        p = torch.bincount(digits[..., number].flatten(), minlength=levels).double()
        p = p[p > 0] / p.sum()
        shares.append(float(-(p * p.log2()).sum()) / math.log2(levels))
    return shares


def level_usage_loss(codes: Tensor, floor: float) -> Tensor:
    """Compute the codebook-usage regulariser: missing entropy of digits below a floor.

    Only digits with an order-0 entropy below the floor have a loss: 1 minus their soft entropy. Both entropies are
    shares of the maximum. The soft entropy assigns every code to the levels around it (Agustsson et al. 2017). So the
    gradient points to the less used neighbour, straight through the rounding.

    Args:
        codes: [B, F, Q, 4], rounded.
        floor: Share of log2 of the levels, 0 to 1.

    Returns:
        Sum over the digits below the floor.
    """
    total = codes.new_zeros((), dtype=torch.float32)
    for number, levels in enumerate(FSQ_LEVELS):
        position = ((codes[..., number].float() + 1.0) * (levels // 2)).flatten(0, 1)
        apart = position[..., None] - torch.arange(levels, device=codes.device)
        used = F.one_hot(position.detach().round().long().clamp(0, levels - 1), levels).float().mean(0)
        near = (-apart.square() / (2 * _NEAR_LEVELS**2)).softmax(-1).mean(0)
        shares, smooth = (-(p * (p + 1e-9).log()).sum(-1) / math.log(levels) for p in (used, near))
        total = total + ((1 - smooth) * (shares < floor)).sum()
    return total
