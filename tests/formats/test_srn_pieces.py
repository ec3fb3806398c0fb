"""Files written and read piece by piece are those written and read at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from siren_format.errors import FormatError, LimitExceeded, TrailingBytes, TruncatedFile
from siren_format.header import Header
from siren_format.layout import parse_layout
from siren_format.limits import MAX_GROUPS, Coder
from siren_format.prior import NeuralPrior
from siren_format.reader import StreamReader
from siren_format.stream import bytes_to_stream, group_to_bytes, stream_to_bytes
from siren_format.writer import StreamWriter
from tests.formats.vector_material import MINUTE_SAMPLES, MODEL_ID, VECTORS, VOICE, noise_indices

VALID = sorted(path.stem for path in (VECTORS / "valid").glob("*.srn"))
INVALID = sorted(path.stem for path in (VECTORS / "invalid").glob("*.srn"))


def pieces_of(data: bytes, size_bytes: int) -> Iterator[bytes]:
    yield from (data[start : start + size_bytes] for start in range(0, len(data), size_bytes))


def read(data: bytes, reader: StreamReader, size_bytes: int) -> tuple[list[int], int]:
    groups = [group for piece in pieces_of(data, size_bytes) for group in reader.feed(piece)]
    groups += reader.finish()
    assert [group.is_last for group in groups] == [False] * (len(groups) - 1) + [True]
    indices = np.concatenate([group.indices for group in groups])
    return indices.tolist(), sum(group.sample_count for group in groups)


@pytest.mark.parametrize("name", VALID)
def test_valid_vectors(name: str, prior: NeuralPrior) -> None:
    data = (VECTORS / "valid" / f"{name}.srn").read_bytes()
    whole = bytes_to_stream(data, MODEL_ID, prior)
    for size_bytes in (1, 20, len(data)):
        reader = StreamReader(MODEL_ID, prior)
        assert read(data, reader, size_bytes) == (whole.indices.tolist(), whole.sample_count)
        assert reader.voice == whole.voice
        assert reader.header is not None and reader.header.source_rate_hz == whole.source_rate_hz


@pytest.mark.parametrize("name", INVALID)
def test_invalid_vectors(name: str, prior: NeuralPrior) -> None:
    data = (VECTORS / "invalid" / f"{name}.srn").read_bytes()
    for size_bytes in (1, 20, 10_000):
        with pytest.raises(FormatError):
            read(data, StreamReader(MODEL_ID, prior), size_bytes)


@pytest.mark.parametrize("name", VALID)
def test_the_writer_writes_the_same(name: str, prior: NeuralPrior) -> None:
    data = (VECTORS / "valid" / f"{name}.srn").read_bytes()
    stream = bytes_to_stream(data, MODEL_ID, prior)
    for with_prior in (prior, None):
        whole = stream_to_bytes(stream, with_prior)
        for rows in (1, 100, 1_000):
            writer = StreamWriter(MODEL_ID, stream.voice, stream.source_rate_hz, with_prior, stream.voice_id)
            starts = range(0, len(stream.indices), rows)
            parts = [writer.write(stream.indices[start : start + rows]) for start in starts]
            assert b"".join([*parts, writer.finish(stream.sample_count)]) == whole


def test_a_group_comes_out_as_soon_as_another_frame_is_there() -> None:
    indices = noise_indices(1, 376, 1)
    writer = StreamWriter(MODEL_ID, VOICE)
    assert writer.write(indices[:375]) == b""
    first = writer.write(indices[375:])
    assert StreamWriter(MODEL_ID, VOICE).write(indices[:375], goes_on=True) == first
    assert len(first) > 400
    reader = StreamReader(MODEL_ID)
    (group,) = reader.feed(first)
    assert (group.indices == indices[:375]).all() and not group.is_last
    assert reader.voice == VOICE
    (last,) = reader.feed(writer.finish(MINUTE_SAMPLES + 5))
    assert (last.is_last, last.sample_count) == (True, 5)
    assert list(reader.finish()) == []


def test_a_writer_that_is_told_another_length_says_so() -> None:
    writer = StreamWriter(MODEL_ID)
    writer.write(noise_indices(1, 3, 1))
    with pytest.raises(ValueError, match="3 frames are left for 7681 samples, expected 4"):
        writer.finish(7_681)
    with pytest.raises(ValueError, match="0 frames are left"):
        StreamWriter(MODEL_ID).finish(1)


def largest_file(groups: int) -> tuple[bytes, bytes]:
    """A header, and that many groups that are not the last one."""
    header = Header(MODEL_ID, 1, Coder.PACKED, None, VOICE, grouped=True).to_bytes()
    record = group_to_bytes(header, 0, noise_indices(1, 375, 1), None)
    return header, record * groups


def test_the_longest_file_has_twenty_thousand_groups() -> None:
    header, groups = largest_file(MAX_GROUPS - 1)
    last = group_to_bytes(header, MAX_GROUPS - 1, noise_indices(2, 375, 1), MINUTE_SAMPLES)
    layout = parse_layout(header + groups + last)
    assert layout.duration_s == 20_000 * 60
    with pytest.raises(LimitExceeded, match="more than 20000 groups"):
        parse_layout(header + groups + groups[: 2 * len(groups) // (MAX_GROUPS - 1)] + last)


def test_a_writer_and_a_reader_stop_at_the_longest_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siren_format.writer.MAX_GROUPS", 2)
    writer = StreamWriter(MODEL_ID)
    data = writer.write(noise_indices(1, 2 * 375, 1))
    with pytest.raises(ValueError, match="more than 2 groups"):
        writer.write(noise_indices(1, 1, 1))
    monkeypatch.setattr("siren_format.layout.MAX_GROUPS", 1)
    monkeypatch.setattr("siren_format.reader.MAX_GROUPS", 1)
    reader = StreamReader(MODEL_ID)
    with pytest.raises(LimitExceeded, match="more than 1 groups"):
        list(reader.feed(data))


def test_an_endless_file_is_refused_before_it_fills_the_memory() -> None:
    header = Header(MODEL_ID, 1, Coder.PACKED, 960_000).to_bytes()
    reader = StreamReader(MODEL_ID)
    assert list(reader.feed(header + bytes(800))) == []
    with pytest.raises(TrailingBytes):
        list(reader.feed(bytes(800)))


def test_nothing_at_all_is_no_file() -> None:
    with pytest.raises(FormatError, match="not a .srn file"):
        list(StreamReader(MODEL_ID).finish())


def test_a_cut_file_names_the_byte() -> None:
    writer = StreamWriter(MODEL_ID)
    data = writer.write(noise_indices(1, 400, 1))
    reader = StreamReader(MODEL_ID)
    assert len(list(reader.feed(data[:-1]))) == 0
    with pytest.raises(TruncatedFile, match=rf"within its check, 1 bytes found, expected 2.*\(byte {len(data) - 2}"):
        list(reader.finish())
