"""A ``.srn`` file read while it still arrives: bytes in, a group's indices out as soon as its check has come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siren_format.errors import OtherModel, TruncatedFile
from siren_format.header import MODEL_ID_OFFSET, ByteReader, Header, parse_header
from siren_format.layout import Layout, parse_layout, require_parity, take_group
from siren_format.limits import CHECK_BYTES, MAX_GROUP_PAYLOAD_BYTES, MAX_GROUPS, MAX_HEADER_BYTES
from siren_format.prior import NeuralPrior
from siren_format.stream import decode_group

_MAX_UNGROUPED_BYTES = MAX_HEADER_BYTES + MAX_GROUP_PAYLOAD_BYTES + CHECK_BYTES


@dataclass(frozen=True, eq=False)
class Group:
    """One group, decoded and checked.

    Attributes:
        indices: Indices [F, Q].
        sample_count: Samples at 16 kHz.
        is_last: Whether the file ends with it.
    """

    indices: NDArray[np.int16]
    sample_count: int
    is_last: bool


class StreamReader:
    """Reads a file piece by piece; what is wrong with it is found when it comes.

    It keeps the bytes it was given, at most 21 MB for the longest file, so that errors name the byte.

    Args:
        model_id: Leading 2 bytes of the sha256 of the weights file at hand.
        prior: Neural prior of the model; None if it has none.

    Attributes:
        header: The header, once it has arrived.
        voice: Voice field of 8 bytes, once the first group has come out; None means the default voice.
        voice_id: Name of a voice that the receiver has, once the header has arrived; None if none is named.
    """

    def __init__(self, model_id: bytes, prior: NeuralPrior | None = None) -> None:
        self.header: Header | None = None
        self.voice: bytes | None = None
        self.voice_id: bytes | None = None
        self._model_id = model_id
        self._prior = prior
        self._data = b""
        self._header_length = 0
        self._position = 0
        self._groups = 0
        self._is_complete = False

    def feed(self, data: bytes) -> Iterator[Group]:
        """Take more of the file.

        Args:
            data: The next bytes.

        Yields:
            The groups that are complete. A file that is not grouped comes out of ``finish``, since only its end says
            where its payload ends.

        Raises:
            OtherModel: The file needs another model.
            FormatError: The file is not a readable ``.srn``; one subclass per defect.
        """
        self._data += data
        if self.header is None and len(self._data) >= MAX_HEADER_BYTES:
            self._take_header()
        if self.header is not None and not self.header.grouped and len(self._data) > _MAX_UNGROUPED_BYTES:
            parse_layout(self._data)  # refuses it: an endless file must not be kept
        while group := self._take_group():
            yield group

    def finish(self) -> Iterator[Group]:
        """Say that the file has ended.

        Yields:
            The group of a file that is not grouped.

        Raises:
            TruncatedFile: The file is not complete.
            FormatError: As for ``feed``.
        """
        if self.header is None:
            self._take_header()
        yield from iter(self._take_group, None)
        if self._is_complete:
            return
        layout = parse_layout(self._data)  # refuses a grouped file, whose last group has not come
        indices, coded_voice = decode_group(self._data, layout, layout.records[0], self._prior)
        self.voice = coded_voice if layout.header.has_coded_voice else layout.header.voice
        yield Group(indices, layout.sample_count, is_last=True)

    def _take_header(self) -> None:
        self.header, self._header_length = parse_header(self._data)
        self._position = self._header_length
        self.voice = self.header.voice
        self.voice_id = self.header.voice_id
        if self.header.model_id != self._model_id:
            raise OtherModel(self.header.model_id, self._model_id, offset=MODEL_ID_OFFSET)

    def _take_group(self) -> Group | None:
        """The next group of a grouped file; None if it has not all arrived."""
        if self.header is None or not self.header.grouped:
            return None
        if self._is_complete and self._position == len(self._data):
            return None
        if self._is_complete or self._groups == MAX_GROUPS:
            parse_layout(self._data)  # refuses what follows the last group, or one group more than there may be
        reader = ByteReader(self._data, self._position)
        try:
            record, is_last = take_group(reader, self.header.stages, self._groups)
        except TruncatedFile:
            return None
        require_parity(self._data, self._header_length, record)
        layout = Layout(self.header, self._header_length, (record,), len(self._data))
        indices, _ = decode_group(self._data, layout, record, self._prior)
        self._position = record.end
        self._groups += 1
        self._is_complete = is_last
        return Group(indices, record.sample_count, is_last)
