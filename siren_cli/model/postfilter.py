"""What a decoder that has to guess blurs, made sharp again: a formant postfilter on log-mels."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

_BINS = 15
"""Of 80, about as wide as a formant and the valleys beside it."""


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
