"""latents and voice → log-mel, pitch and voicing: the speech decoder."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from siren_cli.config import ModelConfig
from siren_cli.model.layers import ConvNeXtBlock, FrameStack, LocalAttention, Upsample

_BINS = 15
"""Of 80, about as wide as a formant and the valleys beside it."""

PITCH_CENTRE = 5.0
"""ln(F0 / Hz) the pitch output is measured from: 148 Hz, between most men's and women's voices."""


class Speech(NamedTuple):
    """What the vocoder needs, on the 10 ms grid.

    `mel` [B, F100, M] is the normalised log-mel without harmonics (the envelope),
    `pitch` [B, F100] is ln(F0 / Hz), `voicing` [B, F100] a logit.
    """

    mel: Tensor
    pitch: Tensor
    voicing: Tensor


class SpeechDecoder(nn.Module):
    """Latents [B, F6, D6] and voice [B, V] → `Speech` at 100 Hz.

    ```
    latents ─► ConvNeXt + attention (6.25 Hz) ─► [up ×2 ─► ConvNeXt + attention] (12.5, 25 Hz) ─► up ×2
      ─► ConvNeXt ×3 (50 Hz: `phonetic`) ─► two frames of mel, pitch and voicing each
    ```
    The voice scales and shifts every ConvNeXt block (cross-modal fusion by FiLM). With `timbre` it also says its
    typical spectrum and pitch outright, and the rest of the decoder how the moment departs from them.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        widths, heads, reach = config.widths, config.attention_heads, config.attention_reach_frames
        self.mel_bins = config.mel_bins
        self.stacks = nn.ModuleList(
            FrameStack(width, blocks, config.expansion, config.voice_width, heads if level else 0, reach)
            for level, (width, blocks) in enumerate(zip(widths, config.decoder_blocks, strict=True))
        )
        self.ups = nn.ModuleList(Upsample(b, a) for a, b in zip(widths, widths[1:], strict=False))
        self.norm = nn.LayerNorm(widths[0])
        self.head = nn.Linear(widths[0], 2 * (config.mel_bins + 2))
        self.timbre = nn.Linear(config.voice_width, config.mel_bins + 1) if config.timbre else None

    def leave_out(self, share: float) -> None:
        """Sets what share of what the blocks below 50 Hz add is left out in training."""
        for stack in list(self.stacks)[1:]:
            for block in stack.modules():
                if isinstance(block, (ConvNeXtBlock, LocalAttention)):
                    block.dropout = share

    def forward(self, latents: Tensor, voice: Tensor) -> tuple[Tensor, Speech]:
        """Decodes to phonetic features [B, F50, D50] and `Speech`."""
        x = self.stacks[-1](latents, voice)
        for level in range(len(self.ups) - 1, -1, -1):
            x = self.stacks[level](self.ups[level](x), voice)
        frames = self.head(self.norm(x)).unflatten(-1, (2, -1)).flatten(1, 2).float()
        mel, pitch, voicing = torch.split(frames, [self.mel_bins, 1, 1], dim=-1)
        if self.timbre is not None:
            typical = self.timbre(voice).float()[:, None]
            mel, pitch = mel + typical[..., :-1], pitch + typical[..., -1:]
        return x, Speech(mel, pitch[..., 0] + PITCH_CENTRE, voicing[..., 0])


def postfilter(mel: Tensor, strength: float) -> Tensor:
    """Raises peaks of spectra and lowers the valleys between them.

    What a bin stands out by from the mean of the 15 bins around it grows by `strength` times itself, as adaptive
    postfilters of CELP decoders raise formants (Chen & Gersho 1995). A decoder that minimises distances gives the mean
    of all that may have been said, whose formants are blunter than anybody's.

    Args:
        mel: Log-mels [B, F, M], normalised or not.
        strength: 0 or more; 0 changes nothing.

    Returns:
        Log-mels [B, F, M].
    """
    around = F.avg_pool1d(mel, _BINS, stride=1, padding=_BINS // 2, count_include_pad=False)
    return mel + strength * (mel - around)
