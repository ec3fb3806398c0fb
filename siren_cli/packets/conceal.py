"""Packets that arrived to speech, and what stands in for those that did not (formats/PACKET1.md, section 2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from siren_cli.config import FRAME_SAMPLES, SAMPLE_RATE_HZ
from siren_cli.terminal.console import Rows
from siren_format.errors import FormatError
from siren_format.packet import Packet, parse_packet
from siren_format.packet_head import Gap, in_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siren_cli.codec import Codec
    from siren_cli.coded import Coded

HELD_FRAMES = 2
"""Frames for which the last one before a gap sounds on, fading."""

_MAX_GAP_FRAMES = 375
_FADE_SAMPLES = SAMPLE_RATE_HZ // 100


@dataclass(eq=False)
class PacketSpeech:
    """What packets decode to.

    Attributes:
        wav: Samples [T] at 16 kHz.
        packets: Packets decoded.
        refused: Packets that were left out because they are damaged, with the reason of the first.
        missing: For every gap, its first packet's number, how many packets, and where it is, s.
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
        where = f"concealed from {gap['from_s']:.2f} to {gap['to_s']:.2f} s"
        rows.append(("missing", f"{gap['packets']} from number {gap['first_packet']}, {where}"))
    return rows


def decode_packets(
    codec: Codec, packets: Sequence[bytes], speak: Callable[[Coded], Coded] = lambda coded: coded
) -> PacketSpeech:
    """Decodes packets in the order in which they were sent.

    In a gap the last frame before it sounds on, fading, and the rest is silence. How long a missing packet was is not
    known: the mean of the others is taken.

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

    def end_run(gap_frames: int) -> None:
        """Makes what the packets since the last gap say, and the gap of this many frames after them."""
        nonlocal samples
        held = min(HELD_FRAMES, gap_frames) if run.indices else 0
        if run.indices:
            pieces.append(_speech(codec, run, speak, held, fade_in=samples > 0))
        pieces.append(np.zeros((gap_frames - held) * FRAME_SAMPLES, np.float32))
        samples = sum(map(len, pieces))

    for item in in_order(parsed):
        if isinstance(item, Packet):
            if not run.indices or item.voice is not None:
                run.voice = voice = item.voice or voice
            run.indices.append(item.indices)
            continue
        gap_frames = min(item.packets * frames_each, _MAX_GAP_FRAMES)
        end_run(gap_frames)
        missing.append(_gap_facts(item, samples - gap_frames * FRAME_SAMPLES, samples))
        run = _Run(voice=voice)
    end_run(0)
    return PacketSpeech(np.concatenate(pieces), len(parsed), refused, missing, bool(voices))


def _gap_facts(gap: Gap, start_samples: int, end_samples: int) -> dict[str, float]:
    return {
        "first_packet": gap.first_number,
        "packets": gap.packets,
        "from_s": start_samples / SAMPLE_RATE_HZ,
        "to_s": end_samples / SAMPLE_RATE_HZ,
    }


def _speech(
    codec: Codec, run: _Run, speak: Callable[[Coded], Coded], held_frames: int, *, fade_in: bool
) -> NDArray[np.float32]:
    """Samples of a run and of its last frame held; it fades in where it follows silence, so that it does not click."""
    indices = np.concatenate([*run.indices, np.repeat(run.indices[-1][-1:], held_frames, axis=0)])
    wav = codec.decode(speak(codec.coded(indices, run.voice, len(indices) * FRAME_SAMPLES)))
    if fade_in:
        wav[:_FADE_SAMPLES] *= np.linspace(0.0, 1.0, _FADE_SAMPLES, dtype=np.float32)
    held_samples = held_frames * FRAME_SAMPLES
    if held_samples:
        wav[-held_samples:] *= np.cos(np.linspace(0.0, np.pi / 2, held_samples, dtype=np.float32)) ** 2
    return wav
