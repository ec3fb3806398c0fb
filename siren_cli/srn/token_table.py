"""Tables of tokens: `.npz`, `.jsonl` and `.parquet` to rows and back. No torch."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from siren_cli.errors import SrnUnreadable, UsageError
from siren_cli.files.streams import STREAM, read_bytes
from siren_cli.srn.token_row import COLUMNS, TokenRow, checked_row

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

SUFFIXES = (".jsonl", ".npz", ".parquet")
"""What a table's name may end in; it says which kind it is."""

_ABSENT = -1
_NPZ_ARRAYS = {
    "path": "U", "model_id": "U", "sample_count": "iu", "source_rate_hz": "iu", "voice": "U", "stages": "iu",
    "first_frame": "iu", "stage1": "iu", "stage2": "iu",
}  # fmt: skip
"""Names of the arrays in a `.npz` file and the kinds of their elements."""


def suffix_of(path: str) -> str | None:
    """The kind of table that a path names; None if it names none. Standard output takes JSON lines.

    Args:
        path: Path, or `-`.
    """
    suffix = ".jsonl" if path == STREAM else os.path.splitext(path)[1].lower()
    return suffix if suffix in SUFFIXES else None


def rows_to_bytes(rows: Sequence[TokenRow], suffix: str) -> bytes:
    """Writes a table.

    Args:
        rows: The rows.
        suffix: Which kind, of `SUFFIXES`.

    Returns:
        The bytes of the file.

    Raises:
        UsageError: If Parquet is asked for and pyarrow is not installed.
    """
    if suffix == ".jsonl":
        return "".join(json.dumps(row.values()) + "\n" for row in rows).encode()
    buffer = io.BytesIO()
    if suffix == ".npz":
        np.savez_compressed(buffer, allow_pickle=False, **_arrays(rows))
    else:
        pyarrow = _pyarrow()
        table = pyarrow.Table.from_pylist([row.values() for row in rows], schema=_schema(pyarrow))
        pyarrow.parquet.write_table(table, buffer)
    return buffer.getvalue()


def read_rows(source: str) -> list[TokenRow]:
    """Reads a table, and trusts nothing in it.

    Args:
        source: Path with a suffix of `SUFFIXES`, or `-` for JSON lines.

    Returns:
        The rows.

    Raises:
        SrnUnreadable: If the table cannot be read, is empty, names a recording twice or holds an impossible value.
        UsageError: If it is Parquet and pyarrow is not installed.
    """
    data = read_bytes(source, SrnUnreadable)
    reader = {".jsonl": _from_jsonl, ".npz": _from_npz, ".parquet": _from_parquet}[suffix_of(source) or ".jsonl"]
    rows: list[TokenRow] = []
    names: set[str] = set()
    for number, values in enumerate(reader(data, source)):
        where = f"{source}, row {number}"
        rows.append(checked_row(values, where))
        if rows[-1].path in names:
            raise SrnUnreadable(f"{where}: a second row of path {rows[-1].path}, expected one of each; rename it")
        names.add(rows[-1].path)
    if not rows:
        raise SrnUnreadable(f"{source}: holds no rows, expected at least one; check what wrote it")
    return rows


def _from_jsonl(data: bytes, source: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(data.split(b"\n")):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise SrnUnreadable(f"{source}, line {number + 1}: not JSON ({error}); correct the line") from error
        if not isinstance(values, dict):
            raise SrnUnreadable(f"{source}, line {number + 1}: no JSON object, expected one a line; correct the line")
        yield values


def _from_npz(data: bytes, source: str) -> Iterator[dict[str, Any]]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise SrnUnreadable(f"{source}: not readable as .npz ({error}); check what wrote it") from error
    _require_arrays(arrays, source)
    first = arrays["first_frame"].astype(np.int64)
    for number in range(len(arrays["path"])):
        frames = slice(int(first[number]), int(first[number + 1]))
        yield {
            "path": str(arrays["path"][number]),
            "model_id": str(arrays["model_id"][number]) or None,
            "sample_count": int(arrays["sample_count"][number]),
            "source_rate_hz": int(arrays["source_rate_hz"][number]),
            "voice": str(arrays["voice"][number]) or None,
            "stage1": arrays["stage1"][frames],
            "stage2": arrays["stage2"][frames] if arrays["stages"][number] == 2 else None,
        }


def _require_arrays(arrays: dict[str, NDArray[Any]], source: str) -> None:
    kinds = {name: array.dtype.kind for name, array in arrays.items()}
    if set(kinds) != set(_NPZ_ARRAYS) or any(kinds[name] not in kind for name, kind in _NPZ_ARRAYS.items()):
        raise SrnUnreadable(
            f"{source}: holds {', '.join(sorted(kinds)) or 'nothing'}, expected the arrays {', '.join(_NPZ_ARRAYS)} of "
            "text and integers; see docs/tokens.md"
        )
    rows, frames = len(arrays["path"]), len(arrays["stage1"])
    lengths = dict.fromkeys(_NPZ_ARRAYS, rows) | {"first_frame": rows + 1, "stage1": frames, "stage2": frames}
    first = arrays["first_frame"].astype(np.int64)
    fits = all(array.shape == (lengths[name],) for name, array in arrays.items())
    if not fits or first[0] != 0 or first[-1] != frames or (np.diff(first) < 1).any():
        raise SrnUnreadable(f"{source}: the lengths of its arrays do not fit each other; see docs/tokens.md")


def _from_parquet(data: bytes, source: str) -> Iterator[dict[str, Any]]:
    pyarrow = _pyarrow()
    try:
        table = pyarrow.parquet.read_table(pyarrow.BufferReader(data))
        for batch in table.to_batches(max_chunksize=1_000):
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise SrnUnreadable(f"{source}: not readable as Parquet ({reason}); check what wrote it") from error


def _arrays(rows: Sequence[TokenRow]) -> dict[str, NDArray[Any]]:
    frames = [len(row.indices) for row in rows]
    absent = [np.full(count, _ABSENT, np.int16) for count in frames]
    return {
        "path": np.array([row.path for row in rows]),
        "model_id": np.array([row.model_id or "" for row in rows]),
        "sample_count": np.array([row.sample_count for row in rows], np.int64),
        "source_rate_hz": np.array([row.source_rate_hz for row in rows], np.int32),
        "voice": np.array([row.voice or "" for row in rows]),
        "stages": np.array([row.indices.shape[1] for row in rows], np.int8),
        "first_frame": np.cumsum([0, *frames], dtype=np.int64),
        "stage1": np.concatenate([row.indices[:, 0] for row in rows]),
        "stage2": np.concatenate(
            [row.indices[:, 1] if row.indices.shape[1] > 1 else none for row, none in zip(rows, absent, strict=True)]
        ),
    }


def _schema(pyarrow: ModuleType) -> Any:
    text, indices = pyarrow.string(), pyarrow.list_(pyarrow.int16())
    types = (text, text, pyarrow.int64(), pyarrow.int32(), text, indices, indices)
    return pyarrow.schema(list(zip(COLUMNS, types, strict=True)))


def _pyarrow() -> ModuleType:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(
            f"Parquet needs pyarrow ({error}); pip install 'siren-codec[train]', or give .jsonl or .npz"
        ) from error
    return pyarrow
