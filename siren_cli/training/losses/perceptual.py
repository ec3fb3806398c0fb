"""A network that hears phones and speakers in true spectra, so that decoded ones can be made to tell it the same."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from siren_cli.model.layers import Conv, FrameStack
from siren_cli.phones import PHONES
from siren_cli.training.data.batches import Batch, phones_at_50_hz

_NOISE = 0.3
"""Most white noise on what it hears, in standard deviations of the log-mel; else it hears what nobody can."""

_SHARPNESS = 16.0
"""Length of a speaker's vector before the names: cosines alone could never be sure of one among a thousand."""


class PerceptualOutput(NamedTuple):
    """What was heard: scores of the phones [B, F / 2, 40], and who speaks [B, D]."""

    phones: Tensor
    speaker: Tensor


class PerceptualNetwork(nn.Module):
    """Reads phones and the speaker off spectral envelopes.

    Regression rounds off what tells sounds and people apart, since it costs little distance. A listener that learns
    from true spectra alone measures exactly that: perceptual loss (Johnson et al. 2016) with a network for speech as in
    deep feature losses (Germain et al. 2019). It is thrown away after training and has nothing to do with the
    recogniser of `siren eval`.

    Args:
        bins: Mel bins M.
        speakers: How many speakers it learns to tell apart.
        width: Channels.
        blocks: ConvNeXt blocks; the first half serves phones and speakers, the rest phones alone.
    """

    def __init__(self, bins: int, speakers: int, width: int = 192, blocks: int = 4) -> None:
        super().__init__()
        self.stem = Conv(bins, width, 6, 2)
        self.shared = FrameStack(width, blocks // 2, 3)
        self.own = FrameStack(width, blocks - blocks // 2, 3)
        self.norm = nn.LayerNorm(width)
        self.phones = nn.Linear(width, len(PHONES))
        self.speaker = nn.Linear(2 * width, 128)
        self.names = nn.Linear(128, speakers)

    def forward(self, envelope: Tensor) -> PerceptualOutput:
        """Hears normalised log envelopes [B, F, M], F even."""
        x = self.shared(self.stem(envelope))
        return PerceptualOutput(
            self.phones(self.norm(self.own(x))), self.speaker(torch.cat([x.mean(1), x.std(1)], dim=-1))
        )

    def training_loss(self, batch: Batch) -> Tensor:
        """What it learns from a batch: cross-entropy of phones and speakers on true envelopes.

        Args:
            batch: With `speakers`; -1 is nobody it can know.
        """
        assert batch.speakers is not None, "a listener is told who speaks"
        heard = self(_noisy(batch.envelope))
        names = self.names(_SHARPNESS * F.normalize(heard.speaker.float(), dim=-1))
        who = F.cross_entropy(names.float(), batch.speakers, ignore_index=-1, reduction="sum") / len(names)
        return phone_loss(heard.phones, batch) + who

    def perceptual_loss(self, decoded: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """How far what it hears in decoded envelopes is from what is said and from who speaks in the true ones.

        Args:
            decoded: Envelopes [B, F, M]; the gradient reaches them and not the listener.
            batch: What was decoded.

        Returns:
            Cross-entropy of the phones; one minus the cosine similarity of the speakers.
        """
        frozen = {name: tensor.detach() for name, tensor in self.named_parameters()}
        ours: PerceptualOutput = functional_call(self, frozen, (_noisy(decoded),))
        with torch.no_grad():
            theirs: PerceptualOutput = self(_noisy(batch.envelope))
        likeness = F.cosine_similarity(ours.speaker.float(), theirs.speaker.float(), dim=-1)
        return phone_loss(ours.phones, batch), 1 - likeness.mean()


def _noisy(envelope: Tensor) -> Tensor:
    """Envelopes [B, F, M] in white noise, for each item of another level."""
    level = _NOISE * torch.rand(len(envelope), 1, 1, device=envelope.device)
    return envelope + level * torch.randn_like(envelope)


def phone_loss(scores: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of phones scored at 50 Hz [B, F / 2, 40] against the labels of a batch, where it has any."""
    labels = phones_at_50_hz(batch.phones)
    known = (labels >= 0).flatten()
    losses = F.cross_entropy(scores.float().flatten(0, 1), labels.flatten().clamp_min(0), reduction="none")
    return (losses * known).sum() / batch.counts[1].clamp_min(1)
