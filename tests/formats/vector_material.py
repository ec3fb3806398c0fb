"""Material of the vectors: a prior and indices from integer arithmetic, the same everywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siren_format.check import check_value
from siren_format.limits import FREQUENCY_TOTAL, LEVELS, Coder
from siren_format.prior import DIGIT_LEVELS, ONE_HOT_ROWS, NeuralPrior, exp2_table
from siren_format.prior_rows import PriorWalk
from siren_format.prior_voice import VoiceWalk

VECTORS = Path(__file__).parents[2] / "formats" / "vectors"
MODEL_ID = bytes.fromhex("a1b2")
VOICE = bytes.fromhex("2f1be40027ff5aa5")
VOICE_ID = bytes.fromhex("f09c")
UNLIKELY_VOICE = bytes.fromhex("ff00000000000000")
MINUTE_SAMPLES = 960_000


def noise(seed: int) -> Iterator[int]:
    """Yield 31-bit numbers of the linear congruential generator of Knuth's MMIX.

    Args:
        seed: Start.

    Yields:
        Numbers of 0..2**31 - 1.
    """
    state = seed
    while True:
        state = (state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
        yield state >> 33


def vector_prior() -> NeuralPrior:
    """Make the neural prior of the vectors: two blocks, weights of noise, large enough to reach every clamp.

    Returns:
        The prior.
    """
    source = noise(7)
    width, inner, head, digits, most = 10, 12, 8, len(DIGIT_LEVELS), max(DIGIT_LEVELS)

    def array(kind: type[np.integer], shape: tuple[int, ...], size: int) -> NDArray[np.integer]:
        return np.array([next(source) % (2 * size + 1) - size for _ in range(int(np.prod(shape)))], kind).reshape(shape)

    def rows(count: int, values: int) -> NDArray[np.uint16]:
        made = np.empty((count, values), dtype=np.uint16)
        for row in made:
            weights = [(next(source) % 1_000) ** 3 + 1 for _ in range(values)]
            row[:] = [1 + weight * (FREQUENCY_TOTAL - values) // sum(weights) for weight in weights]
            row[0] += FREQUENCY_TOTAL - row.sum(dtype=int)
        return made

    return NeuralPrior(
        dilations=np.array([1, 3], dtype=np.int16),
        embed=array(np.int8, (ONE_HOT_ROWS, width), 90),
        start=array(np.int8, (3, width), 127),
        near=array(np.int8, (2, inner, width), 90),
        far=array(np.int8, (2, inner, width), 90),
        bias=array(np.int32, (2, inner), 5_000),
        back=array(np.int8, (2, width, inner), 90),
        context=array(np.int8, (digits, head, width), 127),
        context_bias=array(np.int32, (digits, head), 9_000),
        earlier=array(np.int8, (ONE_HOT_ROWS, digits, head), 127),
        out=array(np.int8, (digits, most, head), 127),
        out_bias=array(np.int32, (digits, most), 2**15),
        exp2=exp2_table(),
        voice_level=rows(1, 256)[0],
        voice_parents=np.array([max(-1, k - 1 - next(source) % 3) for k in range(28)], dtype=np.int16),
        voice_digits=rows(28 * 4, 4).reshape(28, 4, 4),
    )


def wide_prior(prior: NeuralPrior) -> NeuralPrior:
    """Make a prior with wide layers and weights at their limits: the largest sums that these widths allow.

    Args:
        prior: Where the rest comes from.

    Returns:
        The prior.
    """
    arrays = {name: np.array(array) for name, array in prior.to_arrays().items()}
    shapes = {
        "embed": (46, 300), "start": (3, 300), "near": (2, 200, 300), "far": (2, 200, 300), "bias": (2, 200),
        "back": (2, 300, 200), "context": (8, 100, 300), "context_bias": (8, 100), "earlier": (46, 8, 100),
        "out": (8, 8, 100),
    }  # fmt: skip
    source = noise(3)
    for name, shape in shapes.items():
        kind = arrays[f"prior.{name}"].dtype
        most = 127 if kind == np.int8 else 2**24
        numbers = [most if next(source) % 2 else -most for _ in range(math.prod(shape))]
        arrays[f"prior.{name}"] = np.array(numbers, kind).reshape(shape)
    return NeuralPrior.from_arrays(arrays)


def likely_to_prior(prior: NeuralPrior, frames: int, stages: int, *, noise_every: int) -> NDArray[np.int16]:
    """Make indices that the prior compresses: the likeliest digit each time, but noise in some frames.

    Args:
        prior: Neural prior.
        frames: Frames F.
        stages: Stages Q.
        noise_every: Put noise in every frame whose number this divides.

    Returns:
        Indices [F, Q].
    """
    indices = noise_indices(8, frames, stages)
    walk = PriorWalk(prior, frames, stages)
    for frame in range(frames):
        for stage in range(stages):
            index, radix, free = 0, 1, int(indices[frame, stage])
            for level_count in LEVELS:
                row = walk.row()
                value = row.index(max(row)) if frame % noise_every else free // radix % level_count
                walk.take(value)
                index += radix * value
                radix *= level_count
            indices[frame, stage] = index
    return indices


def likely_voice_to_prior(prior: NeuralPrior) -> bytes:
    """Make the voice that the prior codes in the fewest bits, value by value.

    Args:
        prior: Neural prior.

    Returns:
        The voice field.
    """
    walk = VoiceWalk(prior)
    while not walk.is_complete:
        walk.take(int(walk.row().argmax()))
    return walk.voice()


def noise_indices(seed: int, frames: int, stages: int) -> NDArray[np.int16]:
    """Make indices that nothing compresses.

    Args:
        seed: Start of the noise.
        frames: Frames F.
        stages: Stages Q.

    Returns:
        Indices [F, Q].
    """
    source = noise(seed)
    return np.array([[next(source) % 1_000 for _ in range(stages)] for _ in range(frames)], dtype=np.int16)


def file_of(header: bytes, payload: bytes, indices: NDArray[np.int16]) -> bytes:
    """Join a file that is not grouped, with a right check whatever else is wrong with it.

    Args:
        header: Header, voice included.
        payload: Payload.
        indices: Indices [F, Q] for the check.

    Returns:
        The file.
    """
    check = check_value(header, None, payload, indices.astype("<u2").tobytes())
    return header + payload + check.to_bytes(2, "little")


def record_of(
    header: bytes,
    number: int,
    coder: Coder,
    last_samples: int | None,
    payload: bytes,
    indices: NDArray[np.int16],
) -> bytes:
    """Join the record of a group, with a right check whatever else is wrong with it.

    Args:
        header: Header, voice included.
        number: Number of the group, from 0.
        coder: Coder of the group.
        last_samples: Sample count if it is the last group, else None.
        payload: Payload.
        indices: Indices [F, Q] for the check.

    Returns:
        The record.
    """
    count = b"" if last_samples is None else last_samples.to_bytes(3, "little")
    head = bytes((coder << 1 | (last_samples is not None),)) + count
    record = head + len(payload).to_bytes(2, "little") + payload
    check = check_value(header, number, record, indices.astype("<u2").tobytes())
    return record + check.to_bytes(2, "little")
