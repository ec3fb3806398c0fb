"""Where training recordings come from: a folder of audio files, or a JSONL manifest (plain files or tars)."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from siren_cli.errors import DataError

AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif"}


@dataclass(frozen=True)
class Clip:
    """One recording before it is read.

    `phones` is a forced alignment, `"SIL:52 T:7 ..."`, durations in frames of 10 ms, or None; `text` is what is said.
    """

    clip_id: str
    speaker: str
    language: str
    split: str
    file: Path
    shard: Path | None
    phones: str | None
    text: str | None = None


def list_clips(data: Path) -> list[Clip]:
    """Lists the recordings of a data set without reading audio.

    A folder is walked for audio files; the first folder level below it names the speaker. A manifest has one
    JSON object a line: `audio` (or `file`), and optionally `id`, `speaker`, `language`, `split` (`train`,
    `dev`, `test`), `shard` (a tar that holds the file), `text` and `phones`. Paths are relative to the manifest. A file
    `phones.tsv` beside the manifest (`id <TAB> PHONE:n PHONE:n ...`) supplies missing `phones`.

    Args:
        data: Folder or manifest.

    Raises:
        DataError: If there is nothing there, or a line of the manifest is not as described.
    """
    if data.is_dir():
        clips = _clips_of_folder(data)
    elif data.is_file():
        clips = _clips_of_manifest(data)
    else:
        raise DataError(f"{data}: no such folder or manifest; give a folder of recordings or a .jsonl file")
    if not clips:
        raise DataError(
            f"{data}: no recordings found; expected audio files ({' '.join(sorted(AUDIO_SUFFIXES))})"
        )
    return clips


def _clips_of_folder(folder: Path) -> list[Clip]:
    clips = []
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in AUDIO_SUFFIXES and file.is_file():
            inside = file.relative_to(folder)
            speaker = inside.parts[0] if len(inside.parts) > 1 else inside.stem
            clips.append(Clip(str(inside.with_suffix("")), speaker, "", "train", file, None, None))
    return clips


def _clips_of_manifest(manifest: Path) -> list[Clip]:
    phones = _read_phones(manifest.with_name("phones.tsv"))
    clips = []
    for number, line in enumerate(manifest.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            name = entry.get("audio") or entry["file"]
            clip_id = str(entry.get("id") or Path(name).with_suffix(""))
            shard = entry.get("shard")
            clips.append(
                Clip(
                    clip_id=clip_id,
                    speaker=str(entry.get("speaker") or clip_id),
                    language=str(entry.get("language") or ""),
                    split=str(entry.get("split") or "train"),
                    file=Path(name) if shard else manifest.parent / name,
                    shard=manifest.parent / shard if shard else None,
                    phones=entry.get("phones") or phones.get(clip_id),
                    text=entry.get("text"),
                )
            )
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise DataError(
                f"{manifest}:{number}: not a manifest line ({error!r}); expected a JSON object "
                'with at least "audio" or "file"'
            ) from error
    return clips


def _read_phones(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    rows = (line.split("\t", 1) for line in file.read_text(encoding="utf-8").splitlines() if "\t" in line)
    return dict(rows)


def read_clips(clips: list[Clip]) -> Iterator[tuple[Clip, io.BytesIO | Path | None]]:
    """Yields each clip with something soundfile can open, shard by shard; None where the file is missing.

    Args:
        clips: In any order; clips of one tar are grouped so that the tar is read once.
    """
    shards: dict[Path, dict[str, Clip]] = {}
    for clip in clips:
        if clip.shard is None:
            yield clip, clip.file if clip.file.is_file() else None
        else:
            shards.setdefault(clip.shard, {})[clip.file.as_posix()] = clip
    for shard, wanted in shards.items():
        if shard.is_file():
            with tarfile.open(shard) as archive:
                for member in archive:
                    clip_or_none = wanted.pop(member.name, None)
                    handle = archive.extractfile(member) if clip_or_none and member.isfile() else None
                    if clip_or_none and handle:
                        yield clip_or_none, io.BytesIO(handle.read())
        for clip in wanted.values():
            yield clip, None
