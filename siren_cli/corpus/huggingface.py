"""Recordings of Hugging Face data sets, from disk or from the hub."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from siren_cli.corpus.clip import Audio, Clip, clip_of
from siren_cli.errors import DataError

_COLUMNS = {
    "id": ("id", "clip_id", "utterance_id", "segment_id"),
    "speaker": ("speaker", "speaker_id", "client_id", "spk_id"),
    "text": ("text", "sentence", "transcription", "transcript", "normalized_text"),
    "language": ("language", "locale", "lang"),
    "phones": ("phones",),
}
"""Field of a manifest line → column names of data sets; the first one present counts."""

_SPLITS = {"train": "train", "validation": "dev", "dev": "dev", "valid": "dev", "test": "test"}


def read_dataset(source: str) -> Iterator[tuple[Clip, Audio]]:
    """Iterate over the recordings of a data set, one split after another, without decoding them.

    A split `validation` becomes `dev`. For a data set with one split, or with other names, `prepare` chooses the split.

    Args:
        source: `hf:NAME`, `hf:NAME:CONFIG` (streamed from the hub) or `hf-disk:PATH` (written by `save_to_disk`).

    Raises:
        DataError: If it cannot be opened, or has no column `audio`.
    """
    splits = _open(source)
    for split, rows in splits.items():
        known = _SPLITS.get(split.split(".")[0], "") if len(splits) > 1 else ""
        for number, row in enumerate(rows):
            entry = {
                field: next((row[name] for name in names if row.get(name) is not None), None)
                for field, names in _COLUMNS.items()
            }
            audio = row.get("audio")
            path = Path(str(audio.get("path") or "")) if isinstance(audio, dict) else Path()
            clip = clip_of({**entry, "split": known}, f"{split}/{number}", "")
            yield clip, _audio_of(audio, path)


def _audio_of(audio: Any, path: Path) -> Audio:
    if isinstance(audio, dict) and audio.get("bytes"):
        return io.BytesIO(audio["bytes"])
    return path if path.is_file() else DataError("the row holds neither the bytes of audio nor a file's path")


def _open(source: str) -> dict[str, Iterable[dict[str, Any]]]:
    try:
        from datasets import Audio as AudioColumn
        from datasets import load_dataset, load_from_disk
    except ImportError as error:
        raise DataError(f"{source}: needs the library datasets ({error}); install siren-codec[train]") from error
    kind, _, name = source.partition(":")
    try:
        if kind == "hf-disk":
            loaded = load_from_disk(name)
        else:
            name, _, config = name.partition(":")
            loaded = load_dataset(name, config or None, streaming=True)
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise DataError(f"{source}: not a data set that can be opened ({reason}); check name and network") from error
    splits = dict(loaded) if isinstance(loaded, dict) else {"all": loaded}
    for split, rows in splits.items():
        columns = rows.column_names
        if columns is not None and "audio" not in columns:
            raise DataError(f"{source}: split {split} has no column 'audio' (it has {', '.join(columns)}); rename one")
        splits[split] = rows.cast_column("audio", AudioColumn(decode=False))
    return splits
