"""Sources of recordings: folders, tars, JSONL manifests, Hugging Face data sets."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from siren_cli.corpus.clip import Clip, clip_of
from siren_cli.errors import DataError

if TYPE_CHECKING:
    from siren_cli.corpus.clip import Audio

AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif"}

_SUFFIXES = " ".join(sorted(AUDIO_SUFFIXES))


def read_source(source: str) -> Iterator[tuple[Clip, Audio]]:
    """Iterate over the recordings of one source.

    - A folder is searched for audio files and tars; the first folder level below it names the speaker.
    - A tar holds audio files and, beside each, optionally `.json` (the fields of a manifest line) and `.txt` (its
      text), as in WebDataset.
    - A manifest (`.jsonl`) has one JSON object a line: `audio` (or `file`), and optionally `id`, `speaker`, `text`,
      `language`, `split` (`train`, `dev`, `test`), `shard` (a tar with the file) and `phones`. Paths are
      relative to the manifest. A file `phones.tsv` beside it (`id <TAB> PHONE:n ...`) supplies missing `phones`.
    - `hf:NAME`, `hf:NAME:CONFIG` and `hf-disk:PATH` are data sets of the library `datasets`.

    Args:
        source: As above.

    Raises:
        DataError: If there is nothing there, or a line of the manifest is not as described. What is wrong with a
            single recording is yielded in its place.
    """
    if source.startswith(("hf:", "hf-disk:")):
        from siren_cli.corpus.huggingface import read_dataset

        yield from read_dataset(source)
        return
    path = Path(source)
    if path.is_dir():
        yield from _read_folder(path)
    elif path.is_file() and path.suffix == ".tar":
        yield from _read_tar(path)
    else:
        yield from read_clips(list_clips(path))


def list_clips(data: Path) -> list[Clip]:
    """List the recordings of a folder (without tars) or a manifest, without reading audio.

    Args:
        data: As for `read_source`.

    Raises:
        DataError: If there is nothing there, or a line of the manifest is not as described.
    """
    if data.is_dir():
        clips = [_clip_in_folder(data, file) for file in sorted(data.rglob("*")) if _is_audio(file)]
    elif data.is_file():
        clips = _clips_of_manifest(data)
    else:
        raise DataError(
            f"{data}: no such folder or manifest; give a folder of recordings, a .tar, a .jsonl file, hf:NAME or "
            "hf-disk:PATH"
        )
    if not clips:
        raise DataError(f"{data}: no recordings found; expected audio files ({_SUFFIXES})")
    return clips


def _is_audio(file: Path) -> bool:
    return file.suffix.lower() in AUDIO_SUFFIXES and file.is_file()


def _clip_in_folder(folder: Path, file: Path) -> Clip:
    inside = file.relative_to(folder)
    speaker = inside.parts[0] if len(inside.parts) > 1 else inside.stem
    return Clip(str(inside.with_suffix("")), speaker, file=file)


def _read_folder(folder: Path) -> Iterator[tuple[Clip, Audio]]:
    empty = True
    for file in sorted(folder.rglob("*")):
        if _is_audio(file):
            empty = False
            yield _clip_in_folder(folder, file), file
        elif file.suffix == ".tar":
            empty = False
            yield from _read_tar(file)
    if empty:
        raise DataError(f"{folder}: no recordings found; expected audio files ({_SUFFIXES}) or tars")


def _read_tar(tar: Path) -> Iterator[tuple[Clip, Audio]]:
    """Iterate over the recordings of a tar, in its order; their `.json` and `.txt` may come before or after them."""
    try:
        with tarfile.open(tar) as archive:
            members = {member.name: member for member in archive if member.isfile()}
            for name, member in members.items():
                inside = Path(name)
                if inside.suffix.lower() not in AUDIO_SUFFIXES:
                    continue
                stem = name[: -len(inside.suffix)]
                fields = json.loads(_content(archive, members.get(f"{stem}.json")) or "{}")
                text = _content(archive, members.get(f"{stem}.txt")).decode("utf-8").strip() or None
                speaker = inside.parts[0] if len(inside.parts) > 1 else ""
                clip = clip_of({"text": text, **fields}, f"{tar.stem}/{stem}", speaker)
                yield clip, io.BytesIO(_content(archive, member))
    except (tarfile.TarError, OSError, EOFError, ValueError, AttributeError) as error:
        yield Clip(tar.name, tar.name), DataError(f"not a whole tar ({error}); what came before this is kept")


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo | None) -> bytes:
    handle = archive.extractfile(member) if member else None
    return handle.read() if handle else b""


def _clips_of_manifest(manifest: Path) -> list[Clip]:
    phones = _read_phones(manifest.with_name("phones.tsv"))
    try:
        lines = manifest.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{manifest}: not a readable manifest ({error}); expected lines of JSON") from error
    clips = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            name = entry.get("audio") or entry["file"]
            clip_id = str(entry.get("id") or Path(name).with_suffix(""))
            shard = manifest.parent / entry["shard"] if entry.get("shard") else None
            file = Path(name) if shard else manifest.parent / name
            clips.append(replace(clip_of(entry, clip_id, "", phones.get(clip_id)), file=file, shard=shard))
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise DataError(
                f"{manifest}:{number}: not a manifest line ({error!r}); expected a JSON object "
                'with at least "audio" or "file"'
            ) from error
    return clips


def read_clips(clips: list[Clip]) -> Iterator[tuple[Clip, Audio]]:
    """Iterate over recordings: plain files in order, then shard by shard, each read once.

    Args:
        clips: From `list_clips`.

    Yields:
        Every recording, or its error.
    """
    shards: dict[Path, dict[str, Clip]] = {}
    for clip in clips:
        if clip.shard is None:
            yield clip, clip.file if clip.file.is_file() else DataError("the file is missing")
        else:
            shards.setdefault(clip.shard, {})[clip.file.as_posix()] = clip
    for shard, wanted in shards.items():
        yield from _read_shard(shard, wanted)


def _read_shard(shard: Path, wanted: dict[str, Clip]) -> Iterator[tuple[Clip, Audio]]:
    reason = f"the file is missing in {shard.name}"
    try:
        with tarfile.open(shard) as archive:
            for member in archive:
                if member.isfile() and member.name in wanted:
                    yield wanted.pop(member.name), io.BytesIO(_content(archive, member))
    except (tarfile.TarError, OSError, EOFError) as error:
        reason = f"{shard.name} is not a whole tar ({error})"
    for clip in wanted.values():
        yield clip, DataError(reason)


def _read_phones(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    rows = (line.split("\t", 1) for line in file.read_text(encoding="utf-8").splitlines() if "\t" in line)
    return dict(rows)
