"""Optional parts of the factorizer's loss: CTC, imitation of a teacher, and even use of the indices."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from siren_cli.config import FSQ_LEVELS
from siren_cli.training.data.batches import Batch, phones_at_50_hz

_NEAR_LEVELS = 0.5
"""Standard deviation, in levels, of how far a code counts for the levels around it."""


def ctc_loss(logits: Tensor, batch: Batch, kind: str) -> Tensor:
    """CTC (Graves et al. 2006) of all that is known about what is said in the crops.

    Recordings that lie in a crop as a whole are scored against their transcript; with phones, crops whose every frame
    has a label are scored against the sequence of their labels as well.

    Args:
        logits: [B, F50, U], the blank being unit 0.
        batch: With transcripts.
        kind: `phones` or `text`.

    Returns:
        Nats per unit; 0 without anything to score.
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
    """One minus the mean cosine similarity of our projected features to the teacher's, [B, F50, D] both."""
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
    """How far digits are from using all their levels alike; 0 for those whose entropy is above a floor.

    A digit whose order-0 entropy in the batch is below the floor counts with what its smoothed entropy lacks: every
    code counts for the levels around it too, so that codes feel which neighbour is used less (soft assignment, as in
    Agustsson et al. 2017), straight through the rounding.

    Args:
        codes: [B, F, Q, 4], rounded.
        floor: Share of log2 of the levels, 0 to 1.

    Returns:
        Sum over the digits below the floor of what they lack, as a share.
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
