"""What a bad link does: flipped bits and lost packets, the same for SIREN and for Codec 2.

Both are sent in packets of at most so many bytes. SIREN's are those of `siren encode --profile packet`
(`formats/PACKET1.md`), voice in each; what a reader refuses is lost. Codec 2's hold as many whole frames as fit, bit by
bit and with nothing beside them, and whatever arrives is played. A gap in SIREN is concealed as `siren decode` does it;
Codec 2 repeats its last frame for as long (480 ms), fading, and is silent for the rest.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from siren_cli.config import FRAME_SAMPLES, SAMPLE_RATE_HZ
from siren_cli.evaluation.codecs.systems import (
    CODEC2_HEADER_BYTES,
    Recording,
    Samples,
    System,
    as_long_as,
    baseline,
    codec2_run,
    siren,
)

if TYPE_CHECKING:
    from siren_cli.codec import Codec

_VERSION = 1
"""Raise it whenever a change here, in `siren_cli.packets` or in `siren_cli.packets.conceal` may change what arrives."""

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
    """SIREN in packets over a bad link; see `siren_cli.evaluation.codecs.systems.siren`."""
    from siren_cli.packets import conceal, packetize
    from siren_format.errors import FormatError
    from siren_format.packet_head import HEAD_BYTES

    def run(wav: Samples, file: Path, stranger: Samples | None) -> Recording:
        del stranger
        sent = packetize.encode_packets(codec, wav, SAMPLE_RATE_HZ, stages=stages, max_bytes=packet_bytes, voice="each")
        file.write_bytes(b"".join(sent))
        arrived = [packet for packet in carry(sent, damage, _seed_of(wav)) if packet is not None]
        try:
            heard = conceal.decode_packets(codec, arrived).wav if arrived else wav[:0]
        except FormatError:  # not one of them can be read
            heard = wav[:0]
        return Recording(as_long_as(heard, wav), sum(map(len, sent)) - HEAD_BYTES * len(sent))

    whole = siren(codec, weights, stages)
    return replace(
        whole,
        name=f"{whole.name} {damage.label}",
        suffix=".packets",
        identity=f"{whole.identity} link version {_VERSION} {damage.label} {packet_bytes}",
        run=run,
    )


def damaged_codec2(name: str, damage: Damage, packet_bytes: int) -> System:
    """A mode of Codec 2 over a bad link; see `siren_cli.evaluation.codecs.systems.baseline`."""
    from siren_cli.packets.conceal import HELD_FRAMES

    whole = baseline(name)
    mode = name.partition("-")[2]
    frames = _CODEC2_FRAMES[mode]
    frames_each = 8 * packet_bytes // frames.bits
    held_samples = HELD_FRAMES * FRAME_SAMPLES

    def run(wav: Samples, file: Path, stranger: Samples | None) -> Recording:
        gaps: list[tuple[int, int]] = []
        sent: list[bytes] = []
        coded = file.with_suffix(".c2")  # by its name, c2enc and c2dec know that it has a header

        def damage_file() -> None:
            data = coded.read_bytes()
            body = np.frombuffer(data[CODEC2_HEADER_BYTES:], np.uint8).reshape(-1, frames.size_bytes)
            bits = np.unpackbits(body, axis=1)
            groups = [bits[start : start + frames_each] for start in range(0, len(bits), frames_each)]
            sent.extend(np.packbits(group[:, : frames.bits]).tobytes() for group in groups)
            arrived = carry(sent, damage, _seed_of(wav))
            for group, packet in zip(groups, arrived, strict=True):
                if packet is not None:
                    own = np.unpackbits(np.frombuffer(packet, np.uint8))[: len(group) * frames.bits]
                    group[:, : frames.bits] = own.reshape(len(group), frames.bits)
            gaps.extend(gaps_of(np.repeat([packet is None for packet in arrived], frames_each)[: len(bits)]))
            for start, stop in gaps:
                if start:
                    bits[start : min(stop, start + held_samples // frames.samples)] = bits[start - 1]
            coded.write_bytes(data[:CODEC2_HEADER_BYTES] + np.packbits(bits, axis=1).tobytes())

        made = codec2_run(mode, damage_file)(wav, coded, stranger)
        coded.unlink()
        file.write_bytes(b"".join(sent))
        gain = gap_gain([(a * frames.samples, b * frames.samples) for a, b in gaps], held_samples, len(wav))
        return Recording(made.wav * gain, sum(map(len, sent)))

    identity = f"{whole.identity} link version {_VERSION} {damage.label} {packet_bytes}"
    return replace(whole, name=f"{name} {damage.label}", suffix=".packets", identity=identity, run=run)


def gaps_of(is_lost: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where runs of what is lost start and end."""
    edges = np.flatnonzero(np.diff(np.pad(is_lost.astype(np.int8), 1)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def gap_gain(gaps: Sequence[tuple[int, int]], held_samples: int, count: int) -> Samples:
    """How loud each sample of a recording with gaps is.

    Args:
        gaps: First sample, and the one after the last, of each.
        held_samples: For so long what was before a gap sounds on, fading.
        count: Samples of the recording.

    Returns:
        Gains [T], 0 to 1.
    """
    gain = np.ones(count, np.float32)
    for start, stop in gaps:
        own = gain[start:stop]
        own[:] = 0.0
        if start:
            held = own[:held_samples]
            held[:] = np.cos(np.linspace(0.0, np.pi / 2, len(held), dtype=np.float32)) ** 2
        after = gain[stop : stop + _FADE_SAMPLES]
        after *= np.linspace(0.0, 1.0, _FADE_SAMPLES, dtype=np.float32)[: len(after)]
    return gain


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
