"""Batches from the cache: random crops, determined by seed and step."""

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
    """Crops on the 10 ms grid.

    Attributes:
        wav: Samples [B, F * 160].
        mel: Normalised log-mel [B, F, M].
        envelope: The mel without harmonics [B, F, M].
        pitch: ln(F0 / Hz) [B, F], 0 where unvoiced.
        phones: Phone labels [B, F].
        voice_mel: Input of the voice branch: mel of the same speakers [B, F', M].
        counts: Voiced frames (10 ms) and known phones (20 ms) of an average part of the batch [2]. With these counts,
            the mean loss of the parts is the loss of the whole batch.
        front_end: SSL features of a frozen front end [B, F / 2, D], if the cache has them.
        teacher: SSL features of a teacher [B, F / 2, D], if the cache has them.
        transcripts: A row for every recording that lies in a crop as a whole [N, 3 + L]: crop, first frame and frames
            (20 ms), units, padded with -1.
        speakers: Numbers of the speakers in the split [B]; -1 is an unknown speaker.
        voice_envelope: Envelope of `voice_mel` [B, F', M].
        voice_pitch: Pitch of `voice_mel` [B, F'].
        input_mel: Noisy mel for the semantic branch instead of `mel` [B, F, M].
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
    input_mel: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """Copy the batch to a device."""
        present = {k: v for k, v in self._asdict().items() if v is not None}
        return Batch(**{name: tensor.to(device, non_blocking=True) for name, tensor in present.items()})


@dataclass(frozen=True)
class Span:
    """Position of a clip in the cache, in frames of 10 ms, with its transcripts."""

    clip_id: str
    speaker: str
    first_frame: int
    frames: int
    text: str = ""
    phones: str = ""
    language: str = ""


class Cache:
    """Training cache: the memory maps that `prepare` wrote.

    Raises:
        DataError: If the folder is not a cache.
    """

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
            self.ssl_features = {
                name: np.memmap(folder / f"{name}.float16", "<f2", "r").reshape(-1, source["width"])
                for name, source in self.ssl_sources.items()
            }
        except (OSError, ValueError) as error:
            raise DataError(f"{folder}: not a training cache ({error}); make one with 'siren train prepare'") from error
        self.spans: dict[str, list[Span]] = {}
        for entry in entries:
            labels = (entry.get("text", ""), entry.get("phones", ""), entry.get("language", ""))
            span = Span(entry["id"], entry["speaker"], entry["first_frame"], entry["frames"], *labels)
            self.spans.setdefault(entry["split"], []).append(span)

    def split(self, name: str) -> list[Span]:
        """List the clips of one split.

        Raises:
            DataError: If it has none.
        """
        if not self.spans.get(name):
            raise DataError(f"the cache has no clips of split {name!r}; it has {', '.join(sorted(self.spans))}")
        return self.spans[name]


class Crops:
    """Sampler of training batches: crops of one size from clips chosen in proportion to their length.

    Short clips are joined to others of their speaker.

    Args:
        cache: Training cache.
        split: Name of the split.
        seed: Seed of all choices.
        units: Kind of transcripts in batches (`siren_cli.training.data.units.UNITS`); empty for none.

    Raises:
        DataError: If the split has no clips.
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
        """Draw the batch of a step; it depends on seed and step alone.

        Args:
            step: Number of the step.
            size: Number of crops.
            frames: Length of a crop in frames of 10 ms, even.
            voice_frames: Length of the voice branch's input in frames of 10 ms, a multiple of 4.
            voice_elsewhere: Probability of a voice input from another recording of the speaker.
            voice_own: Take the other voice inputs from the crop itself, as in encoding, instead of from anywhere in its
                recording.
            part: Number of the part to draw, and number of equal parts of the batch.
        """
        rng = np.random.default_rng((self.seed, step))
        crops, voices, speakers = [], [], []
        for pick in rng.random(size):
            span = self.spans[min(int(np.searchsorted(self.weights, pick)), len(self.spans) - 1)]
            crops.append(self._crop_frames(span, frames, rng))
            same = self.by_speaker[span.speaker]
            elsewhere = rng.random() < voice_elsewhere
            other = same[int(rng.integers(len(same)))] if elsewhere else span
            is_own = voice_own and not elsewhere and frames >= voice_frames
            voices.append(crops[-1][:voice_frames] if is_own else self._crop_frames(other, voice_frames, rng))
            speakers.append(self.numbers[span.speaker])
        whole = self.read(np.stack(crops), np.stack(voices), part)
        chosen = slice(part[0] * size // part[1], (part[0] + 1) * size // part[1])
        return whole._replace(speakers=torch.tensor(speakers[chosen]))

    def read(
        self,
        where: npt.NDArray[np.int64],
        voice_where: npt.NDArray[np.int64],
        part: tuple[int, int] = (0, 1),
    ) -> Batch:
        """Read the batch, or a part of it, of given cache frames [B, F] and [B, F']."""
        cache = self.cache
        number, parts = part
        voiced, known = cache.pitch[where] > 0, cache.phones[where[:, ::2]] != NO_PHONE
        chosen = slice(number * len(where) // parts, (number + 1) * len(where) // parts)
        where, voice_where = where[chosen], voice_where[chosen]
        wav = torch.from_numpy(cache.wav[where].reshape(len(where), -1).astype(np.float32) / 32767.0)
        ssl_features = {
            name: torch.from_numpy(array[where[:, ::2] // 2].astype(np.float32))
            for name, array in cache.ssl_features.items()
        }
        return Batch(
            wav,
            torch.from_numpy(cache.mel[where].astype(np.float32)),
            torch.from_numpy(cache.envelope[where].astype(np.float32)),
            torch.from_numpy(cache.pitch[where].astype(np.float32)),
            torch.from_numpy(cache.phones[where].astype(np.int64)),
            torch.from_numpy(cache.mel[voice_where].astype(np.float32)),
            torch.tensor([voiced.sum() / parts, known.sum() / parts], dtype=torch.float32),
            ssl_features.get("front_end"),
            ssl_features.get("teacher"),
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

    def _crop_frames(self, span: Span, frames: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Choose the cache frames of a crop [frames]; a short recording is continued by others of its speaker."""
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
    """Decimate labels at 100 Hz [B, F] to 50 Hz [B, F / 2]; unknown labels become -1."""
    labels = phones[:, ::2]
    return labels.masked_fill(labels == NO_PHONE, -1)
