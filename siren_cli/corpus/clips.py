"""Clips of a data set: their samples, words and forced alignments."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from siren_cli.audio.resampling import mix_down, resample
from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.corpus.clip import Clip
from siren_cli.corpus.sources import list_clips
from siren_cli.errors import AudioEmpty, AudioInvalid, AudioUnreadable, DataError, SirenError

SHORTEST_S = 0.3
"""Shortest clip, s; most metrics need as much."""

_SILENT = 1e-4


def list_material(data: Path, split: str | None, limit: int | None, audio: Path | None = None) -> list[Clip]:
    """List the clips of an evaluation, without reading audio.

    Words come from the manifest's `text`, or, in a folder, from `NAME.txt` beside `NAME.wav` or from LibriSpeech's
    `*.trans.txt`. Alignments come from the manifest or from `phones.tsv` beside it or in the folder.

    Args:
        data: Folder of recordings or manifest (see `siren_cli.corpus.sources`).
        split: Split of the manifest; None for all.
        limit: Largest number of clips, evenly spread over the list; None for all.
        audio: Folder with the manifest's files; None for the manifest's own.

    Returns:
        The clips, in the order of the list.

    Raises:
        DataError: If there is no such data or nothing is in the split.
    """
    clips = list_clips(data)
    if data.is_dir():
        clips = _with_words(data, clips)
    elif audio is not None:
        clips = [_moved(clip, data.parent, audio) for clip in clips]
    if split is not None and data.is_file():
        found = sorted({clip.split for clip in clips})
        clips = [clip for clip in clips if clip.split == split]
        if not clips:
            raise DataError(f"{data}: no clips of split {split!r}, it has {', '.join(found)}; give --split one of them")
    if limit is not None and limit < len(clips):
        clips = [clips[number * len(clips) // limit] for number in range(limit)]
    return clips


def read_clip(clip: Clip) -> NDArray[np.float32]:
    """Read a clip as input of the codecs.

    Args:
        clip: From `list_material`.

    Returns:
        Samples [T] at 16 kHz, one channel, rounded to 16 bits, full scale at 1.

    Raises:
        AudioUnreadable: If it is missing or not audio.
        AudioEmpty: If it holds no samples or is silent.
        AudioInvalid: If a sample is not finite or it is shorter than `SHORTEST_S`.
    """
    try:
        wav, rate_hz = soundfile.read(_open(clip), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, tarfile.TarError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise AudioUnreadable(f"not readable as audio ({reason}); restore the file") from error
    if len(wav) == 0:
        raise AudioEmpty("holds no samples; restore the file")
    if not np.isfinite(wav).all():
        raise AudioInvalid("holds samples that are not finite; restore the file")
    if len(wav) < SHORTEST_S * rate_hz:
        raise AudioInvalid(f"{len(wav) / rate_hz:.2f} s long, expected at least {SHORTEST_S} s; join it to others")
    if float(np.abs(wav).max()) < _SILENT:
        raise AudioEmpty("is silent, expected speech; take it out")
    return to_16_bits(resample(mix_down(wav), rate_hz, SAMPLE_RATE_HZ))


def read_joined(clips: list[Clip], duration_s: float | None = None) -> NDArray[np.float32]:
    """Join clips to one recording, cut to a duration.

    Args:
        clips: Readable clips.
        duration_s: Largest duration, s; None for all.

    Returns:
        Samples [T] at 16 kHz.
    """
    samples = None if duration_s is None else round(duration_s * SAMPLE_RATE_HZ)
    pieces: list[NDArray[np.float32]] = []
    for clip in clips:
        if samples is not None and sum(map(len, pieces)) >= samples:
            break
        pieces.append(read_clip(clip))
    return np.concatenate(pieces)[:samples]


def first_readable(clips: list[Clip], number: int) -> Clip | None:
    """Find the next readable clip, in the order of the list, of another speaker than clip `number`."""
    for offset in range(1, len(clips)):
        other = clips[(number + offset) % len(clips)]
        if other.speaker != clips[number].speaker and _is_readable(other):
            return other
    return None


def to_16_bits(wav: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round samples to 16 bits; samples of a 16-bit file do not change."""
    rounded: NDArray[np.float32] = (np.clip(np.round(wav * 32768.0), -32768, 32767) / 32768.0).astype(np.float32)
    return rounded


def _moved(clip: Clip, old: Path, new: Path) -> Clip:
    is_inside = clip.shard is None and clip.file.is_relative_to(old)
    return replace(clip, file=new / clip.file.relative_to(old)) if is_inside else clip


def _is_readable(clip: Clip) -> bool:
    try:
        read_clip(clip)
    except SirenError:
        return False
    return True


def _open(clip: Clip) -> io.BytesIO | Path:
    if clip.shard is None:
        return clip.file
    with tarfile.open(clip.shard) as archive:
        member = archive.extractfile(clip.file.as_posix())
        return io.BytesIO(b"" if member is None else member.read())


def _with_words(folder: Path, clips: list[Clip]) -> list[Clip]:
    words: dict[str, str] = {}
    for file in sorted(folder.rglob("*.trans.txt")):
        for line in file.read_text(encoding="utf-8").splitlines():
            name, _, said = line.partition(" ")
            words[name] = said
    phones: dict[str, str] = {}
    if (folder / "phones.tsv").is_file():
        for line in (folder / "phones.tsv").read_text(encoding="utf-8").splitlines():
            name, _, track = line.partition("\t")
            phones[name.rpartition("/")[2]] = track
    found = []
    for clip in clips:
        beside = clip.file.with_suffix(".txt")
        text: str | None = words.get(clip.file.stem)
        if text is None and beside.is_file():
            text = beside.read_text(encoding="utf-8").strip()
        found.append(replace(clip, text=text, phones=clip.phones or phones.get(clip.file.stem)))
    return found


def readable(clips: Sequence[Clip]) -> tuple[list[Clip], list[dict[str, str]]]:
    """Split clips into usable and unusable ones.

    Args:
        clips: The clips.

    Returns:
        The clips that are audio, long enough and not silent; `{"id", "left_out"}`, with the reason, for the others.

    Raises:
        DataError: If none can be used.
    """
    found, left_out = [], []
    for clip in clips:
        try:
            read_clip(clip)
            found.append(clip)
        except SirenError as error:
            left_out.append({"id": clip.clip_id, "left_out": str(error)})
    if not found:
        raise DataError(f"none of {len(clips)} clips can be used ({left_out[0]['left_out']}); give others")
    return found, left_out


def with_alignments(clips: Sequence[Clip]) -> list[Clip]:
    """Select the clips with phones.

    Raises:
        DataError: If there are none.
    """
    found = [clip for clip in clips if clip.phones]
    if not found:
        raise DataError(
            f"none of {len(clips)} clips has an alignment of its phones, this study needs them; give a manifest with "
            "'phones', or phones.tsv"
        )
    return found


def by_speaker(clips: Sequence[Clip]) -> dict[str, list[Clip]]:
    """Group clips by speaker, both in the order of the list."""
    found: dict[str, list[Clip]] = {}
    for clip in clips:
        found.setdefault(clip.speaker, []).append(clip)
    return found


def as_text(figure: dict[str, Any] | None, decimals: int) -> str:
    """Format a value with its interval; a dash for none."""
    if figure is None:
        return "–"
    value, low, high = (f"{figure[key]:.{decimals}f}" for key in ("value", "low", "high"))
    return value if low == high else f"{value} [{low}, {high}]"
