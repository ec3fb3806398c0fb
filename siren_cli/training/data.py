"""Batches from the cache: crops drawn by (seed, step), so that any step can be drawn again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from siren_cli.errors import DataError
from siren_cli.phones import NO_PHONE
from siren_cli.training.prepare import HOP_SAMPLES

_GRID_FRAMES = 2


class Batch(NamedTuple):
    """Crops on the 10 ms grid: wav [B, F * 160], mel [B, F, M], its envelope [B, F, M], pitch [B, F] (0 unvoiced),
    phones [B, F], and the mel of the same speakers' voices [B, F', M].
    """

    wav: Tensor
    mel: Tensor
    envelope: Tensor
    pitch: Tensor
    phones: Tensor
    voice_mel: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in self))


@dataclass(frozen=True)
class Span:
    """Where a clip lies in the cache, in frames of 10 ms."""

    clip_id: str
    speaker: str
    first_frame: int
    frames: int


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
        except (OSError, ValueError) as error:
            raise DataError(
                f"{folder}: not a training cache ({error}); make one with 'siren train prepare'"
            ) from error
        self.spans: dict[str, list[Span]] = {}
        for entry in entries:
            span = Span(entry["id"], entry["speaker"], entry["first_frame"], entry["frames"])
            self.spans.setdefault(entry["split"], []).append(span)

    def split(self, name: str) -> list[Span]:
        """The clips of one split.

        Raises:
            DataError: If it has none.
        """
        if not self.spans.get(name):
            raise DataError(
                f"the cache has no clips of split {name!r}; it has {', '.join(sorted(self.spans))}"
            )
        return self.spans[name]


class Crops:
    """Draws training batches: clips by length, crops of one size, short clips joined to others of their speaker."""

    def __init__(self, cache: Cache, split: str, seed: int) -> None:
        self.cache = cache
        self.seed = seed
        self.spans = cache.split(split)
        lengths = np.array([span.frames for span in self.spans], np.float64)
        self.weights = np.cumsum(lengths / lengths.sum())
        self.by_speaker: dict[str, list[Span]] = {}
        for span in self.spans:
            self.by_speaker.setdefault(span.speaker, []).append(span)

    def batch(
        self, step: int, size: int, frames: int, voice_frames: int = 300, voice_elsewhere: float = 0.5
    ) -> Batch:
        """The batch of a step, the same whenever it is asked for.

        Args:
            step: Number of the step.
            size: Crops.
            frames: Length of a crop in frames of 10 ms, even.
            voice_frames: Length of the stretch the voice is heard from, a multiple of 4.
            voice_elsewhere: Share of voices heard from another recording of the speaker.
        """
        rng = np.random.default_rng((self.seed, step))
        crops, voices = [], []
        for pick in rng.random(size):
            span = self.spans[min(int(np.searchsorted(self.weights, pick)), len(self.spans) - 1)]
            crops.append(self._stretch(span, frames, rng))
            same = self.by_speaker[span.speaker]
            other = same[int(rng.integers(len(same)))] if rng.random() < voice_elsewhere else span
            voices.append(self._stretch(other, voice_frames, rng))
        where, voice_where = np.stack(crops), np.stack(voices)
        return self.read(where, voice_where)

    def read(self, where: npt.NDArray[np.int64], voice_where: npt.NDArray[np.int64]) -> Batch:
        """The batch of given cache frames [B, F] and [B, F']."""
        cache = self.cache
        wav = torch.from_numpy(cache.wav[where].reshape(len(where), -1).astype(np.float32) / 32767.0)
        return Batch(
            wav,
            torch.from_numpy(cache.mel[where].astype(np.float32)),
            torch.from_numpy(cache.envelope[where].astype(np.float32)),
            torch.from_numpy(cache.pitch[where].astype(np.float32)),
            torch.from_numpy(cache.phones[where].astype(np.int64)),
            torch.from_numpy(cache.mel[voice_where].astype(np.float32)),
        )

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
