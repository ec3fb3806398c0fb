"""What is left of a damaged file: its undamaged groups, each at its place, and what was lost between them.

A group is taken only if its check matches, so nothing that comes out is a guess. The check covers the group's number: a
group that is found anywhere in the file, behind missing or added bytes too, says itself which minute it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siren_format.errors import FormatError, NeedsPrior, OtherModel, TruncatedFile
from siren_format.header import MODEL_ID_OFFSET, ByteReader, Header, parse_header, take_sample_count
from siren_format.layout import HEAD_LAST, GroupRecord, Layout, require_parity, take_group
from siren_format.limits import CHECK_BYTES, MAX_GROUP_SAMPLES, MAX_GROUPS
from siren_format.prior import NeuralPrior
from siren_format.stream import bytes_to_stream, decode_group, decode_unchecked, expected_check

_LEAST_GROUP_BYTES = 3 + CHECK_BYTES

_MOST_MISSING = 120
"""Groups in a row, two hours, that may be missing altogether with their bytes."""

_Sound = tuple[GroupRecord, bool, NDArray[np.int16]]
"""An undamaged group: where it lies, whether it is the last one, and its indices [F, Q]."""


@dataclass(frozen=True, eq=False)
class Part:
    """A stretch of a recording.

    Attributes:
        start_sample: Where it begins, in samples at 16 kHz.
        sample_count: How long it is.
        indices: Indices [F, Q]; None if it is lost.
        reason: Why it is lost; empty if it is not.
    """

    start_sample: int
    sample_count: int
    indices: NDArray[np.int16] | None
    reason: str = ""

    def require_indices(self) -> NDArray[np.int16]:
        """The indices of a part that is not lost.

        Raises:
            ValueError: It is lost.
        """
        if self.indices is None:
            raise ValueError(f"the part from sample {self.start_sample} is lost; ask for one that is not")
        return self.indices


@dataclass(frozen=True, eq=False)
class Salvage:
    """What is left of a file.

    Attributes:
        header: Its header, which nothing can be done without.
        voice: Voice field of 8 bytes; None means the default voice.
        parts: The recording's stretches in order, without a gap; what is lost in a row is one of them.
        is_end_missing: Whether the file stops before its last group, so that nobody knows how much follows.
        trailing_bytes: Bytes that follow the last group and were left out.
    """

    header: Header
    voice: bytes | None
    parts: tuple[Part, ...]
    is_end_missing: bool = False
    trailing_bytes: int = 0

    @property
    def lost(self) -> tuple[Part, ...]:
        """The stretches that are lost."""
        return tuple(part for part in self.parts if part.indices is None)

    @property
    def is_lossy(self) -> bool:
        """Whether any of the recording is lost."""
        return bool(self.lost) or self.is_end_missing

    @property
    def sample_count(self) -> int:
        """Samples at 16 kHz of all stretches."""
        return sum(part.sample_count for part in self.parts)


def salvage_groups(data: bytes, model_id: bytes, prior: NeuralPrior | None = None) -> Salvage:
    """Decode every group whose check matches.

    Args:
        data: The file, damaged or not.
        model_id: Leading 2 bytes of the sha256 of the weights file at hand.
        prior: Neural prior of the model; None if it has none.

    Returns:
        The recording, group by group, with what is lost.

    Raises:
        OtherModel: The file needs another model.
        FormatError: The header is damaged, or no group is left undamaged; the error is that of ``bytes_to_stream``.
    """
    header, header_length = parse_header(data)
    if header.model_id != model_id:
        raise OtherModel(header.model_id, model_id, offset=MODEL_ID_OFFSET)
    if not header.grouped:
        stream = bytes_to_stream(data, model_id, prior)
        return Salvage(header, stream.voice, (Part(0, stream.sample_count, stream.indices),))
    search = _Search(data, header, header_length, prior)
    search.run()
    if not any(part.indices is not None for part in search.parts):
        bytes_to_stream(data, model_id, prior)
    return Salvage(header, header.voice, tuple(search.parts), search.is_end_missing, search.trailing_bytes)


class _Search:
    """Walks through a damaged grouped file."""

    def __init__(self, data: bytes, header: Header, header_length: int, prior: NeuralPrior | None) -> None:
        self.data = data
        self.parts: list[Part] = []
        self.is_end_missing = False
        self.trailing_bytes = 0
        self._header = header
        self._header_length = header_length
        self._prior = prior
        self._samples = 0

    def run(self) -> None:
        """Fill ``parts`` and what else there is to say."""
        position, number, is_last = self._header_length, 0, False
        while not is_last:
            found = self._sound(position, number)
            if found is None or found[0].number != number:
                reason = self._fault(position, number)
                found = found or self._next_sound(position + 1, number)
                if found is None:
                    self._lose_the_end(position, number, reason)
                    return
                self._lose((_number_of(found[0]) - number) * MAX_GROUP_SAMPLES, reason)
            record, is_last, indices = found
            self._append(Part(self._samples, record.sample_count, indices))
            position, number = record.end, _number_of(record) + 1
        self.trailing_bytes = len(self.data) - position

    def _next_sound(self, position: int, number: int) -> _Sound | None:
        """The first undamaged group at this place or a later one."""
        for start in range(position, len(self.data) - _LEAST_GROUP_BYTES + 1):
            if found := self._sound(start, number):
                return found
        return None

    def _sound(self, start: int, number: int) -> _Sound | None:
        """The undamaged group at a place, if there is one; it has the number given, or one of those that come after."""
        try:
            record, is_last = take_group(ByteReader(self.data, start), self._header.stages, number)
            require_parity(self.data, self._header_length, record)
            layout = Layout(self._header, self._header_length, (record,), len(self.data))
            indices, _ = decode_unchecked(self.data, layout, record, self._prior)
        except NeedsPrior:
            raise
        except FormatError:
            return None
        for candidate in range(number, min(MAX_GROUPS, number + _MOST_MISSING + 1)):
            numbered = GroupRecord(
                candidate, record.sample_count, record.coder, record.start, record.payload_start, record.payload_end,
                record.check,
            )  # fmt: skip
            if expected_check(self.data, layout, numbered, indices) == record.check:
                return numbered, is_last, indices
        return None

    def _fault(self, position: int, number: int) -> str:
        """What is wrong with the group that should be at a place."""
        try:
            record, _ = take_group(ByteReader(self.data, position), self._header.stages, number)
            require_parity(self.data, self._header_length, record)
            layout = Layout(self._header, self._header_length, (record,), len(self.data))
            decode_group(self.data, layout, record, self._prior)
        except FormatError as error:
            return str(error)
        return "group missing"

    def _lose(self, sample_count: int, reason: str) -> None:
        if sample_count:
            self._append(Part(self._samples, sample_count, None, reason))

    def _lose_the_end(self, position: int, number: int, reason: str) -> None:
        """Loses as much as the heads of the groups that are left claim."""
        reader = ByteReader(self.data, position)
        claimed, is_last = 0, False
        while not is_last and reader.position < len(self.data):
            start = reader.position
            try:
                record, is_last = take_group(reader, self._header.stages, number)
                claimed += record.sample_count
            except TruncatedFile:
                claimed += self._claim_of_cut_group(start)
                break
            except FormatError:
                break
        self.is_end_missing = not is_last or reader.position != len(self.data)
        self._lose(claimed, reason)

    def _claim_of_cut_group(self, start: int) -> int:
        """The sample count of a group whose head is there and whose end is not."""
        if not self.data[start] & HEAD_LAST:
            return MAX_GROUP_SAMPLES
        try:
            return take_sample_count(ByteReader(self.data, start + 1))
        except FormatError:
            return 0

    def _append(self, part: Part) -> None:
        self.parts.append(part)
        self._samples += part.sample_count


def _number_of(record: GroupRecord) -> int:
    return record.number or 0
