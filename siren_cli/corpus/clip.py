"""One recording of a data set before it is read."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from siren_cli.errors import DataError

Audio = io.BytesIO | Path | DataError
"""Something soundfile opens, or why there is nothing to open."""


@dataclass(frozen=True)
class Clip:
    """One recording before it is read.

    `phones` is a forced alignment, `"SIL:52 T:7 ..."`, durations in frames of 10 ms; or the phones alone,
    `"T UW ..."`; or None. `text` is what is said. `split` is empty where nobody said. `file` is a path of its own, or
    inside the tar `shard`; what `read_source` yields may have neither.
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
    """The recording that a manifest line, or a row of a data set, describes.

    Args:
        entry: Its fields.
        clip_id: Used where it has no `id`.
        speaker: Used where it has no `speaker`; empty for the id.
        phones: Used where it has no `phones`.
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
