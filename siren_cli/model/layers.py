"""Building blocks shared by the factorizer, the speech decoder and the vocoder; all channels-last, [B, F, D]."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Conv(nn.Module):
    """Convolution along time, [B, F, D_in] → [B, F / stride, D_out]; F must be a multiple of the stride."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride, padding=(kernel - stride + 1) // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Convolves [B, F, D_in] to [B, F / stride, D_out]."""
        return self.conv(x.transpose(1, 2)).transpose(1, 2)


class Upsample(nn.Module):
    """Transposed convolution that doubles the frame rate, [B, F, D_in] → [B, 2 F, D_out]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose1d(inputs, outputs, 4, 2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Upsamples [B, F, D_in] to [B, 2 F, D_out]."""
        return self.conv(x.transpose(1, 2)).transpose(1, 2)


class ConvNeXtBlock(nn.Module):
    """Depth-wise convolution and a two-layer perceptron around a residual (Liu et al. 2022, in one dimension).

    With a voice width, the normalised activations are scaled and shifted by the voice (FiLM, Perez et al. 2018):
    this is where what is said and who says it are fused. In training a share `dropout` of what a block adds is left
    out (Srivastava et al. 2014); 0 unless somebody sets it.
    """

    dropout = 0.0

    def __init__(self, width: int, expansion: int, voice_width: int = 0, kernel: int = 7) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width, elementwise_affine=voice_width == 0)
        self.film = nn.Linear(voice_width, 2 * width) if voice_width else None
        self.widen = nn.Linear(width, expansion * width)
        self.narrow = nn.Linear(expansion * width, width)
        self.gain = nn.Parameter(torch.full((width,), 0.2))

    def forward(self, x: Tensor, voice: Tensor | None = None) -> Tensor:
        """Maps [B, F, D] to [B, F, D]; `voice` is [B, V] where the block was built with a voice width."""
        y = self.norm(self.depthwise(x.transpose(1, 2)).transpose(1, 2))
        if self.film is not None and voice is not None:
            scale, shift = self.film(voice)[:, None].chunk(2, dim=-1)
            y = y * (1 + scale) + shift
        y = self.narrow(F.gelu(self.widen(y)))
        return x + self.gain * F.dropout(y, self.dropout, self.training)


class LocalAttention(nn.Module):
    """Self-attention over the frames within `reach`, with a learned bias per head and distance.

    The reach bounds how far any frame looks, so that a recording of any length is treated like the crops the
    model was trained on. `dropout` as in `ConvNeXtBlock`.
    """

    dropout = 0.0

    def __init__(self, width: int, heads: int, reach: int) -> None:
        super().__init__()
        self.heads = heads
        self.reach = reach
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.bias = nn.Parameter(torch.zeros(heads, 2 * reach + 1))

    def forward(self, x: Tensor) -> Tensor:
        """Maps [B, F, D] to [B, F, D]."""
        batch, frames, width = x.shape
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(self.norm(x)).chunk(3, -1)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=self._bias(frames).to(query.dtype)[None])
        y = self.project(mixed.transpose(1, 2).reshape(batch, frames, width))
        return x + F.dropout(y, self.dropout, self.training)

    def _bias(self, frames: int) -> Tensor:
        """What each frame adds to its scores of the others [heads, F, F], minus infinity beyond reach.

        Every row is the one below it, moved by a frame: all are windows on the biases of the 2 F - 1 distances, and
        no matrix of distances is made, which would be the largest of all arrays at a minute of speech.
        """
        beyond = max(0, frames - 1 - self.reach)
        within = self.bias[:, max(0, self.reach + 1 - frames) : self.reach + frames]
        by_distance = F.pad(within, (beyond, beyond), value=float("-inf"))
        return by_distance.unfold(1, frames, 1).flip(1)


class FrameStack(nn.Module):
    """Blocks at one frame rate: each a ConvNeXt block, followed by local attention where `heads` is not 0."""

    def __init__(
        self, width: int, blocks: int, expansion: int, voice_width: int = 0, heads: int = 0, reach: int = 0
    ) -> None:
        super().__init__()
        self.convs = nn.ModuleList(ConvNeXtBlock(width, expansion, voice_width) for _ in range(blocks))
        self.attentions = nn.ModuleList(LocalAttention(width, heads, reach) for _ in range(blocks if heads else 0))

    def forward(self, x: Tensor, voice: Tensor | None = None, blocks: slice = slice(None)) -> Tensor:
        """Maps [B, F, D] to [B, F, D], by all blocks or by some."""
        for number in range(len(self.convs))[blocks]:
            x = self.convs[number](x, voice)
            if self.attentions:
                x = self.attentions[number](x)
        return x
