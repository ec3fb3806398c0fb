"""What a voice's numbers leave of a recording's mean spectrum, in numbers of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

TONE_LEVELS = 4


class Tone(nn.Module):
    """What decoded speech lacks of a mean spectrum [B, M] ⇄ K numbers of four levels.

    An encoder decodes what it is about to write, compares mean spectra and says what is missing: closed-loop coding
    (Jayant & Noll 1984, 6.1). So errors of voice encoder and speech decoder are made good together, whatever they come
    from. The numbers are the first principal components of what is missing, louder bins counting more, each with the
    levels that training chose (`siren_cli.training.export.spectral_correction`).
    """

    centre: Tensor
    analysis: Tensor
    synthesis: Tensor
    levels: Tensor

    def __init__(self, numbers: int, bins: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(bins))
        self.register_buffer("analysis", torch.zeros(numbers, bins))
        self.register_buffer("synthesis", torch.zeros(numbers, bins))
        levels = torch.tensor([level - (TONE_LEVELS - 1) / 2 for level in range(TONE_LEVELS)], device="cpu")
        self.register_buffer("levels", levels.repeat(numbers, 1))

    def lack_to_places(self, lack: Tensor) -> Tensor:
        """What is lacking [B, M] → where among its levels each number is [B, K], 0 to 3, not rounded."""
        return places_among((lack.float() - self.centre) @ self.analysis.T, self.levels)

    def digits_to_spectrum(self, digits: Tensor) -> Tensor:
        """Digits [B, K], integers 0 to 3 → what is added to decoded log-mels [B, M]."""
        numbers = torch.arange(len(self.levels), device=digits.device)
        return self.centre + self.levels[numbers, digits] @ self.synthesis


def places_among(values: Tensor, levels: Tensor) -> Tensor:
    """Where values [B, N] are among N rows of rising levels [N, L]: 0 to L - 1, linear between two of them.

    Rounding a place gives the nearest level.
    """
    values = torch.minimum(torch.maximum(values, levels[:, 0]), levels[:, -1])
    below = (values[..., None] >= levels).sum(-1).clamp(1, levels.shape[1] - 1) - 1
    rows = levels.expand(*values.shape[:-1], *levels.shape)
    low, high = (rows.gather(-1, (below + step)[..., None])[..., 0] for step in (0, 1))
    return below + (values - low) / (high - low).clamp_min(1e-6)
