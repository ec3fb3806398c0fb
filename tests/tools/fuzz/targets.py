"""What is fuzzed: readers of the format that take any bytes, and what must hold of the bytes that they take.

A target returns whether the bytes were taken. Any exception but a FormatError is a finding. NumPy is imported only by
the targets that need it, so that the others run fast.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from siren_format.check import check_value
from siren_format.errors import BadVoice, FormatError
from siren_format.header import MODEL_ID_OFFSET, Header
from siren_format.layout import Layout, parse_layout
from siren_format.limits import CHECK_BYTES, MODEL_ID_BYTES, Coder
from siren_format.packet_file import file_to_packets, packets_to_file
from siren_format.voice_file import bytes_to_voice

VECTORS = Path(__file__).resolve().parents[3] / "formats" / "vectors"
_FLAGS_BYTE = 1
_GROUPED_BIT = 6


class Finding(AssertionError):
    """Something that must not be."""


@dataclass(frozen=True)
class Target:
    """One thing to fuzz.

    Attributes:
        run: Reads bytes and checks what must hold; returns whether they were taken.
        seeds: Folders of the vectors that it starts from.
        max_bytes: Longest input.
        memory_mb: Most resident memory of the whole process, Python, its libraries and the fuzzer included.
        mutate: Makes bytes that a mutation has spoilt whole again; None if that is not needed.
    """

    run: Callable[[bytes], bool]
    seeds: tuple[str, ...]
    max_bytes: int
    memory_mb: int
    mutate: Callable[[bytes], bytes] | None = None


INPUT_LIMIT_S = 10
"""Longest that one input may take."""


def layout(data: bytes) -> bool:
    """Structure and parity of a `.srn` file."""
    try:
        found = parse_layout(data)
    except FormatError as error:
        _require_one_line(error)
        return False
    _require_that_parts_fill_the_file(found, data)
    _require_that_a_flipped_bit_is_refused(found, data)
    return True


def packet_file(data: bytes) -> bool:
    """The packet file, without looking into its packets."""
    try:
        model_id, packets = file_to_packets(data)
    except FormatError as error:
        _require_one_line(error)
        return False
    if packets_to_file(packets, model_id) != data:
        raise Finding("a packet file was read that nobody writes")
    return True


def voice_file(data: bytes) -> bool:
    """The text of a voice."""
    try:
        found = bytes_to_voice(data)
    except BadVoice as error:
        _require_one_line(error)
        return False
    text = found.to_text().encode()
    if bytes_to_voice(text) != found or text not in data.decode("utf-8", errors="replace").lower().encode():
        raise Finding("a voice was read that is not in the text")
    return True


def stream(data: bytes) -> bool:
    """A whole `.srn` file, indices included."""
    from siren_format.stream import bytes_to_stream

    prior = _prior()
    model_id = _model_id(data)
    try:
        found = bytes_to_stream(data, model_id, prior)
    except FormatError as error:
        _require_one_line(error)
        return False
    if data[: len(_header_bytes(data))] != _header_bytes(data):
        raise Finding("a header was read that nobody writes")
    if found.indices.min() < 0 or found.indices.max() > 999 or len(found.indices) != _frames(found.sample_count):
        raise Finding("indices are out of range or not as many as the samples ask for")
    _require_that_a_flipped_bit_is_refused(parse_layout(data), data)
    return True


def packet(data: bytes) -> bool:
    """One packet."""
    from siren_format.packet import parse_packet

    prior = _prior()
    try:
        found = parse_packet(data, prior)
    except FormatError as error:
        _require_one_line(error)
        return False
    if found.to_bytes(prior) != data:
        raise Finding("a packet was read that nobody writes")
    return True


def reader(data: bytes) -> bool:
    """A whole `.srn` file that arrives in pieces: what comes out is what `bytes_to_stream` makes of it, or refused."""
    import numpy as np

    from siren_format.reader import StreamReader
    from siren_format.stream import bytes_to_stream

    prior = _prior()
    piecewise = StreamReader(_model_id(data), prior)
    size = 1 + zlib.crc32(data) % 97
    groups = []
    try:
        for start in range(0, len(data), size):
            groups.extend(piecewise.feed(data[start : start + size]))
        groups.extend(piecewise.finish())
    except FormatError as error:
        _require_one_line(error)
        groups = []
    try:
        whole = bytes_to_stream(data, _model_id(data), prior)
    except FormatError:
        if groups:
            raise Finding("a file was read in pieces and refused as a whole") from None
        return False
    if not groups:
        raise Finding("a file was refused in pieces and read as a whole")
    sample_count = sum(group.sample_count for group in groups)
    is_same = np.array_equal(np.concatenate([group.indices for group in groups]), whole.indices)
    if not is_same or (sample_count, piecewise.voice) != (whole.sample_count, whole.voice):
        raise Finding("a file says one thing in pieces and another as a whole")
    return True


def salvage(data: bytes) -> bool:
    """What is left of a file: all of a sound one, and of any other stretches that follow each other."""
    import numpy as np

    from siren_format.salvage import salvage_groups as salvage_file
    from siren_format.stream import bytes_to_stream

    prior = _prior()
    try:
        left = salvage_file(data, _model_id(data), prior)
    except FormatError as error:
        _require_one_line(error)
        left = None
    try:
        whole = bytes_to_stream(data, _model_id(data), prior)
    except FormatError:
        whole = None
    if left is None:
        if whole is not None:
            raise Finding("nothing is left of a sound file")
        return False
    next_sample = 0
    for part in left.parts:
        is_whole = part.indices is None or len(part.indices) == _frames(part.sample_count)
        if part.start_sample != next_sample or part.sample_count < 1 or not is_whole:
            raise Finding("the stretches of a damaged file do not follow each other")
        next_sample += part.sample_count
    if whole is None:
        # Nothing need be lost: bytes that were added between groups spoil the file and none of its groups.
        return True
    indices = [part.indices for part in left.parts if part.indices is not None]
    if left.is_lossy or left.trailing_bytes or not np.array_equal(np.concatenate(indices), whole.indices):
        raise Finding("something of a sound file is lost")
    return True


def repaired(data: bytes) -> bytes:
    """Gives a file that is not grouped the payload and the check that an encoder would, so that what lies behind the
    check is reached; other files stay as they are.
    """
    from siren_format.header import parse_header
    from siren_format.limits import frames_for
    from siren_format.packing import unpack_indices

    prior = _prior()
    try:
        header, start = parse_header(data)
        if header.sample_count is None:
            return data
        frames, payload, voice = frames_for(header.sample_count), data[start:-CHECK_BYTES], None
        if header.coder == Coder.PACKED:
            indices = unpack_indices(payload, frames, header.stages, offset=start)
        else:
            payload, indices, voice = _canonical(payload, frames, header, prior, start)
    except FormatError:
        return data
    value = check_value(data[:start], None, payload, (voice or b"") + indices.astype("<u2").tobytes())
    return data[:start] + payload + value.to_bytes(CHECK_BYTES, "little")


TARGETS = {
    "layout": Target(layout, ("valid", "invalid"), 4_096, 128),
    "packet-file": Target(packet_file, ("packets", "invalid"), 4_096, 128),
    "voice-file": Target(voice_file, ("voices",), 4_096, 128),
    "stream": Target(stream, ("valid", "invalid"), 512, 512, repaired),
    "packet": Target(packet, ("packets", "invalid-packets"), 500, 512),
    "reader": Target(reader, ("valid", "invalid"), 4_096, 512),
    "salvage": Target(salvage, ("valid", "invalid"), 4_096, 512),
}
"""By name, as the command line and the report have it."""


def seeds_of(target: Target) -> list[bytes]:
    """The vectors that a target starts from; packets are taken out of their files for the target that reads one."""
    files = [path.read_bytes() for folder in target.seeds for path in sorted((VECTORS / folder).iterdir())]
    if target.run is not packet:
        return [data for data in files if len(data) <= target.max_bytes]
    return [one for data in files for one in file_to_packets(data)[1]]


def _canonical(payload: bytes, frames: int, header: Header, prior: Any, start: int) -> tuple[bytes, Any, bytes | None]:
    """The one payload of the indices that a payload decodes to, those indices, and the voice before them."""
    from siren_format import entropy

    made: list[bytes] = []

    def keep(*arguments: Any) -> bytes:
        made.append(encode(*arguments))
        return payload

    encode, entropy.encode_indices = entropy.encode_indices, keep
    try:
        indices, voice = entropy.decode_payload(
            payload, frames, header.stages, prior, offset=start, has_voice=header.has_coded_voice
        )
    finally:
        entropy.encode_indices = encode
    return made[0], indices, voice


def _model_id(data: bytes) -> bytes:
    """The model id that a file names, whatever it is, so that no file is refused for that."""
    return data[MODEL_ID_OFFSET : MODEL_ID_OFFSET + MODEL_ID_BYTES]


def _frames(sample_count: int) -> int:
    return -(-sample_count // 2_560)


def _require_one_line(error: BadVoice | FormatError) -> None:
    if "\n" in str(error) or not str(error):
        raise Finding(f"the message is not one line: {error!r}")


def _require_that_parts_fill_the_file(found: Layout, data: bytes) -> None:
    parts = found.header_bytes + found.voice_bytes + found.payload_bytes + found.check_bytes
    ends = [record.payload_end + CHECK_BYTES for record in found.records]
    starts = [record.start for record in found.records]
    if parts != len(data) or starts != [found.header_length, *ends[:-1]] or ends[-1] != len(data):
        raise Finding("the parts of the file do not fill it")
    if data[: found.header_length] != _header_bytes(data):
        raise Finding("a header was read that nobody writes")
    if found.sample_count < 1 or found.file_bytes != len(data):
        raise Finding("a file without samples was read")


def _header_bytes(data: bytes) -> bytes:
    header: Header = parse_layout(data).header
    return header.to_bytes()


def _require_that_a_flipped_bit_is_refused(found: Layout, data: bytes) -> None:
    """Flips one bit, which the data choose, of those that SRN1.md (section 4) says are always found by parity."""
    if found.header.grouped:
        record = found.records[zlib.crc32(data) % len(found.records)]
        first, last = record.payload_start, record.payload_end + CHECK_BYTES
    else:
        first, last = 0, len(data)
    bit = 8 * first + zlib.crc32(data, 1) % (8 * (last - first))
    if not found.header.grouped and bit == 8 * _FLAGS_BYTE + _GROUPED_BIT:
        return  # the exception that the document names
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    try:
        parse_layout(bytes(damaged))
    except FormatError:
        return
    raise Finding(f"bit {bit % 8} of byte {bit // 8} was flipped and nobody noticed")


@cache
def _prior() -> Any:
    """The prior of the vectors, read once."""
    from safetensors.numpy import load_file

    from siren_format.prior import NeuralPrior

    return NeuralPrior.from_arrays(load_file(VECTORS / "prior.safetensors"))
