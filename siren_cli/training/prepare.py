"""`siren train prepare`: recordings → one cache of memory maps that training reads without decoding anything.

The cache holds, for all clips end to end, on one grid of 10 ms frames:

- `wav.int16` [frames * 160]: 16 kHz, at the nominal level;
- `mel.float16` [frames, 80]: the model's own log-mel;
- `envelope.float16` [frames, 80]: the same without harmonics (`siren_cli.training.envelope`);
- `pitch.float16` [frames]: ln(F0 / Hz), 0 where unvoiced (RAPT, Talkin 1995, by pysptk);
- `phones.uint8` [frames]: phone number, `NO_PHONE` where unknown;
- `clips.json`: id, speaker, split, language, first frame and number of frames of every clip.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr
import torch

from siren_cli.config import SAMPLE_RATE_HZ, ModelConfig
from siren_cli.errors import DataError
from siren_cli.loudness import NOMINAL_LEVEL_DB, SILENCE_LEVEL_DB, gain_to, speech_level_db
from siren_cli.model.features import LogMel
from siren_cli.phones import phone_track
from siren_cli.pitch import log_pitch
from siren_cli.training.envelope import mel_envelope
from siren_cli.training.filterbank import fill_filterbank
from siren_cli.training.sources import list_clips, read_clips

HOP_SAMPLES = 160
_GRID_FRAMES = 2  # clips start on the 50 Hz grid
_SHORTEST_S = 0.3


def prepare(data: Path, cache: Path, config: ModelConfig, report: Callable[[str], None]) -> dict[str, Any]:
    """Builds the cache; a recording that cannot be used is reported and left out.

    Args:
        data: Folder or manifest (see `siren_cli.training.sources`).
        cache: Folder to write; made if missing.
        config: The model whose mel grid is cached.
        report: Called with one line for every recording left out.

    Returns:
        `{"clips", "hours", "left_out"}`.

    Raises:
        DataError: If no recording could be used.
    """
    cache.mkdir(parents=True, exist_ok=True)
    features = LogMel(config)
    fill_filterbank(features)
    entries: list[dict[str, Any]] = []
    first_frame = left_out = 0
    names = ("wav.int16", "mel.float16", "envelope.float16", "pitch.float16", "phones.uint8")
    files: list[IO[bytes]] = [(cache / name).open("wb") for name in names]
    try:
        for clip, source in read_clips(list_clips(data)):
            try:
                wav = read_training_wav(source)
            except DataError as error:
                report(f"left out {clip.clip_id}: {error}")
                left_out += 1
                continue
            arrays = tracks(wav, features)
            for file, array in zip(files, [*arrays, phone_track(clip.phones, len(arrays[1]))], strict=True):
                array.tofile(file)
            frames = len(arrays[1])
            entries.append(
                {
                    "id": clip.clip_id,
                    "speaker": clip.speaker,
                    "split": clip.split,
                    "language": clip.language,
                    "first_frame": first_frame,
                    "frames": frames,
                }
            )
            first_frame += frames
    finally:
        for file in files:
            file.close()
    if not entries:
        raise DataError(f"{data}: no recording could be used ({left_out} left out); see the lines above")
    (cache / "clips.json").write_text(json.dumps(entries), encoding="utf-8")
    return {
        "clips": len(entries),
        "hours": first_frame * HOP_SAMPLES / SAMPLE_RATE_HZ / 3600,
        "left_out": left_out,
    }


@torch.no_grad()
def tracks(wav: npt.NDArray[np.float32], features: LogMel) -> list[npt.NDArray[Any]]:
    """What the cache holds of one recording but its labels.

    Args:
        wav: Samples [T] at the nominal level.
        features: The model's mel.

    Returns:
        wav int16 [T], mel float16 [F, M], envelope float16 [F, M], pitch float16 [F].
    """
    samples = torch.from_numpy(wav)
    mel = features(samples[None])[0]
    pitch = log_pitch(wav, len(mel))
    envelope = mel_envelope(samples, torch.from_numpy(pitch), features)
    halves = [array.astype("<f2") for array in (mel.numpy(), envelope.numpy(), pitch)]
    return [(wav * 32767.0).round().astype("<i2"), *halves]


def read_training_wav(source: Any) -> npt.NDArray[np.float32]:
    """Reads one recording as mono 16 kHz at the nominal level, padded to the 50 Hz grid.

    Args:
        source: Path or file object for soundfile; None stands for a missing file.

    Returns:
        Samples [T], T a multiple of 320.

    Raises:
        DataError: If it is missing, unreadable, non-finite, silent or shorter than 0.3 s.
    """
    if source is None:
        raise DataError("the file is missing")
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
