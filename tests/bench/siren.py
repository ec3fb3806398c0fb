"""SIREN as contenders: the whole path from samples to the bytes of a file, and the networks alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from siren_cli.codec import Codec
from tests.bench.contender import Contender

_EFFORT = 12


def siren_contenders(codec: Codec, wav: npt.NDArray[np.float32], sample_rate_hz: int) -> list[Contender]:
    """Binds the codec to one recording, with one stage and with all of them.

    Args:
        codec: The loaded codec.
        wav: Samples [T].
        sample_rate_hz: Of `wav`.

    Returns:
        For each number of stages one contender whose calls go through the bytes of a file, entropy coding and
        check included, one whose calls stop at the indices, and one that searches for them.
    """
    found = []
    for stages in range(1, codec.stages + 1):
        found.append(_whole_path(codec, wav, sample_rate_hz, stages))
        found.append(_networks(codec, wav, sample_rate_hz, stages))
        if codec.networks.guide is not None:
            found.append(_whole_path(codec.searching(_EFFORT), wav, sample_rate_hz, stages))
    return found


def _whole_path(codec: Codec, wav: npt.NDArray[np.float32], sample_rate_hz: int, stages: int) -> Contender:
    data = codec.encode(wav, sample_rate_hz, stages=stages).to_bytes()
    return Contender(
        f"SIREN, {_stages(stages)}, {len(data)} bytes" + f", effort {codec.effort}" * (codec.effort > 0),
        lambda: codec.encode(wav, sample_rate_hz, stages=stages).to_bytes(),
        lambda: codec.decode(data),
    )


def _networks(codec: Codec, wav: npt.NDArray[np.float32], sample_rate_hz: int, stages: int) -> Contender:
    coded = codec.encode(wav, sample_rate_hz, stages=stages)
    return Contender(
        f"SIREN, {_stages(stages)}, networks alone",
        lambda: codec.encode(wav, sample_rate_hz, stages=stages),
        lambda: codec.decode(coded),
    )


def _stages(count: int) -> str:
    return f"{count} stage" if count == 1 else f"{count} stages"
