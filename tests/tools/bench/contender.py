"""One thing to be timed, and the timing."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Contender:
    """A codec with its input bound: calling `encode` or `decode` does the work once."""

    name: str
    encode: Callable[[], object]
    decode: Callable[[], object] | None
    is_peer: bool = False


@dataclass(frozen=True)
class Speed:
    """Median real-time factors of one contender: seconds of audio per second of work."""

    name: str
    encode: float
    decode: float | None
    is_peer: bool


def measure(contenders: Sequence[Contender], audio_s: float, repeats: int) -> list[Speed]:
    """Times all contenders, taking turns, so that a disturbance of the machine falls on all of them.

    Args:
        contenders: What to time.
        audio_s: Length of the recording they work on.
        repeats: Number of rounds after one that warms up.

    Returns:
        One speed a contender, in the given order.
    """
    encode_s: list[list[float]] = [[] for _ in contenders]
    decode_s: list[list[float]] = [[] for _ in contenders]
    for turn in range(repeats + 1):
        for place, contender in enumerate(contenders):
            spent_encode_s = _seconds(contender.encode)
            spent_decode_s = _seconds(contender.decode) if contender.decode else None
            if turn > 0:
                encode_s[place].append(spent_encode_s)
                if spent_decode_s is not None:
                    decode_s[place].append(spent_decode_s)
    return [
        Speed(
            contender.name,
            audio_s / statistics.median(encode_s[place]),
            audio_s / statistics.median(decode_s[place]) if decode_s[place] else None,
            contender.is_peer,
        )
        for place, contender in enumerate(contenders)
    ]


def _seconds(work: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    work()
    return time.perf_counter() - start_s
