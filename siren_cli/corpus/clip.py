"""Clip: one recording of a data set, before its audio is read."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from siren_cli.errors import DataError

Audio = io.BytesIO | Path | DataError
"""Source of audio for soundfile, or the error of a missing one."""


@dataclass(frozen=True)
class Clip:
    """One recording, before its audio is read.

    Attributes:
        clip_id: Id in the data set.
        speaker: Name of the speaker.
        language: Language; empty if unknown.
        split: Split of the data set; empty if unknown.
        file: Path of the file, or its path inside the tar `shard`; `read_source` may leave both empty.
        shard: Tar with the file; None for a plain file.
        phones: Forced alignment, `"SIL:52 T:7 ..."` with durations in frames of 10 ms; or phones alone, `"T UW ..."`;
            None if unknown.
        text: Transcript; None if unknown.
    """

    clip_id: str
    speaker: str
    language: str = ""
    split: str = ""
    file: Path = Path()
    shard: Path | None = None
    phones: str | None = None
    text: str | None = None


def clip_of(entry: dict[str, Any], clip_id: str, speaker: str, phones: str | None = None) -> Clip:
    """Build the clip of a manifest line or of a row of a data set.

    Args:
        entry: Its fields.
        clip_id: Default of `id`.
        speaker: Default of `speaker`; empty for the id.
        phones: Default of `phones`.
    """
    clip_id = str(entry.get("id") or clip_id)
    named = entry.get("speaker") if entry.get("speaker") not in (None, "") else speaker
    return Clip(
        clip_id=clip_id,
        speaker=str(named if named != "" else clip_id),
        language=str(entry.get("language") or ""),
        split=str(entry.get("split") or ""),
        phones=entry.get("phones") or phones,
        text=None if entry.get("text") is None else str(entry["text"]),
    )
