"""Batches from the cache: crops drawn by (seed, step), so that any step can be drawn again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from siren_cli.audio.pitch import HOP_SAMPLES
from siren_cli.errors import DataError
from siren_cli.phones import NO_PHONE
from siren_cli.training.data.units import units_of

_GRID_FRAMES = 2


class Batch(NamedTuple):
    """Crops on the 10 ms grid: wav [B, F * 160], mel [B, F, M], its envelope [B, F, M], pitch [B, F] (0 unvoiced),
    phones [B, F], and the mel of the same speakers' voices [B, F', M].

    `counts` [2] is how many voiced frames (10 ms) and known phones (20 ms) a part of the whole batch has on average,
    so that losses of parts average to the loss of the whole. Where the cache has them, `front_end` and `teacher`
    [B, F / 2, D] are what self-supervised models heard; `transcripts` [N, 3 + L] has a row for every recording that
    lies in a crop as a whole: crop, first frame and frames (20 ms), units, -1. `speakers` [B] numbers the speakers of
    the split; -1 is somebody else. `voice_envelope` [B, F', M] and `voice_pitch` [B, F'] belong to `voice_mel`. `heard`
    [B, F, M] is the mel of what the semantic branch is to hear instead of `mel`.
    """

    wav: Tensor
    mel: Tensor
    envelope: Tensor
    pitch: Tensor
    phones: Tensor
    voice_mel: Tensor
    counts: Tensor
    front_end: Tensor | None = None
    teacher: Tensor | None = None
    transcripts: Tensor | None = None
    speakers: Tensor | None = None
    voice_envelope: Tensor | None = None
    voice_pitch: Tensor | None = None
    heard: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        present = {k: v for k, v in self._asdict().items() if v is not None}
        return Batch(**{name: tensor.to(device, non_blocking=True) for name, tensor in present.items()})


@dataclass(frozen=True)
class Span:
    """Where a clip lies in the cache, in frames of 10 ms, and what is said in it."""

    clip_id: str
    speaker: str
    first_frame: int
    frames: int
    text: str = ""
    phones: str = ""
    language: str = ""


class Cache:
    """The memory maps that `prepare` wrote."""

    def __init__(self, folder: Path, mel_bins: int) -> None:
        try:
            entries = json.loads((folder / "clips.json").read_text(encoding="utf-8"))
            self.wav = np.memmap(folder / "wav.int16", "<i2", "r").reshape(-1, HOP_SAMPLES)
            self.mel = np.memmap(folder / "mel.float16", "<f2", "r").reshape(-1, mel_bins)
            self.envelope = np.memmap(folder / "envelope.float16", "<f2", "r").reshape(-1, mel_bins)
            self.pitch = np.memmap(folder / "pitch.float16", "<f2", "r")
            self.phones = np.memmap(folder / "phones.uint8", np.uint8, "r")
            facts = folder / "features.json"
            self.ssl_sources: dict[str, dict[str, Any]] = json.loads(facts.read_text()) if facts.exists() else {}
            self.heard = {
                name: np.memmap(folder / f"{name}.float16", "<f2", "r").reshape(-1, said["width"])
                for name, said in self.ssl_sources.items()
            }
        except (OSError, ValueError) as error:
            raise DataError(f"{folder}: not a training cache ({error}); make one with 'siren train prepare'") from error
        self.spans: dict[str, list[Span]] = {}
        for entry in entries:
            said = (entry.get("text", ""), entry.get("phones", ""), entry.get("language", ""))
            span = Span(entry["id"], entry["speaker"], entry["first_frame"], entry["frames"], *said)
            self.spans.setdefault(entry["split"], []).append(span)

    def split(self, name: str) -> list[Span]:
        """The clips of one split.

        Raises:
            DataError: If it has none.
        """
        if not self.spans.get(name):
            raise DataError(f"the cache has no clips of split {name!r}; it has {', '.join(sorted(self.spans))}")
        return self.spans[name]


class Crops:
    """Draws training batches: clips by length, crops of one size, short clips joined to others of their speaker.

    `units` names the kind of transcripts that batches carry (`siren_cli.training.data.units.UNITS`); empty for none.
    """

    def __init__(self, cache: Cache, split: str, seed: int, units: str = "") -> None:
        self.cache = cache
        self.units = units
        self.seed = seed
        self.spans = cache.split(split)
        lengths = np.array([span.frames for span in self.spans], np.float64)
        self.weights = np.cumsum(lengths / lengths.sum())
        self.by_speaker: dict[str, list[Span]] = {}
        for span in self.spans:
            self.by_speaker.setdefault(span.speaker, []).append(span)
        self.numbers = {speaker: number for number, speaker in enumerate(self.by_speaker)}
        self.by_start = {span.first_frame: span for span in self.spans}

    def batch(
        self,
        step: int,
        size: int,
        frames: int,
        voice_frames: int = 300,
        voice_elsewhere: float = 0.5,
        voice_own: bool = False,
        part: tuple[int, int] = (0, 1),
    ) -> Batch:
        """The batch of a step, the same whenever it is asked for.

        Args:
            step: Number of the step.
            size: Crops.
            frames: Length of a crop in frames of 10 ms, even.
            voice_frames: Length of the stretch the voice is heard from, a multiple of 4.
            voice_elsewhere: Share of voices heard from another recording of the speaker.
            voice_own: Whether the other voices are heard from the crop itself, as in encoding, instead of from
                anywhere in its recording.
            part: Which of how many equal parts of the batch is wanted.
        """
        rng = np.random.default_rng((self.seed, step))
        crops, voices, speakers = [], [], []
        for pick in rng.random(size):
            span = self.spans[min(int(np.searchsorted(self.weights, pick)), len(self.spans) - 1)]
            crops.append(self._stretch(span, frames, rng))
            same = self.by_speaker[span.speaker]
            elsewhere = rng.random() < voice_elsewhere
            other = same[int(rng.integers(len(same)))] if elsewhere else span
            heard_again = voice_own and not elsewhere and frames >= voice_frames
            voices.append(crops[-1][:voice_frames] if heard_again else self._stretch(other, voice_frames, rng))
            speakers.append(self.numbers[span.speaker])
        whole = self.read(np.stack(crops), np.stack(voices), part)
        own = slice(part[0] * size // part[1], (part[0] + 1) * size // part[1])
        return whole._replace(speakers=torch.tensor(speakers[own]))

    def read(
        self,
        where: npt.NDArray[np.int64],
        voice_where: npt.NDArray[np.int64],
        part: tuple[int, int] = (0, 1),
    ) -> Batch:
        """The batch, or a part of it, of given cache frames [B, F] and [B, F']."""
        cache = self.cache
        number, parts = part
        voiced, known = cache.pitch[where] > 0, cache.phones[where[:, ::2]] != NO_PHONE
        own = slice(number * len(where) // parts, (number + 1) * len(where) // parts)
        where, voice_where = where[own], voice_where[own]
        wav = torch.from_numpy(cache.wav[where].reshape(len(where), -1).astype(np.float32) / 32767.0)
        heard = {
            name: torch.from_numpy(array[where[:, ::2] // 2].astype(np.float32)) for name, array in cache.heard.items()
        }
        return Batch(
            wav,
            torch.from_numpy(cache.mel[where].astype(np.float32)),
            torch.from_numpy(cache.envelope[where].astype(np.float32)),
            torch.from_numpy(cache.pitch[where].astype(np.float32)),
            torch.from_numpy(cache.phones[where].astype(np.int64)),
            torch.from_numpy(cache.mel[voice_where].astype(np.float32)),
            torch.tensor([voiced.sum() / parts, known.sum() / parts], dtype=torch.float32),
            heard.get("front_end"),
            heard.get("teacher"),
            self._transcripts(where) if self.units else None,
            None,
            torch.from_numpy(cache.envelope[voice_where].astype(np.float32)),
            torch.from_numpy(cache.pitch[voice_where].astype(np.float32)),
        )

    def _transcripts(self, where: npt.NDArray[np.int64]) -> Tensor:
        rows = []
        for crop, frames in enumerate(where):
            position = 0
            while position < len(frames):
                span = self.by_start.get(int(frames[position]))
                whole = span is not None and position + span.frames <= len(frames)
                if span is not None and whole:
                    units = units_of(span.phones if self.units == "phones" else span.text, self.units)
                    if units:
                        rows.append(torch.tensor([crop, position // 2, span.frames // 2, *units]))
                position += span.frames if span is not None and whole else _GRID_FRAMES
        if not rows:
            return torch.zeros(0, 3, dtype=torch.int64)
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)

    def _stretch(self, span: Span, frames: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Cache frames of a crop [frames], continued by other recordings of the speaker where one is too short."""
        pieces: list[npt.NDArray[np.int64]] = []
        missing = frames
        while missing > 0:
            slack = max(0, span.frames - missing) // _GRID_FRAMES
            start = span.first_frame + _GRID_FRAMES * int(rng.integers(slack + 1))
            pieces.append(np.arange(start, start + min(missing, span.frames)))
            missing -= len(pieces[-1])
            same = self.by_speaker[span.speaker]
            span = same[int(rng.integers(len(same)))]
        return np.concatenate(pieces)


def phones_at_50_hz(phones: Tensor) -> Tensor:
    """Labels at 100 Hz [B, F] → at 50 Hz [B, F / 2]; unknown labels become -1."""
    labels = phones[:, ::2]
    return labels.masked_fill(labels == NO_PHONE, -1)
