"""Packets that arrived to speech, and concealment of those that did not (formats/PACKET1.md, section 2.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from siren_cli.config import FRAME_SAMPLES, SAMPLE_RATE_HZ
from siren_cli.packets.receive import Piece, ReceivedRecording, Reception, receive
from siren_cli.terminal.console import Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siren_cli.codec import Codec
    from siren_cli.coded import Coded

HELD_FRAMES = 3
"""Frames at most for which speech goes on in a gap; a gap no longer than that is bridged."""

FADING_FRAMES = 1
"""Frames after those, in a longer gap, in which it fades."""

_FADE_SAMPLES = SAMPLE_RATE_HZ // 100


@dataclass(eq=False)
class PacketSpeech:
    """Speech that packets decode to.

    Attributes:
        wav: Samples [T] at 16 kHz.
        packets: Packets decoded.
        refused: Packets that were left out because they are damaged, with the reason.
        missing: For every gap, its first packet's number, how many packets, and where it is, s.
        has_voice: Whether any packet carried a voice.
        damaged: For every packet that arrived in part, its number, where what is lost of it is, s, and the reason.
        restored: For every packet of which a copy stands in, its number, where it is, s, and whether anything is lost.
        repeated: Packets that came again.
        recording: Id of the recording; 0 if none is given.
    """

    wav: NDArray[np.float32]
    packets: int
    refused: list[str]
    missing: list[dict[str, float]]
    has_voice: bool
    damaged: list[dict[str, Any]] = field(default_factory=list)
    restored: list[dict[str, Any]] = field(default_factory=list)
    repeated: int = 0
    recording: int = 0

    @property
    def is_lossy(self) -> bool:
        """True if anything that was sent is not in the samples, or may be wrong."""
        return bool(self.refused or self.missing or self.damaged or any(item["is_coarse"] for item in self.restored))


@dataclass(eq=False)
class _Run:
    """Packets without a long gap between them, which are decoded as one."""

    indices: list[NDArray[np.int16]] = field(default_factory=list)
    voice: bytes | None = None

    @property
    def stages(self) -> int:
        return self.indices[0].shape[1] if self.indices else 0


def speech_facts(speech: PacketSpeech) -> dict[str, Any]:
    """Collects the facts of decoded packets, but for the samples.

    Args:
        speech: What `speak_recording` returned.

    Returns:
        Plain values by name.
    """
    lost = [*speech.missing, *speech.damaged]
    return {
        "recording": speech.recording,
        "duration_s": len(speech.wav) / SAMPLE_RATE_HZ,
        "packets": speech.packets,
        "repeated": speech.repeated,
        "refused": speech.refused,
        "missing": speech.missing,
        "damaged": speech.damaged,
        "restored": speech.restored,
        "lost_s": sum(item["to_s"] - item["from_s"] for item in lost),
        "voice": "inline" if speech.has_voice else "none",
    }


def decoded_packet_rows(facts: dict[str, Any]) -> Rows:
    """Formats the facts of decoded packets for a person.

    Args:
        facts: What `speech_facts` returned.

    Returns:
        Names and values, in the order to print them.
    """
    again = f", {facts['repeated']} more came again" if facts["repeated"] else ""
    rows = [
        ("duration", f"{facts['duration_s']:.3f} s"),
        ("packets", f"{facts['packets']}{again}"),
        ("voice", "none (default voice)" if facts["voice"] == "none" else "inline"),
    ]
    if facts["recording"]:
        rows.insert(0, ("recording", str(facts["recording"])))
    for gap in facts["missing"]:
        rows.append(("missing", f"{gap['packets']} from number {gap['first_packet']}, concealed {_when(gap)}"))
    for item in facts["damaged"]:
        rows.append(("damaged", f"number {item['packet']}, {_when(item)}: {item['reason']}"))
    for item in facts["restored"]:
        rows.append(("restored", f"number {item['packet']}, {_when(item)}, from the copy in the next packet"))
    return rows


def _when(item: dict[str, Any]) -> str:
    return f"from {item['from_s']:.2f} to {item['to_s']:.2f} s"


def decode_packets(
    codec: Codec, packets: Sequence[bytes], speak: Callable[[Coded], Coded] = lambda coded: coded
) -> PacketSpeech:
    """Decodes packets of one recording, in whatever order they arrived.

    Args:
        codec: The model that they were made with.
        packets: The packets that arrived.
        speak: Gives a piece the voice it is to be heard in; its own if not given.

    Returns:
        The speech and what was missing; of the recording with the most packets, if there are several.

    Raises:
        FormatError: If not a single packet can be read; the error is that of the first.
    """
    reception = receive(packets, codec.packet_source)
    longest = max(reception.recordings, key=lambda recording: recording.packets)
    return speak_recording(codec, longest, reception, speak)


def speak_recording(
    codec: Codec,
    recording: ReceivedRecording,
    reception: Reception,
    speak: Callable[[Coded], Coded] = lambda coded: coded,
) -> PacketSpeech:
    """Decodes one of the recordings that arrived, and conceals what is lost of it.

    A gap of up to `HELD_FRAMES` is bridged by the frames around it, mirrored, which decode together with them. In a
    longer one as many frames before it are mirrored, the next ones fade, and the rest is silence.

    Args:
        codec: The model that it was made with.
        recording: The recording.
        reception: All that arrived.
        speak: Gives a piece the voice it is to be heard in; its own if not given.

    Returns:
        The speech and what was missing.
    """
    voices = [piece.voice for piece in recording.pieces if piece.voice is not None]
    wav = _Concealment(codec, speak, voices[0] if voices else None).wav(recording.pieces)
    speech = PacketSpeech(
        wav, recording.packets, reception.refused, [], bool(voices), repeated=reception.repeated,
        recording=recording.recording,
    )  # fmt: skip
    stages = max((piece.indices.shape[1] for piece in recording.pieces if piece.indices is not None), default=1)
    start = 0
    for piece in recording.pieces:
        end = start + piece.frames
        when = {"from_s": start * FRAME_SAMPLES / SAMPLE_RATE_HZ, "to_s": end * FRAME_SAMPLES / SAMPLE_RATE_HZ}
        if piece.packets:
            speech.missing.append({"first_packet": piece.number, "packets": piece.packets, **when})
        elif piece.reason and piece.indices is not None and "restored" in piece.reason:
            speech.restored.append({"packet": piece.number, **when, "is_coarse": piece.indices.shape[1] < stages})
        elif piece.reason:
            speech.damaged.append({"packet": piece.number, **when, "reason": piece.reason})
        start = end
    return speech


class _Concealment:
    """Makes speech of a timeline, run by run."""

    def __init__(self, codec: Codec, speak: Callable[[Coded], Coded], voice: bytes | None) -> None:
        self._codec = codec
        self._speak = speak
        self._voice = voice
        self._run = _Run(voice=voice)
        self._wavs: list[NDArray[np.float32]] = []

    def wav(self, pieces: Sequence[Piece]) -> NDArray[np.float32]:
        """Samples [T] of the whole timeline."""
        groups = [list(group) for _, group in groupby(pieces, key=lambda piece: piece.indices is None)]
        for group, after in zip(groups, [*groups[1:], []], strict=True):
            if group[0].indices is not None:
                for piece in group:
                    self._add(piece)
                continue
            gap_frames = sum(piece.frames for piece in group)
            following = after[0].indices if after else None
            is_short = gap_frames <= HELD_FRAMES and following is not None and bool(self._run.indices)
            if is_short and following is not None and following.shape[1] == self._run.stages:
                self._run.indices.append(_bridge(np.concatenate(self._run.indices), following, gap_frames))
            else:
                self._end_run(gap_frames)
        self._end_run(0, is_end=True)
        return np.concatenate(self._wavs)

    def _add(self, piece: Piece) -> None:
        """A piece that arrived; one of another number of stages cannot be decoded together with those before."""
        indices = piece.indices
        if indices is None:
            return
        if self._run.indices and self._run.stages != indices.shape[1]:
            self._end_run(0)
        if not self._run.indices or piece.voice is not None:
            self._run.voice = self._voice = piece.voice or self._voice
        self._run.indices.append(indices)

    def _end_run(self, gap_frames: int, *, is_end: bool = False) -> None:
        """Decodes the packets since the last gap, and the gap of so many frames after them."""
        run, is_first = self._run, not self._wavs
        self._run = _Run(voice=self._voice)
        held = min(HELD_FRAMES + FADING_FRAMES, gap_frames) if run.indices else 0
        if run.indices:
            own = np.concatenate(run.indices)
            shown = np.concatenate([own, _mirrored(own, held)])
            coded = self._codec.coded(shown, run.voice, len(shown) * FRAME_SAMPLES)
            wav = self._codec.decode(self._speak(coded))
            if not is_first:  # it follows silence, or speech that was decoded without it
                wav[:_FADE_SAMPLES] *= np.linspace(0.0, 1.0, _FADE_SAMPLES, dtype=np.float32)
            fading = min(held, FADING_FRAMES) * FRAME_SAMPLES
            if fading:
                wav[-fading:] *= np.cos(np.linspace(0.0, np.pi / 2, fading, dtype=np.float32)) ** 2
            elif not is_end:  # what follows is decoded without it
                wav[-_FADE_SAMPLES:] *= np.linspace(1.0, 0.0, _FADE_SAMPLES, dtype=np.float32)
            self._wavs.append(wav)
        self._wavs.append(np.zeros((gap_frames - held) * FRAME_SAMPLES, np.float32))


def _mirrored(before: NDArray[np.int16], frames: int) -> NDArray[np.int16]:
    """The last frames of indices [F, Q], backwards; the first of them goes on if there are too few."""
    return before[np.maximum(len(before) - 1 - np.arange(frames), 0)]


def _bridge(before: NDArray[np.int16], after: NDArray[np.int16], frames: int) -> NDArray[np.int16]:
    """Frames for a short gap: one half goes on from before it, the other leads to what follows."""
    first = (frames + 1) // 2
    lead = np.minimum(np.arange(frames - first)[::-1], len(after) - 1)
    return np.concatenate([_mirrored(before, first), after[lead]])
