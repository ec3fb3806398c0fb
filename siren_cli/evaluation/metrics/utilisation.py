"""Codebook utilisation: entropy of indices and digits relative to its maximum (as in ESC)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from siren_cli.config import FRAME_SAMPLES, FSQ_LEVELS, SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from siren_cli.codec import Codec


def utilisation_of(codec: Codec, clips: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Codebook utilisation over the files of the run with most stages.

    Args:
        codec: Codec that wrote the files.
        clips: Results of the clips (see `siren_cli.evaluation.workers.worker`).

    Returns:
        Result of `utilisation`; None if SIREN wrote no file.
    """
    names = [name for name in ("siren-2", "siren-1") if name in clips[0]["systems"]]
    if not names:
        return None
    data = [Path(clip["systems"][names[0]]["file"]).read_bytes() for clip in clips]
    indices = np.concatenate([codec.from_bytes(item).indices for item in data])
    payload_bits = sum(clip["systems"][names[0]]["figures"]["payload_bps"][0] for clip in clips)
    return {"system": names[0], **utilisation(indices), "payload_bits_per_frame": payload_bits / len(indices)}


def utilisation(indices: NDArray[np.int16]) -> dict[str, Any]:
    """Order-0 entropies of indices and digits, with their maxima.

    Args:
        indices: [F, Q] integers of 0 to 999.

    Returns:
        `{"frames", "stages"}`; for each stage the distinct indices, entropy and maximum (in bits) and their ratio, also
        for each digit. The entropy is at most log2(frames), so that few frames bias it down.
    """
    stages = []
    for column in indices.T.astype(np.int64):
        digits, rest = [], column
        for levels in FSQ_LEVELS:
            digits.append(_usage(np.bincount(rest % levels, minlength=levels)))
            rest = rest // levels
        counts = np.bincount(column, minlength=math.prod(FSQ_LEVELS))
        stages.append({"distinct": int((counts > 0).sum()), **_usage(counts), "digits": digits})
    return {"frames": len(indices), "frames_per_s": SAMPLE_RATE_HZ / FRAME_SAMPLES, "stages": stages}


def _usage(counts: NDArray[np.int64]) -> dict[str, float]:
    shares = counts[counts > 0] / counts.sum()
    entropy_bits = float(-(shares * np.log2(shares)).sum())
    most_bits = math.log2(len(counts))
    return {"entropy_bits": entropy_bits, "most_bits": most_bits, "utilisation": entropy_bits / most_bits}
