"""features → latents and voice: what is said, frame by frame, apart from who says it."""

from __future__ import annotations

from torch import Tensor, nn

from siren_cli.config import ModelConfig
from siren_cli.model.latent_head import LatentHead
from siren_cli.model.layers import Conv, FrameStack
from siren_cli.model.voice import VoiceEncoder


class SemanticBranch(nn.Module):
    """Features at 50 Hz or more → latents at 6.25 Hz.

    ```
    log-mel, mean over time removed ─► conv, stride 2 ─► ConvNeXt ×N (50 Hz: `phonetic`)
      ─► [conv, stride 2 ─► ConvNeXt, attention] ×3 (25, 12.5, 6.25 Hz) ─► latents
    ```
    Removing every bin's mean over the recording takes away microphone and much of the voice (cepstral mean
    subtraction, Atal 1974, in the log-mel domain). Features of a self-supervised model come at 50 Hz already. With a
    `codebook_width` a `LatentHead` makes the latents of all of these.
    """

    def __init__(self, config: ModelConfig, feature_width: int, feature_rate_hz: int) -> None:
        super().__init__()
        widths, heads, reach = config.widths, config.attention_heads, config.attention_reach_frames
        self.remove_mean = config.front_end == "mel"
        stride = feature_rate_hz // 50
        self.stem = (
            Conv(feature_width, widths[0], 4 + stride, stride)
            if stride == 2
            else Conv(feature_width, widths[0], 5)
        )
        self.stacks = nn.ModuleList(
            FrameStack(width, blocks, config.expansion, heads=heads if level else 0, reach=reach)
            for level, (width, blocks) in enumerate(zip(widths, config.encoder_blocks, strict=True))
        )
        self.downs = nn.ModuleList(Conv(a, b, 4, 2) for a, b in zip(widths, widths[1:], strict=False))
        self.head = LatentHead(config) if config.codebook_width else None

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Maps features [B, F, M] to phonetic features [B, F50, D50] and latents [B, F6, D6] or [B, F6, K]."""
        heard = self.hear(features)
        return heard[1], heard[2] if self.head is None else self.head(*heard)[1]

    def hear(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features [B, F, M] → those the head sees, phonetic features [B, F50, D50] and what is found [B, F6, D6]."""
        if self.remove_mean:
            features = features - features.mean(dim=1, keepdim=True)
        phonetic = x = self.stacks[0](self.stem(features))
        for down, stack in zip(self.downs, list(self.stacks)[1:], strict=True):
            x = stack(down(x))
        return features, phonetic, x


class InformationFactorizer(nn.Module):
    """The semantic branch and the voice branch side by side."""

    def __init__(self, config: ModelConfig, feature_width: int, feature_rate_hz: int) -> None:
        super().__init__()
        self.semantic = SemanticBranch(config, feature_width, feature_rate_hz)
        self.voice = VoiceEncoder(config)
