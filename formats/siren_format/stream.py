"""A whole ``.srn`` file: ``Stream`` to bytes and back, group by group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_format.check import check_value
from siren_format.entropy import decode_payload, encode_indices
from siren_format.errors import CheckFailed, NeedsPrior, OtherModel
from siren_format.header import MODEL_ID_OFFSET, Header, parse_header
from siren_format.layout import HEAD_LAST, GroupRecord, Layout, parse_layout
from siren_format.limits import (
    CHECK_BYTES,
    FRAME_SAMPLES,
    INDEX_COUNT,
    MAX_GROUP_SAMPLES,
    MAX_GROUPS,
    MAX_STAGES,
    SAMPLE_RATE_HZ,
    Coder,
    frames_for,
)
from siren_format.packing import pack_indices, unpack_indices
from siren_format.prior import NeuralPrior
from siren_format.prior_voice import voice_bits

_GROUP_FRAMES = MAX_GROUP_SAMPLES // FRAME_SAMPLES


@dataclass(frozen=True, eq=False)
class Stream:
    """What a file says.

    Attributes:
        model_id: Leading 2 bytes of the sha256 of the model's weights file.
        indices: Indices [F, Q], 0..999 each, of Q = 1 or 2 stages; kept as int16.
        sample_count: Samples at 16 kHz; F is this divided by 2560, rounded up.
        voice: Voice field of 8 bytes; None means the default voice, or one that is named.
        source_rate_hz: Sample rate of the recording before it was brought to 16 kHz.
        voice_id: Name of a voice that the receiver has, 2 bytes; None if none is named.

    Raises:
        ValueError: The indices are not integers, out of range or not of the shape that the sample count asks
            for, or the sample count is out of range.
    """

    model_id: bytes
    indices: NDArray[np.int16]
    sample_count: int
    voice: bytes | None = None
    source_rate_hz: int = SAMPLE_RATE_HZ
    voice_id: bytes | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.sample_count <= MAX_GROUPS * MAX_GROUP_SAMPLES:
            raise ValueError(
                f"{self.sample_count} samples, expected 1..{MAX_GROUPS * MAX_GROUP_SAMPLES}; split the recording"
            )
        indices = self.indices
        if not np.issubdtype(indices.dtype, np.integer):
            raise ValueError(f"indices are {indices.dtype}, expected integers; take them from the quantiser")
        frames = frames_for(self.sample_count)
        if indices.ndim != 2 or len(indices) != frames or not 1 <= indices.shape[1] <= MAX_STAGES:
            raise ValueError(
                f"indices are {list(indices.shape)}, expected [{frames}, 1 or 2] for "
                f"{self.sample_count} samples; give one row per 2560 samples"
            )
        if indices.min() < 0 or indices.max() >= INDEX_COUNT:
            raise ValueError(
                f"indices are {indices.min()}..{indices.max()}, expected 0..{INDEX_COUNT - 1}; "
                "take them from the quantiser"
            )
        object.__setattr__(self, "indices", indices.astype(np.int16))


def stream_to_bytes(stream: Stream, prior: NeuralPrior | None = None) -> bytes:
    """Write a file: one group if it is up to 60 s long, else a sequence of groups of 60 s.

    Args:
        stream: What to say.
        prior: Neural prior of the model; None to do without.

    Returns:
        The file.

    Raises:
        ValueError: The model id, the voice or the source rate is outside what version 1 can say.
    """
    grouped = stream.sample_count > MAX_GROUP_SAMPLES
    coder, payload, has_coded_voice = Coder.PACKED, b"", False
    if not grouped:
        coder, payload, has_coded_voice = _payload_with_voice(stream, prior)
    header = Header(
        model_id=stream.model_id,
        stages=stream.indices.shape[1],
        coder=coder,
        sample_count=None if grouped else stream.sample_count,
        voice=None if has_coded_voice else stream.voice,
        source_rate_hz=stream.source_rate_hz,
        grouped=grouped,
        has_coded_voice=has_coded_voice,
        voice_id=stream.voice_id,
    ).to_bytes()
    if not grouped:
        voice = stream.voice if has_coded_voice else None
        return header + payload + _check_bytes(header, None, payload, stream.indices, voice)
    return header + b"".join(_groups(header, stream, prior))


def bytes_to_stream(data: bytes, model_id: bytes, prior: NeuralPrior | None = None) -> Stream:
    """Read a file. Another model's file is refused first, anything else wrong with it after that.

    Args:
        data: The file.
        model_id: Leading 2 bytes of the sha256 of the weights file at hand.
        prior: Neural prior of the model; None if it has none.

    Returns:
        What the file says.

    Raises:
        OtherModel: The file needs another model.
        NeedsPrior: A payload is coded with a prior and there is none.
        FormatError: The file is not a readable ``.srn``; one subclass per defect, see
            ``siren_format.errors``.
    """
    header, _ = parse_header(data)
    if header.model_id != model_id:
        raise OtherModel(header.model_id, model_id, offset=MODEL_ID_OFFSET)
    layout = parse_layout(data)
    groups = [decode_group(data, layout, record, prior) for record in layout.records]
    return Stream(
        model_id=header.model_id,
        indices=np.concatenate([indices for indices, _ in groups]),
        sample_count=layout.sample_count,
        voice=groups[0][1] if header.has_coded_voice else header.voice,
        source_rate_hz=header.source_rate_hz,
        voice_id=header.voice_id,
    )


def encode_payload(indices: NDArray[np.integer[Any]], prior: NeuralPrior | None = None) -> tuple[Coder, bytes]:
    """Code the indices of one group, whichever way is shorter.

    Args:
        indices: Indices [F, Q] of at most 375 frames.
        prior: Neural prior of the model; None to do without.

    Returns:
        The coder and the payload; of payloads equally short that of the prior.
    """
    packed = pack_indices(indices)
    coded = None if prior is None else encode_indices(indices, prior)
    if coded is None or len(coded) > len(packed):
        return Coder.PACKED, packed
    return Coder.NEURAL, coded


def _payload_with_voice(stream: Stream, prior: NeuralPrior | None) -> tuple[Coder, bytes, bool]:
    """The shortest payload and voice of a file that is not grouped, and whether the voice is in the payload."""
    if stream.voice is None or prior is None:
        return *encode_payload(stream.indices, prior), False
    both = encode_indices(stream.indices, prior, stream.voice)
    # If the voice is clearly cheaper in the payload than beside it, the prior need not be tried without it.
    other_prior = None if voice_bits(stream.voice, prior) < 8 * len(stream.voice) - 16 else prior
    coder, payload = encode_payload(stream.indices, other_prior)
    if len(both) < len(payload) + len(stream.voice):
        return Coder.NEURAL, both, True
    return coder, payload, False


def group_to_bytes(
    header: bytes,
    number: int,
    indices: NDArray[np.integer[Any]],
    last_sample_count: int | None,
    prior: NeuralPrior | None = None,
) -> bytes:
    """Write one group of a grouped file.

    Args:
        header: The bytes before the first group, which the check covers.
        number: Number of the group, from 0.
        indices: Indices [F, Q] of the group.
        last_sample_count: Samples at 16 kHz if this is the last group; None if not, when it has 960000.
        prior: Neural prior of the model; None to do without.

    Returns:
        The group's record, check included.
    """
    coder, payload = encode_payload(indices, prior)
    if last_sample_count is None:
        head = bytes((coder << 1,))
    else:
        head = bytes((coder << 1 | HEAD_LAST,)) + last_sample_count.to_bytes(3, "little")
    record = head + len(payload).to_bytes(2, "little") + payload
    return record + _check_bytes(header, number, record, indices)


def decode_group(
    data: bytes, layout: Layout, record: GroupRecord, prior: NeuralPrior | None = None
) -> tuple[NDArray[np.int16], bytes | None]:
    """Decode one group and compare its check.

    Args:
        data: The file.
        layout: Its outline.
        record: The group.
        prior: Neural prior of the model; None if the payload is not coded with it.

    Returns:
        Indices [F, Q] of the group, and the voice if it is coded in the payload.

    Raises:
        NeedsPrior: The payload is coded with a prior and there is none.
        BadPayload: No encoder writes this payload.
        CheckFailed: The check does not match the bytes and the indices.
    """
    indices, voice = decode_unchecked(data, layout, record, prior)
    expected = expected_check(data, layout, record, indices, voice)
    if record.check != expected:
        raise CheckFailed(
            f"check {record.check:#06x}, expected {expected:#06x}; the file is damaged, fetch it again",
            offset=record.payload_end,
            field="check",
        )
    return indices, voice


def decode_unchecked(
    data: bytes, layout: Layout, record: GroupRecord, prior: NeuralPrior | None = None
) -> tuple[NDArray[np.int16], bytes | None]:
    """Decode one group without comparing its check; arguments, result and the other errors are those of
    ``decode_group``.
    """
    payload = data[record.payload_start : record.payload_end]
    stages = layout.header.stages
    voice = None
    if record.coder == Coder.PACKED:
        indices = unpack_indices(payload, record.frames, stages, offset=record.payload_start)
    else:
        if prior is None:
            raise NeedsPrior(
                "the payload is coded with the neural prior, none was given, expected that of model "
                f"{layout.header.model_id.hex()}; load it from its weights file",
                offset=record.payload_start,
                field="payload",
            )
        indices, voice = decode_payload(
            payload,
            record.frames,
            stages,
            prior,
            offset=record.payload_start,
            has_voice=layout.header.has_coded_voice,
        )
    return indices, voice


def expected_check(
    data: bytes, layout: Layout, record: GroupRecord, indices: NDArray[np.int16], voice: bytes | None = None
) -> int:
    """Compute the check that a group of these indices should have.

    Args:
        data: The file.
        layout: Its outline.
        record: The group; its number is covered.
        indices: Its decoded indices.
        voice: The voice if it is coded in the payload.

    Returns:
        The check, 0..65535.
    """
    covered = data[record.start : record.payload_end]
    found = _check_bytes(data[: layout.header_length], record.number, covered, indices, voice)
    return int.from_bytes(found, "little")


def _groups(header: bytes, stream: Stream, prior: NeuralPrior | None) -> Iterator[bytes]:
    last = (stream.sample_count - 1) // MAX_GROUP_SAMPLES
    for number in range(last + 1):
        indices = stream.indices[number * _GROUP_FRAMES : (number + 1) * _GROUP_FRAMES]
        last_sample_count = stream.sample_count - last * MAX_GROUP_SAMPLES if number == last else None
        yield group_to_bytes(header, number, indices, last_sample_count, prior)


def _check_bytes(
    header: bytes, number: int | None, record: bytes, indices: NDArray[np.integer[Any]], voice: bytes | None = None
) -> bytes:
    """The check; a voice that is coded in the payload is covered as the indices are."""
    value = check_value(header, number, record, (voice or b"") + indices.astype("<u2").tobytes())
    return value.to_bytes(CHECK_BYTES, "little")
