"""Recordings as packets for radio links, and back: what `--profile packet` does (formats/PACKET1.md)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from siren_cli.config import FRAME_SAMPLES, SAMPLE_RATE_HZ
from siren_cli.console import Rows
from siren_cli.errors import SrnUnreadable, UsageError
from siren_cli.files import read_bytes, reason_of
from siren_format.errors import FormatError
from siren_format.packet import (
    MAX_MAX_BYTES,
    MIN_MAX_BYTES,
    Gap,
    Packet,
    in_order,
    parse_packet,
    split_into_packets,
)
from siren_format.packet_file import MAX_PACKETS

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from siren_cli.codec import Codec
    from siren_cli.coded import Coded

VOICE_CHOICES = ("each", "once", "none")

_MAX_GAP_FRAMES = 375
_FADE_SAMPLES = SAMPLE_RATE_HZ // 100


@dataclass(eq=False)
class PacketSpeech:
    """What packets decode to.

    Attributes:
        wav: Samples [T] at 16 kHz, silent where packets are missing.
        packets: Packets decoded.
        refused: Packets that were left out because they are damaged, with the reason of the first.
        missing: For every gap, its first packet's number, how many packets, and where the silence is, s.
        has_voice: Whether any packet carried a voice.
    """

    wav: NDArray[np.float32]
    packets: int
    refused: list[str]
    missing: list[dict[str, float]]
    has_voice: bool


@dataclass(eq=False)
class _Run:
    """Packets without a gap between them, which are decoded as one."""

    indices: list[NDArray[np.int16]] = field(default_factory=list)
    voice: bytes | None = None


def encode_packets(
    codec: Codec, wav: ArrayLike, sample_rate_hz: int, *, stages: int, max_bytes: int, voice: str
) -> list[bytes]:
    """Encodes a recording as packets.

    Args:
        codec: The model.
        wav: Samples [T] or [T, C], full scale at 1.
        sample_rate_hz: Their rate.
        stages: 1 or 2.
        max_bytes: Largest packet, 16..255 bytes.
        voice: `each` packet carries the voice, the first `once`, or `none`.

    Returns:
        The packets.

    Raises:
        UsageError: If a setting is out of range, or the recording needs too many packets.
    """
    if not MIN_MAX_BYTES <= max_bytes <= MAX_MAX_BYTES:
        raise UsageError(f"--max-bytes is {max_bytes}, expected {MIN_MAX_BYTES}..{MAX_MAX_BYTES}; give one of them")
    if voice not in VOICE_CHOICES:
        raise UsageError(f"--voice is {voice!r}, expected {', '.join(VOICE_CHOICES)}; give one of them")
    coded = codec.encode(wav, sample_rate_hz, stages=stages)
    packets = split_into_packets(
        coded.indices,
        None if voice == "none" else coded.voice,
        codec.packet_source,
        max_bytes,
        voice_in_each=voice == "each",
    )
    if len(packets) > MAX_PACKETS:
        raise UsageError(f"the recording needs {len(packets)} packets, expected at most {MAX_PACKETS}; split it")
    return packets


def packet_facts(packets: Sequence[bytes], duration_s: float) -> dict[str, Any]:
    """What packets cost.

    Args:
        packets: The packets.
        duration_s: Duration of the recording, s.

    Returns:
        Plain values by name; the packets themselves in hexadecimal.
    """
    packet_bytes = [len(packet) for packet in packets]
    return {
        "duration_s": duration_s,
        "packet_count": len(packets),
        "packet_bytes": packet_bytes,
        "packet_bps": 8 * sum(packet_bytes) / duration_s,
        "packets": [packet.hex() for packet in packets],
    }


def packet_rows(facts: dict[str, Any]) -> Rows:
    """What packets cost, for a person.

    Args:
        facts: What `packet_facts` returned.

    Returns:
        Names and values, in the order to print them.
    """
    sizes = facts["packet_bytes"]
    return [
        ("packets", f"{len(sizes)}, the largest of {max(sizes)} bytes, {sum(sizes)} bytes in all"),
        ("packet bps", f"{facts['packet_bps']:.1f}"),
    ]


def read_packet_folder(folder: str) -> list[bytes]:
    """Reads a folder of packets, one a file, in the order of their names; hidden files are left out.

    Args:
        folder: Path.

    Returns:
        The packets.

    Raises:
        SrnUnreadable: If there are none, or one cannot be read or is longer than a packet can be.
    """
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise SrnUnreadable(f"{folder}: cannot be read ({reason_of(error)}); check its permissions") from error
    if not 1 <= len(names) <= MAX_PACKETS:
        raise SrnUnreadable(f"{folder}: {len(names)} files, expected 1..{MAX_PACKETS} packets; name another folder")
    return [read_bytes(os.path.join(folder, name), SrnUnreadable, limit_bytes=MAX_MAX_BYTES) for name in names]


def speech_facts(speech: PacketSpeech) -> dict[str, Any]:
    """What packets decoded to, but for the samples.

    Args:
        speech: What `decode_packets` returned.

    Returns:
        Plain values by name.
    """
    return {
        "duration_s": len(speech.wav) / SAMPLE_RATE_HZ,
        "packets": speech.packets,
        "refused": speech.refused,
        "missing": speech.missing,
        "voice": "inline" if speech.has_voice else "none",
    }


def decoded_packet_rows(facts: dict[str, Any]) -> Rows:
    """What packets decoded to, for a person.

    Args:
        facts: What `speech_facts` returned.

    Returns:
        Names and values, in the order to print them.
    """
    rows = [
        ("duration", f"{facts['duration_s']:.3f} s"),
        ("packets", f"{facts['packets']}"),
        ("voice", "none (default voice)" if facts["voice"] == "none" else "inline"),
    ]
    for gap in facts["missing"]:
        where = f"silence from {gap['from_s']:.2f} to {gap['to_s']:.2f} s"
        rows.append(("missing", f"{gap['packets']} from number {gap['first_packet']}: {where}"))
    return rows


def decode_packets(
    codec: Codec, packets: Sequence[bytes], speak: Callable[[Coded], Coded] = lambda coded: coded
) -> PacketSpeech:
    """Decodes packets in the order in which they were sent; what is missing becomes silence.

    How long a missing packet was is not known: the mean of the others is taken.

    Args:
        codec: The model that they were made with.
        packets: The packets that arrived.
        speak: Gives a piece the voice it is to be heard in; its own if not given.

    Returns:
        The speech and what was missing.

    Raises:
        FormatError: If not a single packet can be read; the error is that of the first.
    """
    parsed, refused, first_error = [], [], None
    for number, data in enumerate(packets):
        try:
            parsed.append(parse_packet(data, codec.packet_source))
        except FormatError as error:
            refused.append(f"packet {number} of {len(packets)}: {error}")
            first_error = first_error or error
    if first_error is not None and not parsed:
        raise first_error
    voices = [packet.voice for packet in parsed if packet.voice is not None]
    usual = [len(packet.indices) for packet in parsed if not packet.is_last] or [len(parsed[0].indices)]
    frames_each = round(sum(usual) / len(usual))

    pieces: list[NDArray[np.float32]] = []
    missing: list[dict[str, float]] = []
    samples = 0
    voice = voices[0] if voices else None
    run = _Run(voice=voice)

    def end_run(*, fade_out: bool) -> None:
        nonlocal samples
        if run.indices:
            pieces.append(_speech(codec, run, speak, fade_in=samples > 0, fade_out=fade_out))
            samples += len(pieces[-1])

    for item in in_order(parsed):
        if isinstance(item, Packet):
            if not run.indices or item.voice is not None:
                run.voice = voice = item.voice or voice
            run.indices.append(item.indices)
            continue
        end_run(fade_out=True)
        silence = min(item.packets * frames_each, _MAX_GAP_FRAMES) * FRAME_SAMPLES
        missing.append(_gap_facts(item, samples, silence))
        pieces.append(np.zeros(silence, np.float32))
        samples += silence
        run = _Run(voice=voice)
    end_run(fade_out=False)
    return PacketSpeech(np.concatenate(pieces), len(parsed), refused, missing, bool(voices))


def _gap_facts(gap: Gap, start_samples: int, samples: int) -> dict[str, float]:
    return {
        "first_packet": gap.first_number,
        "packets": gap.packets,
        "from_s": start_samples / SAMPLE_RATE_HZ,
        "to_s": (start_samples + samples) / SAMPLE_RATE_HZ,
    }


def _speech(
    codec: Codec, run: _Run, speak: Callable[[Coded], Coded], *, fade_in: bool, fade_out: bool
) -> NDArray[np.float32]:
    """Samples of a run, faded where it borders on silence so that it does not click."""
    indices = np.concatenate(run.indices)
    wav = codec.decode(speak(codec.coded(indices, run.voice, len(indices) * FRAME_SAMPLES)))
    ramp = np.linspace(0.0, 1.0, _FADE_SAMPLES, dtype=np.float32)
    if fade_in:
        wav[:_FADE_SAMPLES] *= ramp
    if fade_out:
        wav[-_FADE_SAMPLES:] *= ramp[::-1]
    return wav
