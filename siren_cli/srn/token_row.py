"""One recording as a row of a table: what `docs/tokens.md` describes, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from siren_cli.config import FRAME_SAMPLES, SAMPLE_RATE_HZ
from siren_cli.errors import SrnUnreadable
from siren_format.limits import INDEX_COUNT, MAX_GROUP_SAMPLES, MAX_GROUPS, MAX_SOURCE_RATE_HZ, frames_for
from siren_format.stream import Stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS = ("path", "model_id", "sample_count", "source_rate_hz", "voice", "stage1", "stage2")
"""Names of the columns, in their order."""

_HEX_DIGITS = frozenset("0123456789abcdef")
_MODEL_ID_DIGITS = 4
_VOICE_DIGITS = 16


@dataclass(frozen=True, eq=False)
class TokenRow:
    """One recording.

    Attributes:
        path: Its name: a relative path with `/`, without suffix.
        model_id: The model that gives the indices their meaning, 4 hexadecimal digits; None for the default model.
        sample_count: Length at 16 kHz.
        source_rate_hz: Sample rate of the recording that was encoded.
        voice: 16 hexadecimal digits; None for the default voice.
        indices: [F, Q], 0..999.
    """

    path: str
    model_id: str | None
    sample_count: int
    source_rate_hz: int
    voice: str | None
    indices: NDArray[np.int16]

    def values(self) -> dict[str, Any]:
        """The row's values by column, for JSON and Parquet."""
        return {
            "path": self.path,
            "model_id": self.model_id,
            "sample_count": self.sample_count,
            "source_rate_hz": self.source_rate_hz,
            "voice": self.voice,
            "stage1": self.indices[:, 0].tolist(),
            "stage2": self.indices[:, 1].tolist() if self.indices.shape[1] > 1 else None,
        }

    def stream(self, model_id: bytes) -> Stream:
        """What a `.srn` file of it says.

        Args:
            model_id: Id of the model at hand, 2 bytes.
        """
        voice = None if self.voice is None else bytes.fromhex(self.voice)
        return Stream(model_id, self.indices, self.sample_count, voice, self.source_rate_hz)


def row_of(path: str, stream: Stream) -> TokenRow:
    """The row of a decoded file.

    Args:
        path: Its name, without suffix.
        stream: What the file says.

    Returns:
        The row.

    Raises:
        SrnUnreadable: If the name is not text, which a table cannot hold.
    """
    name = path.replace(os.sep, "/")
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise SrnUnreadable(f"{path}: the name is not UTF-8 text, which a table needs; rename the file") from error
    voice = None if stream.voice is None else stream.voice.hex()
    return TokenRow(name, stream.model_id.hex(), stream.sample_count, stream.source_rate_hz, voice, stream.indices)


def checked_row(values: Mapping[str, Any], where: str) -> TokenRow:
    """A row of somebody's table, with what may be left out filled in.

    Args:
        values: Values by column; all but `path` and `stage1` may be missing or None.
        where: File and row, for the error.

    Returns:
        The row.

    Raises:
        SrnUnreadable: If a value is not what the column holds.
    """
    unknown = sorted(set(values) - set(COLUMNS))
    if unknown:
        raise _wrong(where, unknown[0], "in the table", f"only the columns {', '.join(COLUMNS)}")
    path = _path(values.get("path"), where)
    stages = [_stage(values.get("stage1"), "stage1", where)]
    if values.get("stage2") is not None:
        stages.append(_stage(values["stage2"], "stage2", where))
        if len(stages[1]) != len(stages[0]):
            raise _wrong(where, "stage2", f"{len(stages[1])} long", f"{len(stages[0])} as stage1 is")
    frames = len(stages[0])
    sample_count = _integer(values.get("sample_count"), "sample_count", frames * FRAME_SAMPLES, where)
    if frames_for(sample_count) != frames:
        raise _wrong(where, "sample_count", sample_count, f"one of {frames} frames of {FRAME_SAMPLES}")
    rate_hz = _integer(values.get("source_rate_hz"), "source_rate_hz", SAMPLE_RATE_HZ, where)
    if not 1 <= rate_hz <= MAX_SOURCE_RATE_HZ:
        raise _wrong(where, "source_rate_hz", rate_hz, f"1..{MAX_SOURCE_RATE_HZ}")
    model_id = _hexadecimal(values.get("model_id"), "model_id", _MODEL_ID_DIGITS, where)
    voice = _hexadecimal(values.get("voice"), "voice", _VOICE_DIGITS, where)
    return TokenRow(path, model_id, sample_count, rate_hz, voice, np.stack(stages, axis=1))


def _path(value: object, where: str) -> str:
    # The path is where a file will be written, so it must not lead out of the output's folder.
    parts = value.split("/") if isinstance(value, str) else [""]
    if any(part in ("", ".", "..") or "\0" in part or os.sep in part or os.path.splitdrive(part)[0] for part in parts):
        raise _wrong(where, "path", value, "a relative path such as speaker/clip, without . and ..")
    return "/".join(parts)


def _stage(value: object, name: str, where: str) -> NDArray[np.int16]:
    most = MAX_GROUPS * MAX_GROUP_SAMPLES // FRAME_SAMPLES
    if not isinstance(value, (Sequence, np.ndarray)) or isinstance(value, (str, bytes)) or not 1 <= len(value) <= most:
        raise _wrong(where, name, type(value).__name__, f"a list of 1..{most} indices")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise _wrong(where, name, "ragged", "a flat list of indices") from error
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise _wrong(where, name, f"{array.dtype} {list(array.shape)}", "a flat list of integers")
    if array.min() < 0 or array.max() >= INDEX_COUNT:
        raise _wrong(where, name, f"from {array.min()} to {array.max()}", f"indices from 0 to {INDEX_COUNT - 1}")
    return array.astype(np.int16)


def _integer(value: object, name: str, default: int, where: str) -> int:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise _wrong(where, name, repr(value), "an integer")
    return int(value)


def _hexadecimal(value: object, name: str, digits: int, where: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) != digits or not set(value) <= _HEX_DIGITS:
        raise _wrong(where, name, repr(value), f"{digits} hexadecimal digits in small letters")
    return value


def _wrong(where: str, name: str, found: object, expected: str) -> SrnUnreadable:
    return SrnUnreadable(f"{where}: {name} is {found}, expected {expected}; correct the table (see docs/tokens.md)")
