"""Speed of a loaded codec, as a program: `python -m siren_cli.evaluation.cost.speed TASK.json RESULT.json`.

It is a process of its own, because libraries read the number of threads only when they are loaded.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from siren_cli.codec import Codec


def siren_speeds(
    model: str | None, wav_file: str, stages: list[int], efforts: list[int], threads: int, repeats: int
) -> dict[str, Any]:
    """Measure the speed of encoding to bytes and of decoding from bytes, entropy coding included.

    Args:
        model: The model's folder or name; None for the default.
        wav_file: Path of the recording.
        stages: Numbers of stages.
        efforts: Efforts of the encoder.
        threads: Threads for torch.
        repeats: Rounds that count, after one warm-up round.

    Returns:
        Codec to `{"encode", "decode"}`: seconds of audio per second, from the median time.
    """
    import numpy as np
    import soundfile

    from siren_cli.codec import load_codec
    from siren_cli.evaluation.codecs.under_test import siren_name

    loaded = load_codec(model, device="cpu", threads=threads)
    wav, rate_hz = soundfile.read(wav_file, dtype="float32")
    begun = itertools.count(1)  # another shift each time, because the codec caches its last analysis

    def encode(codec: Codec, count: int) -> bytes:
        return codec.encode(np.roll(wav, next(begun), axis=0), rate_hz, stages=count).to_bytes()

    found: dict[str, Any] = {}
    for effort, count in itertools.product(efforts, stages):
        codec = loaded.searching(effort)
        sides: dict[str, Callable[[], object]] = {
            "encode": partial(encode, codec, count),
            "decode": partial(codec.decode, encode(codec, count)),
        }
        found[siren_name(count, effort)] = {
            side: len(wav) / rate_hz / statistics.median([_seconds(work) for _ in range(repeats + 1)][1:])
            for side, work in sides.items()
        }
    return found


def _seconds(work: Callable[[], object]) -> float:
    started_s = perf_counter()
    work()
    return perf_counter() - started_s


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(siren_speeds(**json.loads(Path(sys.argv[1]).read_text()))))
