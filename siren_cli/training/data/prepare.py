"""Phase `prepare` of training: recordings → a cache of memory maps, which training reads without decoding audio.

The cache holds, for all clips end to end, on one grid of 10 ms frames:

- `wav.int16` [frames * 160]: 16 kHz, at the nominal level;
- `mel.float16` [frames, 80]: the model's log-mel;
- `envelope.float16` [frames, 80]: the same without harmonics (`siren_cli.training.data.envelope`);
- `pitch.float16` [frames]: ln(F0 / Hz), 0 where unvoiced (RAPT, Talkin 1995, by pysptk);
- `phones.uint8` [frames]: phone number, `NO_PHONE` where unknown;
- `front_end.float16`, `teacher.float16` [frames / 2, D]: SSL features, if the config needs them; `features.json`
  names the networks;
- `clips.json`: id, speaker, split, language, text, phones, first frame and number of frames of every clip.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr
import torch

from siren_cli.audio.level import NOMINAL_LEVEL_DB, SILENCE_LEVEL_DB, gain_to, speech_level_db
from siren_cli.audio.pitch import HOP_SAMPLES, log_pitch
from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.corpus.clip import Audio
from siren_cli.corpus.sources import read_source
from siren_cli.errors import DataError, OutputUnwritable
from siren_cli.files.streams import reason_of, write_bytes_atomic
from siren_cli.model.features import LogMel
from siren_cli.phones import phone_track
from siren_cli.training.config import RunConfig
from siren_cli.training.data.envelope import mel_envelope
from siren_cli.training.data.filterbank import fill_filterbank
from siren_cli.training.data.ssl_features import ssl_extractors
from siren_cli.training.data.units import phone_sequence

_GRID_FRAMES = 2  # clips start on the 50 Hz grid
_SHORTEST_S = 0.3
_SPEAKERS_TO_SPLIT = 5
TRACKS = ("wav.int16", "mel.float16", "envelope.float16", "pitch.float16", "phones.uint8")


class CacheWriter:
    """Writer of a cache: files have temporary names until `finish` renames them, `clips.json` last."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.folder = folder
        self.names = names

    def __enter__(self) -> CacheWriter:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.files: list[IO[bytes]] = [(self.folder / f"{name}.part").open("wb") for name in self.names]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # on a full disk, flushing the buffers fails too
            for file in self.files:
                file.close()
        for name in self.names:
            (self.folder / f"{name}.part").unlink(missing_ok=True)

    def append(self, arrays: list[npt.NDArray[Any]]) -> None:
        """Add one recording: one array for every name."""
        for file, array in zip(self.files, arrays, strict=True):
            file.write(np.ascontiguousarray(array).data)

    def finish(self, facts: dict[str, Any]) -> None:
        """Rename all files and write JSON files beside them, in their order."""
        for file in self.files:
            file.close()
        (self.folder / list(facts)[-1]).unlink(missing_ok=True)
        for name in self.names:
            os.replace(self.folder / f"{name}.part", self.folder / name)
        for name, values in facts.items():
            write_bytes_atomic(str(self.folder / name), json.dumps(values).encode())


def prepare(
    sources: list[str], cache: Path, config: RunConfig, report: Callable[[str], None], device: torch.device
) -> dict[str, Any]:
    """Build the cache; a recording that cannot be used is reported and left out.

    If the call fails or is interrupted, an older cache stays as it was and no half-written one is left.

    Args:
        sources: See `siren_cli.corpus.sources.read_source`.
        cache: Folder to write; made if missing.
        config: Settings with the model's mel grid and the SSL networks.
        report: Called with one line for every recording left out.
        device: Device of the SSL networks.

    Returns:
        `{"clips", "hours", "left_out", "speakers"}`.

    Raises:
        DataError: If no recording could be used.
        OutputUnwritable: If the cache cannot be written.
    """
    features = LogMel(config.model)
    fill_filterbank(features)
    extractors = ssl_extractors(config, device)
    entries: list[dict[str, Any]] = []
    first_frame = left_out = 0
    try:
        with CacheWriter(cache, [*TRACKS, *(f"{name}.float16" for name in extractors)]) as writer:
            for clip, source in (item for name in sources for item in read_source(name)):
                try:
                    wav = read_training_wav(source)
                except DataError as error:
                    report(f"left out {clip.clip_id}: {error}")
                    left_out += 1
                    continue
                arrays = tracks(wav, features)
                frames = len(arrays[1])
                ssl_features = [extractor.extract(wav) for extractor in extractors.values()]
                writer.append([*arrays, phone_track(clip.phones, frames), *ssl_features])
                entries.append(
                    {
                        "id": clip.clip_id,
                        "speaker": clip.speaker,
                        "split": clip.split,
                        "language": clip.language,
                        "text": clip.text or "",
                        "phones": phone_sequence(clip.phones),
                        "first_frame": first_frame,
                        "frames": frames,
                    }
                )
                first_frame += frames
            if not entries:
                raise DataError(
                    f"{', '.join(sources)}: no recording could be used ({left_out} left out); see the lines above"
                )
            hold_out(entries, config.prepare.dev_share)
            facts = {name: extractor.facts for name, extractor in extractors.items()}
            writer.finish({"features.json": facts, "clips.json": entries})
    except OSError as error:
        raise OutputUnwritable(
            f"{cache}: cannot be written ({reason_of(error)}); free space or give --cache"
        ) from error
    return {
        "clips": len(entries),
        "hours": first_frame * HOP_SAMPLES / SAMPLE_RATE_HZ / 3600,
        "left_out": left_out,
        "speakers": len({entry["speaker"] for entry in entries}),
    }


def hold_out(entries: list[dict[str, Any]], share: float) -> None:
    """Hold out clips for split `dev` if no clip has a split: whole speakers if there are five, else single clips.

    The choice depends on the names alone; so a growing data set keeps its split.

    Args:
        entries: Clips as in `clips.json`; their `split` is filled in.
        share: Approximate share of speech to hold out.
    """
    if any(entry["split"] for entry in entries) or share == 0.0:
        for entry in entries:
            entry["split"] = entry["split"] or "train"
        return
    frames: dict[str, int] = {}
    key = "speaker" if len({entry["speaker"] for entry in entries}) >= _SPEAKERS_TO_SPLIT else "id"
    for entry in entries:
        frames[entry[key]] = frames.get(entry[key], 0) + entry["frames"]
    target = share * sum(frames.values())
    held: set[str] = set()
    for name in sorted(frames, key=lambda name: hashlib.sha256(name.encode()).digest()):
        if len(held) >= len(frames) - 1 or sum(frames[done] for done in held) >= target:
            break
        held.add(name)
    for entry in entries:
        entry["split"] = "dev" if entry[key] in held else "train"


@torch.no_grad()
def tracks(wav: npt.NDArray[np.float32], features: LogMel) -> list[npt.NDArray[Any]]:
    """Compute the tracks of one recording for the cache, without labels.

    Args:
        wav: Samples [T] at the nominal level.
        features: The model's log-mel.

    Returns:
        wav int16 [T], mel float16 [F, M], envelope float16 [F, M], pitch float16 [F].
    """
    samples = torch.from_numpy(wav)
    mel = features(samples[None])[0]
    pitch = log_pitch(wav, len(mel))
    envelope = mel_envelope(samples, torch.from_numpy(pitch), features)
    halves = [array.astype("<f2") for array in (mel.numpy(), envelope.numpy(), pitch)]
    return [(wav * 32767.0).round().astype("<i2"), *halves]


def read_training_wav(source: Audio) -> npt.NDArray[np.float32]:
    """Read one recording as mono 16 kHz at the nominal level, padded to the 50 Hz grid.

    Args:
        source: Path or file object for soundfile, or the error of a missing one.

    Returns:
        Samples [T], T a multiple of 320.

    Raises:
        DataError: If it is missing, unreadable, non-finite, silent or shorter than 0.3 s.
    """
    if isinstance(source, DataError):
        raise source
    try:
        samples, rate_hz = soundfile.read(source, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise DataError(f"not readable audio ({error})") from error
    wav = samples.mean(axis=1)
    if not np.isfinite(wav).all():
        raise DataError("holds samples that are not finite")
    if rate_hz != SAMPLE_RATE_HZ:
        wav = soxr.resample(wav, rate_hz, SAMPLE_RATE_HZ, quality="HQ")
    if len(wav) < _SHORTEST_S * SAMPLE_RATE_HZ:
        raise DataError(f"{len(wav) / SAMPLE_RATE_HZ:.2f} s long, shorter than {_SHORTEST_S} s")
    level_db = speech_level_db(wav)
    if level_db <= SILENCE_LEVEL_DB + 20:
        raise DataError(f"silent ({level_db:.0f} dBFS)")
    wav = np.clip(wav * gain_to(NOMINAL_LEVEL_DB, level_db), -1.0, 1.0)
    grid = HOP_SAMPLES * _GRID_FRAMES
    return np.pad(wav, (0, -len(wav) % grid)).astype(np.float32)
