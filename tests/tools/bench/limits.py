"""`python -m tests.tools.bench.limits`: what hostile files cost a reader before it refuses them, in time and in memory.

Nothing here is turned into sound. What sound costs is bounded by the groups: each of at most 1,032 bytes is at most a
minute of sound, and `make bench` says how long a minute takes.
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from siren_cli.registry.weights import find_model, read_prior
from siren_format.errors import FormatError
from siren_format.header import Header
from siren_format.layout import parse_layout
from siren_format.limits import MAX_GROUP_SAMPLES, MAX_GROUPS, Coder
from siren_format.salvage import salvage_groups
from siren_format.stream import bytes_to_stream, group_to_bytes


@dataclass(frozen=True)
class Cost:
    """What one file cost.

    Attributes:
        name: What it is, and who reads it.
        file_bytes: Its size.
        seconds: Processor time.
        peak_bytes: Memory taken for it, on top of the file and the model.
        answer: What the reader said, or that it read it.
    """

    name: str
    file_bytes: int
    seconds: float
    peak_bytes: int
    answer: str


def cost(name: str, data: bytes, read: Callable[[bytes], object]) -> Cost:
    """Lets a reader read a file, once for the clock and once for the memory."""
    answer = "read"
    started_s = time.process_time()
    try:
        read(data)
    except FormatError as error:
        answer = type(error).__name__
    seconds = time.process_time() - started_s
    tracemalloc.start()
    try:
        read(data)
    except FormatError:
        pass
    finally:
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return Cost(name, len(data), seconds, peak_bytes, answer)


def run() -> list[Cost]:
    """Makes the files, of the packaged model, and has them read."""
    files = find_model(None)
    prior, model_id = read_prior(files.weights_path), files.model_id
    rng = np.random.default_rng(0)
    header = Header(model_id, 1, Coder.PACKED, None, grouped=True).to_bytes()
    minute = rng.integers(0, 1_000, (375, 1), dtype=np.int16)
    group = group_to_bytes(header, 0, minute, None)
    last = group_to_bytes(header, MAX_GROUPS - 1, minute, MAX_GROUP_SAMPLES)
    longest = header + group * (MAX_GROUPS - 1) + last
    empty = bytes((Coder.NEURAL << 1, 0, 0, 0, 0))  # a minute in five bytes, if the check were right
    claim = Header(model_id, 2, Coder.NEURAL, MAX_GROUP_SAMPLES).to_bytes() + b"\0\0"
    noise = header + group + rng.bytes(200_000)

    def whole(data: bytes) -> object:
        return bytes_to_stream(data, model_id, prior)

    return [
        cost("a minute claimed by the smallest file", claim, whole),
        cost("longest file, 333 hours, structure", longest, parse_layout),
        cost("20,001 groups, structure", header + group * (MAX_GROUPS + 1), parse_layout),
        cost("20,000 empty groups", header + empty * MAX_GROUPS, whole),
        cost("noise behind one group, salvaged", noise, lambda data: salvage_groups(data, model_id, prior)),
    ]


def as_text(costs: list[Cost]) -> str:
    """The table in Markdown."""
    lines = ["| file | bytes | answer | s | µs a byte | memory |", "|---|---:|---|---:|---:|---:|"]
    for one in costs:
        lines.append(
            f"| {one.name} | {one.file_bytes} | {one.answer} | {one.seconds:.3f} "
            f"| {1e6 * one.seconds / one.file_bytes:.1f} | {one.peak_bytes / 1e6:.1f} MB |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.bench.limits", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object a line instead of a table")
    costs = run()
    print("\n".join(json.dumps(asdict(one)) for one in costs) if parser.parse_args().json else as_text(costs))


if __name__ == "__main__":
    main()
