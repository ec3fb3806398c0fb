"""A folder as files of limited size, for machines that only take small ones; and back. No torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from siren_cli.errors import DataError, OutputUnwritable
from siren_cli.files.streams import reason_of, write_bytes_atomic

PART_BYTES = 13 * 2**20
"""Largest part, below 14 MiB."""

MANIFEST_NAME = "pack.json"
_LEFT_OUT = ("cache", "tensorboard")
_LEFT_OUT_SUFFIXES = (".tmp", ".part")


def pack(folder: Path, target: Path, part_bytes: int = PART_BYTES) -> dict[str, int]:
    """Writes a folder as numbered parts and a list of what they hold.

    Left out are a run's cache and its TensorBoard files: pack the cache by itself.

    Args:
        folder: A run folder, a cache, or any other.
        target: Folder to write; parts of an earlier pack are replaced.
        part_bytes: Size of the largest part.

    Returns:
        `{"files", "parts", "bytes"}`.

    Raises:
        DataError: If the folder is not there or empty.
        OutputUnwritable: If the parts cannot be written.
    """
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.relative_to(folder).parts[0] not in _LEFT_OUT
        and path.suffix not in _LEFT_OUT_SUFFIXES
    ]
    if not files:
        raise DataError(f"{folder}: no files to pack; give the folder of a run or a cache")
    entries: list[dict[str, Any]] = []
    count = total_bytes = 0
    try:
        target.mkdir(parents=True, exist_ok=True)
        for old in [target / MANIFEST_NAME, *target.glob("part-*.bin")]:
            old.unlink(missing_ok=True)
        for path in files:
            digest, size_bytes, parts = hashlib.sha256(), 0, []
            with path.open("rb") as file:
                while data := file.read(part_bytes):
                    parts.append(f"part-{count:05}.bin")
                    write_bytes_atomic(str(target / parts[-1]), data)
                    digest.update(data)
                    size_bytes += len(data)
                    count += 1
            name = path.relative_to(folder).as_posix()
            entries.append({"path": name, "bytes": size_bytes, "sha256": digest.hexdigest(), "parts": parts})
            total_bytes += size_bytes
        write_bytes_atomic(str(target / MANIFEST_NAME), json.dumps(entries, indent=1).encode())
    except OSError as error:
        raise OutputUnwritable(f"{target}: cannot be written ({reason_of(error)}); free space") from error
    return {"files": len(files), "parts": count, "bytes": total_bytes}


def unpack(source: Path, folder: Path) -> dict[str, int]:
    """Writes the files that `pack` read; each is checked before it takes its name.

    Args:
        source: Folder with the parts.
        folder: Folder to write; files of the same names are replaced.

    Returns:
        `{"files", "bytes"}`.

    Raises:
        DataError: If the parts are not complete and unchanged.
        OutputUnwritable: If the files cannot be written.
    """
    total_bytes = 0
    try:
        entries = json.loads((source / MANIFEST_NAME).read_text(encoding="utf-8"))
        for entry in entries:
            inside = Path(entry["path"])
            if inside.is_absolute() or ".." in inside.parts:
                raise DataError(f"{source}: names {entry['path']!r}, which lies outside its folder; pack again")
            path = folder / inside
            temporary = path.with_name(path.name + ".part")
            _make_folder(path.parent)
            digest = _join(source, entry["parts"], temporary)
            if digest != entry["sha256"]:
                temporary.unlink()
                raise DataError(f"{source}: {entry['path']} is not what was packed; copy the parts again")
            temporary.replace(path)
            total_bytes += int(entry["bytes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{source}: not a complete pack ({error}); copy all its files again") from error
    return {"files": len(entries), "bytes": total_bytes}


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputUnwritable(f"{folder}: cannot be made ({reason_of(error)}); unpack elsewhere") from error


def _join(source: Path, parts: list[str], target: Path) -> str:
    """Joins parts to one file; returns the sha256 of it."""
    digest = hashlib.sha256()
    with target.open("wb") as file:
        for name in parts:
            data = (source / Path(name).name).read_bytes()
            digest.update(data)
            file.write(data)
    return digest.hexdigest()
