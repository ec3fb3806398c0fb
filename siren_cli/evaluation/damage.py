"""What a bad link does: flipped bits and lost packets, the same for SIREN and for Codec 2.

Both send packets of 160 ms without protection: SIREN its index, 10 bits a stage, Codec 2 the bits of its frames. Header
and voice arrive whole. Instead of a lost packet, or an index that does not exist, the one before is heard again.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.evaluation.systems import (
    CODEC2_HEADER_BYTES,
    Recording,
    Samples,
    System,
    baseline,
    codec2_run,
    siren,
    source_of,
)

if TYPE_CHECKING:
    from siren_cli.codec import Codec

INDEX_BITS = 10
_INDEX_COUNT = 1_000


@dataclass(frozen=True)
class Damage:
    """One kind of damage: `ber`, the share of bits flipped, or `drop`, the share of packets lost."""

    kind: str
    level: float

    @property
    def label(self) -> str:
        """What is added to a system's name."""
        return f"{self.kind} {self.level:g}"


@dataclass(frozen=True)
class _Frames:
    """How a mode of Codec 2 lies in its file: bits of a frame, bytes it takes, frames in 160 ms."""

    bits: int
    size_bytes: int
    per_packet: int


_CODEC2_FRAMES = {
    "3200": _Frames(64, 8, 8),
    "1300": _Frames(52, 7, 4),
    "700C": _Frames(28, 4, 4),
    "450": _Frames(18, 3, 4),
}


def damaged_siren(codec: Codec, weights: str, stages: int, damage: Damage) -> System:
    """SIREN over a bad link; see `siren_cli.evaluation.systems.siren`."""

    def run(wav: Samples, file: Path, stranger: Samples | None) -> Recording:
        del stranger
        coded = codec.encode(wav, SAMPLE_RATE_HZ, stages=stages)
        bits = (coded.indices[..., None] >> np.arange(INDEX_BITS)) & 1
        packets = spoil(bits.reshape(len(bits), -1), damage, _seed_of(wav))
        values = (packets.reshape(bits.shape) << np.arange(INDEX_BITS)).sum(axis=-1)
        received = replace(coded, indices=hold(values, (values < _INDEX_COUNT).all(axis=1)).astype(np.int16))
        file.write_bytes(np.packbits(packets).tobytes())
        payload_bytes = -(-packets.size // 8)
        return Recording(codec.decode(received), payload_bytes)

    whole = siren(codec, weights, stages)
    return replace(
        whole,
        name=f"{whole.name} {damage.label}",
        suffix=".bits",
        identity=f"{whole.identity} {_own_source()} {damage.label}",
        run=run,
    )


def damaged_codec2(name: str, damage: Damage) -> System:
    """A mode of Codec 2 over a bad link; see `siren_cli.evaluation.systems.baseline`."""
    whole = baseline(name)
    mode = name.partition("-")[2]
    frames = _CODEC2_FRAMES[mode]

    def run(wav: Samples, file: Path, stranger: Samples | None) -> Recording:
        def damage_file() -> None:
            data = file.read_bytes()
            body = np.frombuffer(data[CODEC2_HEADER_BYTES:], np.uint8).reshape(-1, frames.size_bytes)
            bits = np.unpackbits(body, axis=1)
            count = len(bits)
            padded = np.pad(bits, ((0, -count % frames.per_packet), (0, 0)))
            packets = padded[:, : frames.bits].reshape(-1, frames.per_packet * frames.bits)
            padded[:, : frames.bits] = spoil(packets, damage, _seed_of(wav)).reshape(-1, frames.bits)
            file.write_bytes(data[:CODEC2_HEADER_BYTES] + np.packbits(padded[:count], axis=1).tobytes())

        return codec2_run(mode, damage_file)(wav, file, stranger)

    identity = f"{whole.identity} {_own_source()} {damage.label}"
    return replace(whole, name=f"{name} {damage.label}", identity=identity, run=run)


def spoil(packets: NDArray[np.integer], damage: Damage, seed: int) -> NDArray[np.integer]:
    """Damages packets, the same way each time.

    Args:
        packets: Bits [P, B], 0 or 1.
        damage: What happens.
        seed: Of the drawing.

    Returns:
        Bits [P, B]; a lost packet is the one before it, the first one's bits are all 0.
    """
    rng = np.random.default_rng(seed)
    if damage.kind == "ber":
        return packets ^ (rng.random(packets.shape) < damage.level).astype(packets.dtype)
    return hold(packets, rng.random(len(packets)) >= damage.level)


def hold(rows: NDArray[np.integer], is_there: NDArray[np.bool_]) -> NDArray[np.integer]:
    """Puts in the place of each row that is not there the last one that is; zeros before the first.

    Args:
        rows: [P, ...].
        is_there: [P].

    Returns:
        [P, ...].
    """
    last = np.maximum.accumulate(np.where(is_there, np.arange(len(rows)), -1))
    held = rows[np.maximum(last, 0)].copy()
    held[last < 0] = 0
    return held


def _seed_of(wav: Samples) -> int:
    return zlib.crc32(wav.tobytes())


def _own_source() -> str:
    return " ".join(source_of(function) for function in (damaged_siren, damaged_codec2, spoil, hold))
