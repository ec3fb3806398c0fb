"""Perceptual loss: a network that classifies phones and speakers of spectral envelopes (deep feature loss)."""

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
"""Maximum noise added to the input, in standard deviations of the log-mel; it hides inaudible detail."""

_SHARPNESS = 16.0
"""Logit scale of the speaker classifier (cosine logits need a temperature)."""


class PerceptualOutput(NamedTuple):
    """Outputs of the perceptual network: phone logits [B, F / 2, 40] and speaker embedding [B, D]."""

    phones: Tensor
    speaker: Tensor


class PerceptualNetwork(nn.Module):
    """Classifier of phones and speakers on spectral envelopes.

    Regression blurs the detail that distinguishes phones and speakers, since it costs little distance. A network
    trained on true envelopes measures that detail: perceptual loss (Johnson et al. 2016), as in deep feature losses for
    speech (Germain et al. 2019). It is not exported. It shares nothing with the recogniser of `siren eval`.

    Args:
        bins: Mel bins M.
        speakers: Number of training speakers.
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
        """Classify normalised log envelopes [B, F, M], F even."""
        x = self.shared(self.stem(envelope))
        return PerceptualOutput(
            self.phones(self.norm(self.own(x))), self.speaker(torch.cat([x.mean(1), x.std(1)], dim=-1))
        )

    def training_loss(self, batch: Batch) -> Tensor:
        """Compute the network's own loss: cross-entropy of phones and speakers on true envelopes.

        Args:
            batch: With `speakers`; -1 is left out.
        """
        assert batch.speakers is not None, "batches have speakers"
        output = self(_noisy(batch.envelope))
        names = self.names(_SHARPNESS * F.normalize(output.speaker.float(), dim=-1))
        speaker = F.cross_entropy(names.float(), batch.speakers, ignore_index=-1, reduction="sum") / len(names)
        return phone_loss(output.phones, batch) + speaker

    def perceptual_loss(self, decoded: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Compute the perceptual loss: phone cross-entropy and speaker distance of decoded and true envelopes.

        Args:
            decoded: Envelopes [B, F, M]; the gradient reaches them and not the network.
            batch: True envelopes and phone labels.

        Returns:
            Cross-entropy of the phones; one minus the cosine similarity of the speaker embeddings.
        """
        frozen = {name: tensor.detach() for name, tensor in self.named_parameters()}
        ours: PerceptualOutput = functional_call(self, frozen, (_noisy(decoded),))
        with torch.no_grad():
            theirs: PerceptualOutput = self(_noisy(batch.envelope))
        likeness = F.cosine_similarity(ours.speaker.float(), theirs.speaker.float(), dim=-1)
        return phone_loss(ours.phones, batch), 1 - likeness.mean()


def _noisy(envelope: Tensor) -> Tensor:
    """Add white noise to envelopes [B, F, M], with a random level for each item."""
    level = _NOISE * torch.rand(len(envelope), 1, 1, device=envelope.device)
    return envelope + level * torch.randn_like(envelope)


def phone_loss(scores: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of phone logits at 50 Hz [B, F / 2, 40] against the known labels of a batch."""
    labels = phones_at_50_hz(batch.phones)
    known = (labels >= 0).flatten()
    losses = F.cross_entropy(scores.float().flatten(0, 1), labels.flatten().clamp_min(0), reduction="none")
    return (losses * known).sum() / batch.counts[1].clamp_min(1)
