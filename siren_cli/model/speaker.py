"""Who speaks: one quantised vector per recording."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from siren_cli.config import ModelConfig
from siren_cli.model.layers import Conv, FrameStack
from siren_cli.model.quantizer import FiniteScalar

VOICE_LEVELS = 4
_FINE_LEVELS = VOICE_LEVELS**2

QUIET_NATS = 3.45
"""How far below the loudest frame, 30 dB, the frames are that no longer count as speech."""


class VoiceEncoder(nn.Module):
    """features [B, F100, M] → voice codes [B, N] → voice [B, V].

    ```
    mel ─┬─► conv, stride 2 ─► ConvNeXt ─► conv, stride 2 ─► ConvNeXt ─► attention pooling (mean, deviation) ─┬─► FSQ
         └─► mean and deviation of every bin while somebody speaks (with `timbre`) ───────────────────────────┘
    ```
    The first `voice_fine` numbers have 16 levels, the others 4: what differs most between voices, their long-term
    spectrum, has few directions, and those are worth more bits (reverse water-filling, Cover & Thomas 2006, 10.3.3).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.voice_width
        self.stem = Conv(config.mel_bins, width, 6, 2)
        self.fine = FrameStack(width, 2, config.expansion)
        self.down = Conv(width, width, 4, 2)
        self.coarse = FrameStack(width, 1, config.expansion)
        self.weigh = nn.Linear(width, width)
        numbers, fine = config.voice_dims - config.voice_fine, config.voice_fine
        self.mel_std = config.mel_std
        self.measured = config.timbre
        self.narrow = nn.Linear(2 * width + (2 * config.mel_bins if config.timbre else 0), numbers)
        self.fsq = FiniteScalar((_FINE_LEVELS,) * fine + (VOICE_LEVELS,) * (numbers - fine))
        self.use(config.voice_used)
        self.widen = nn.Sequential(nn.Linear(numbers, width), nn.GELU(), nn.Linear(width, width))
        self.absent = nn.Parameter(torch.zeros(width))

    def forward(self, mel: Tensor, *, rounded: bool = True) -> Tensor:
        """Log-mel [B, F100, M], F100 a multiple of 4 → codes [B, N] in [-1, 1], gradient passed through."""
        x = self.coarse(self.down(self.fine(self.stem(mel))))
        weights = self.weigh(x).float().softmax(dim=1)
        mean = (weights * x).sum(1)
        deviation = ((weights * (x - mean[:, None]) ** 2).sum(1) + 1e-5).sqrt()
        found = [mean, deviation]
        if self.measured:
            spoken = loud_frames(mel, self.mel_std)[..., None]
            mean = (spoken * mel).sum(1) / spoken.sum(1)
            found += [mean, ((spoken * (mel - mean[:, None]) ** 2).sum(1) / spoken.sum(1) + 1e-5).sqrt()]
        return self.fsq(self.narrow(torch.cat(found, dim=-1)), rounded=rounded)

    def use(self, used: tuple[int, ...]) -> None:
        """Sets what recordings use instead of each level of each number; nothing: all levels as they are."""
        self.used = list(torch.tensor(used, device="cpu").split(self.fsq.levels.tolist())) if used else []

    def draw(self, codes: Tensor) -> Tensor:
        """Codes [B, N], not rounded → those that recordings use.

        Training spreads speakers over all levels; where some are merged (`use`), codes become those that stand for
        them. Where none are, codes stay as they are.
        """
        if not self.used:
            return codes
        digits = self.fsq.codes_to_digits(codes)
        drawn = [used.to(digits.device)[digits[:, number]] for number, used in enumerate(self.used)]
        return self.fsq.digits_to_codes(torch.stack(drawn, dim=1))

    def codes_to_voice(self, codes: Tensor, absent: Tensor | None = None) -> Tensor:
        """Codes [B, N] → voice [B, V]; items with `absent` [B] true get the learned default voice."""
        voice = self.widen(codes)
        return voice if absent is None else torch.where(absent[:, None], self.absent.to(voice.dtype), voice)

    def default_voice(self, batch: int) -> Tensor:
        """The learned voice of recordings that carry none, [batch, V]."""
        return self.absent.expand(batch, -1)


def loud_frames(mel: Tensor, mel_std: float) -> Tensor:
    """1 where a log-mel [B, F, M], divided by `mel_std`, is within 30 dB of its loudest frame, else 0: [B, F]."""
    level = (mel.float() * mel_std).logsumexp(-1)
    return (level > level.amax(1, keepdim=True) - QUIET_NATS).float()
