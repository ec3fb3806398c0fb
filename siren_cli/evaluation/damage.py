"""What a bad link does: flipped bits and lost packets, the same for SIREN and for Codec 2.

Both are sent in packets of at most so many bytes. SIREN's are those of `siren encode --profile packet`
(`formats/PACKET1.md`), voice in each; what a reader refuses is lost. Codec 2's hold as many whole frames as fit, bit by
bit and with nothing beside them, and whatever arrives is played. Lost sound is silence for Codec 2, and for SIREN what
`siren decode` puts in its place: the last frame for 320 ms, fading, then silence.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
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
    as_long_as,
    baseline,
    codec2_run,
    siren,
    source_of,
)

if TYPE_CHECKING:
    from siren_cli.codec import Codec

_FADE_SAMPLES = SAMPLE_RATE_HZ // 100


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
    """How a mode of Codec 2 lies in its file: bits of a frame, bytes it takes, samples at 16 kHz."""

    bits: int
    size_bytes: int
    samples: int


_CODEC2_FRAMES = {
    "3200": _Frames(64, 8, 320),
    "1300": _Frames(52, 7, 640),
    "700C": _Frames(28, 4, 640),
    "450": _Frames(18, 3, 640),
}


def damaged_siren(codec: Codec, weights: str, stages: int, damage: Damage, packet_bytes: int) -> System:
    """SIREN in packets over a bad link; see `siren_cli.evaluation.systems.siren`."""
    from siren_cli import packet_speech, packets
    from siren_format.errors import FormatError
    from siren_format.packet_head import HEAD_BYTES

    def run(wav: Samples, file: Path, stranger: Samples | None) -> Recording:
        del stranger
        sent = packets.encode_packets(
            codec, wav, SAMPLE_RATE_HZ, stages=stages, max_bytes=packet_bytes, voice="each"
        )
        file.write_bytes(b"".join(sent))
        arrived = [packet for packet in carry(sent, damage, _seed_of(wav)) if packet is not None]
        try:
            heard = packet_speech.decode_packets(codec, arrived).wav if arrived else wav[:0]
        except FormatError:  # not one of them can be read
            heard = wav[:0]
        return Recording(as_long_as(heard, wav), sum(map(len, sent)) - HEAD_BYTES * len(sent))

    whole = siren(codec, weights, stages)
    sources = f"{source_of(packets)} {source_of(packet_speech)} {_own_source()}"
    return replace(
        whole,
        name=f"{whole.name} {damage.label}",
        suffix=".packets",
        identity=f"{whole.identity} {sources} {damage.label} {packet_bytes}",
        run=run,
    )


def damaged_codec2(name: str, damage: Damage, packet_bytes: int) -> System:
    """A mode of Codec 2 over a bad link; see `siren_cli.evaluation.systems.baseline`."""
    whole = baseline(name)
    mode = name.partition("-")[2]
    frames = _CODEC2_FRAMES[mode]
    frames_each = 8 * packet_bytes // frames.bits

    def run(wav: Samples, file: Path, stranger: Samples | None) -> Recording:
        is_lost: list[bool] = []
        sent: list[bytes] = []

        coded = file.with_suffix(".c2")  # by its name, c2enc and c2dec know that it has a header

        def damage_file() -> None:
            data = coded.read_bytes()
            body = np.frombuffer(data[CODEC2_HEADER_BYTES:], np.uint8).reshape(-1, frames.size_bytes)
            bits = np.unpackbits(body, axis=1)
            groups = [bits[start : start + frames_each] for start in range(0, len(bits), frames_each)]
            sent.extend(np.packbits(group[:, : frames.bits]).tobytes() for group in groups)
            arrived = carry(sent, damage, _seed_of(wav))
            is_lost.extend(packet is None for packet in arrived)
            for group, packet in zip(groups, arrived, strict=True):
                if packet is not None:
                    own = np.unpackbits(np.frombuffer(packet, np.uint8))[: len(group) * frames.bits]
                    group[:, : frames.bits] = own.reshape(len(group), frames.bits)
            coded.write_bytes(data[:CODEC2_HEADER_BYTES] + np.packbits(bits, axis=1).tobytes())

        made = codec2_run(mode, damage_file)(wav, coded, stranger)
        coded.unlink()
        file.write_bytes(b"".join(sent))
        is_heard = ~np.repeat(is_lost, frames_each * frames.samples)[: len(wav)]
        around = np.pad(is_heard.astype(np.float32), _FADE_SAMPLES // 2, mode="edge")
        gain = np.convolve(around, np.full(_FADE_SAMPLES, 1 / _FADE_SAMPLES, np.float32), "valid")
        return Recording(made.wav * as_long_as(gain, wav), sum(map(len, sent)))

    identity = f"{whole.identity} {_own_source()} {damage.label} {packet_bytes}"
    return replace(whole, name=f"{name} {damage.label}", suffix=".packets", identity=identity, run=run)


def carry(packets: Sequence[bytes], damage: Damage, seed: int) -> list[bytes | None]:
    """What a bad link makes of packets, the same each time.

    Args:
        packets: As they are sent.
        damage: What happens to them.
        seed: Of the drawing.

    Returns:
        As they arrive; None for one that does not.
    """
    rng = np.random.default_rng(seed)
    if damage.kind == "ber":
        return [_flipped(packet, rng.random(8 * len(packet)) < damage.level) for packet in packets]
    return [None if rng.random() < damage.level else packet for packet in packets]


def _flipped(packet: bytes, where: NDArray[np.bool_]) -> bytes:
    bits = np.unpackbits(np.frombuffer(packet, np.uint8))
    return np.packbits(bits ^ where).tobytes()


def _seed_of(wav: Samples) -> int:
    return zlib.crc32(wav.tobytes())


def _own_source() -> str:
    return " ".join(source_of(function) for function in (damaged_siren, damaged_codec2, carry, _flipped))
