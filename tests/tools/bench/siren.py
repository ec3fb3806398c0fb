"""SIREN as contenders: the whole path from samples to the bytes of a file, and the networks alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from siren_cli.codec import Codec
from siren_cli.config import DEFAULT_EFFORT
from tests.tools.bench.contender import Contender

Samples: TypeAlias = npt.NDArray[np.float32]


def siren_contenders(codec: Codec, wav: Samples, sample_rate_hz: int) -> list[Contender]:
    """Binds the codec to one recording, with one stage and with all of them.

    Args:
        codec: The loaded codec.
        wav: Samples [T].
        sample_rate_hz: Of `wav`.

    Returns:
        For each number of stages one contender whose calls go through the bytes of a file, entropy coding and
        check included, one whose calls stop at the indices, and one that searches for them. Every call begins the
        recording elsewhere, since a codec keeps what it found of the last one.
    """
    found = []
    turned = (np.roll(wav, turn, axis=0) for turn in itertools.count(1))
    for stages in range(1, codec.stages + 1):
        found.append(_whole_path(codec, turned, sample_rate_hz, stages))
        found.append(_networks(codec, turned, sample_rate_hz, stages))
        if codec.networks.guide is not None:
            found.append(_whole_path(codec.searching(DEFAULT_EFFORT), turned, sample_rate_hz, stages))
    return found


def _whole_path(codec: Codec, turned: Iterator[Samples], sample_rate_hz: int, stages: int) -> Contender:
    data = codec.encode(next(turned), sample_rate_hz, stages=stages).to_bytes()
    return Contender(
        f"SIREN, {_stages(stages)}, {len(data)} bytes" + f", effort {codec.effort}" * (codec.effort > 0),
        lambda: codec.encode(next(turned), sample_rate_hz, stages=stages).to_bytes(),
        lambda: codec.decode(data),
    )


def _networks(codec: Codec, turned: Iterator[Samples], sample_rate_hz: int, stages: int) -> Contender:
    coded = codec.encode(next(turned), sample_rate_hz, stages=stages)
    return Contender(
        f"SIREN, {_stages(stages)}, networks alone",
        lambda: codec.encode(next(turned), sample_rate_hz, stages=stages),
        lambda: codec.decode(coded),
    )


def _stages(count: int) -> str:
    return f"{count} stage" if count == 1 else f"{count} stages"
