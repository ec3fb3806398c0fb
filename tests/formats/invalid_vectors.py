"""The files that every reader of version 1 refuses, one defect each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from siren_format.entropy import encode_indices
from siren_format.limits import Coder
from siren_format.packing import pack_indices
from siren_format.prior import NeuralPrior
from tests.formats.vector_material import (
    MINUTE_SAMPLES,
    MODEL_ID,
    VOICE,
    file_of,
    likely_to_prior,
    noise_indices,
    record_of,
)

# A header of one packed frame of 2560 samples, field by field; the vectors below change one of them.
START = b"\xd3"
PACKED = b"\x00"
NEURAL = b"\x04"
SAMPLES = b"\x00\x0a\x00"
ONE_FRAME = START + PACKED + MODEL_ID + SAMPLES


@dataclass(frozen=True)
class Refused:
    """A file and why it is refused.

    Attributes:
        data: The file.
        error: Name of the error class.
        field: Name of the field with the defect.
        offset: Byte at which that field starts.
    """

    data: bytes
    error: str
    field: str
    offset: int


def invalid_files(prior: NeuralPrior) -> dict[str, Refused]:
    """Make the invalid vectors.

    Args:
        prior: Neural prior of the vectors.

    Returns:
        Files and reasons by name.
    """
    return {**_headers(), **_payloads(prior), **_neural(prior), **_groups(prior)}


def _headers() -> dict[str, Refused]:
    indices = np.array([[7]], dtype=np.int16)
    payload = pack_indices(indices)
    good = file_of(ONE_FRAME, payload, indices)

    def changed(header: bytes) -> bytes:
        return file_of(header, payload, indices)

    def flags(value: int) -> bytes:
        return changed(START + bytes((value,)) + MODEL_ID + SAMPLES)

    def rate(field: bytes) -> bytes:
        return changed(START + b"\x20" + MODEL_ID + SAMPLES + field)

    return {
        "empty": Refused(b"", "NotSirenFile", "magic", 0),
        "other-magic": Refused(changed(b"\x53" + ONE_FRAME[1:]), "NotSirenFile", "magic", 0),
        "later-version": Refused(flags(0x80), "UnsupportedVersion", "flags", 1),
        "reserved-coder-1": Refused(flags(0x02), "ReservedBits", "flags", 1),
        "reserved-coder-3": Refused(flags(0x06), "ReservedBits", "flags", 1),
        "voice-coded-in-packed": Refused(flags(0x10), "ReservedBits", "flags", 1),
        "other-model": Refused(changed(START + PACKED + b"\xa1\xb3" + SAMPLES), "OtherModel", "model id", 2),
        "no-samples": Refused(changed(START + PACKED + MODEL_ID + bytes(3)), "LimitExceeded", "sample count", 4),
        "too-many-samples": Refused(
            changed(START + PACKED + MODEL_ID + (MINUTE_SAMPLES + 1).to_bytes(3, "little")),
            "LimitExceeded",
            "sample count",
            4,
        ),
        "rate-code-reserved": Refused(rate(b"\x0d"), "ReservedBits", "source rate", 7),
        "rate-in-list-written-out": Refused(rate(b"\x00\x44\xac\x00"), "ReservedBits", "source rate", 7),
        "rate-16000-written-out": Refused(rate(b"\x00\x80\x3e\x00"), "ReservedBits", "source rate", 7),
        "rate-of-nothing": Refused(rate(b"\x00\x00\x00\x00"), "LimitExceeded", "source rate", 7),
        "rate-too-high": Refused(rate(b"\x00\x41\x42\x0f"), "LimitExceeded", "source rate", 7),
        "cut-after-magic": Refused(good[:1], "TruncatedFile", "flags", 1),
        "cut-in-model-id": Refused(good[:3], "TruncatedFile", "model id", 2),
        "cut-in-sample-count": Refused(good[:6], "TruncatedFile", "sample count", 4),
        "cut-in-rate": Refused(rate(b"\x00\xa8\x93\x00")[:10], "TruncatedFile", "source rate", 8),
        "cut-in-voice": Refused(
            changed(START + b"\x08" + MODEL_ID + SAMPLES + VOICE)[:14], "TruncatedFile", "voice", 7
        ),
        "cut-in-voice-name": Refused(
            changed(START + b"\x18" + MODEL_ID + SAMPLES + b"\xf0\x9c")[:8], "TruncatedFile", "voice name", 7
        ),
        "voice-name-changed": Refused(
            _with_bytes(changed(START + b"\x18" + MODEL_ID + SAMPLES + b"\xf0\x9c"), 7, b"\xf3\x9c"),
            "CheckFailed",
            "check",
            11,
        ),
    }


def _with_bytes(data: bytes, offset: int, field: bytes) -> bytes:
    return data[:offset] + field + data[offset + len(field) :]


def _payloads(prior: NeuralPrior) -> dict[str, Refused]:
    hard = noise_indices(6, 2, 1)
    header = START + PACKED + MODEL_ID + b"\x00\x14\x00"
    good = file_of(header, pack_indices(hard), hard)
    clip = likely_to_prior(prior, 19, 1, noise_every=4)
    clip_header = START + NEURAL + MODEL_ID + b"\x80\xbb\x00"
    payload = encode_indices(clip, prior)
    # Of this one likely frame, the interval holds two strings of one byte: a4 and a5.
    likely = np.array([[111]], dtype=np.int16)
    smallest = encode_indices(likely, prior)
    larger = smallest[:-1] + bytes((smallest[-1] + 1,))
    coded = file_of(clip_header, payload, clip)
    return {
        "cut-packed-payload": Refused(good[:-1], "TruncatedFile", "payload", 7),
        "cut-in-check": Refused(clip_header + b"\x00", "TruncatedFile", "payload", 7),
        "cut-coded-payload": Refused(coded[:-1], "CheckFailed", "check", len(coded) - 3),
        "byte-after-packed-payload": Refused(good + b"\x00", "TrailingBytes", "end of file", 12),
        "byte-after-coded-payload": Refused(coded + b"\x00", "BadPayload", "payload", 7),
        "payload-longer-than-packed": Refused(
            file_of(clip_header, payload + bytes(24 - len(payload) + 1), clip),
            "TrailingBytes",
            "end of file",
            33,
        ),
        "packed-number-too-large": Refused(
            file_of(header, (1_000**2).to_bytes(3, "big"), hard), "BadPayload", "payload", 7
        ),
        "coded-with-a-zero-byte-more": Refused(
            file_of(clip_header, payload + b"\x00", clip), "BadPayload", "payload", 7
        ),
        "coded-not-the-smallest": Refused(
            file_of(START + NEURAL + MODEL_ID + SAMPLES, larger, likely), "BadPayload", "payload", 7
        ),
        "coded-outside-the-interval": Refused(
            file_of(clip_header, b"\xff" * len(payload), clip), "BadPayload", "payload", 7
        ),
        "one-flipped-bit": Refused(good[:8] + bytes((good[8] ^ 4,)) + good[9:], "CheckFailed", "check", 10),
        "two-flipped-bits": Refused(good[:8] + bytes((good[8] ^ 5,)) + good[9:], "CheckFailed", "check", 10),
        "check-of-other-indices": Refused(file_of(header, pack_indices(hard), hard[::-1]), "CheckFailed", "check", 10),
    }


def _neural(prior: NeuralPrior) -> dict[str, Refused]:
    clip = likely_to_prior(prior, 19, 1, noise_every=4)
    header = START + NEURAL + MODEL_ID + b"\x80\xbb\x00"
    payload = encode_indices(clip, prior)
    coded = file_of(header, payload, clip)
    return {
        "neural-voice-left-out": Refused(
            file_of(START + b"\x14" + header[2:], payload, clip), "CheckFailed", "check", len(coded) - 2
        ),
        "neural-check-of-other-indices": Refused(
            file_of(header, payload, clip[::-1]), "CheckFailed", "check", len(coded) - 2
        ),
    }


def _groups(prior: NeuralPrior) -> dict[str, Refused]:
    header = START + b"\x40" + MODEL_ID
    minute, other = noise_indices(7, 375, 1), noise_indices(9, 375, 1)
    frame = np.array([[7]], dtype=np.int16)
    packed = pack_indices(frame)
    first = record_of(header, 0, Coder.PACKED, None, pack_indices(minute), minute)
    second = record_of(header, 1, Coder.PACKED, None, pack_indices(other), other)
    last = record_of(header, 1, Coder.PACKED, 1, packed, frame)
    last_of_three = record_of(header, 2, Coder.PACKED, 1, packed, frame)
    start = len(header) + len(first)
    big = (1_025).to_bytes(2, "little")
    return {
        "groups-coder-in-flags": Refused(START + b"\x42" + MODEL_ID + first + last, "ReservedBits", "flags", 1),
        "groups-reserved-head-bit": Refused(
            header + first + bytes((last[0] | 8,)) + last[1:], "ReservedBits", "group head", start
        ),
        "groups-reserved-coder-1": Refused(
            header + first + bytes((last[0] | 2,)) + last[1:], "ReservedBits", "group head", start
        ),
        "groups-reserved-coder-3": Refused(
            header + first + bytes((last[0] | 6,)) + last[1:], "ReservedBits", "group head", start
        ),
        "groups-no-samples": Refused(
            header + first + last[:1] + bytes(3) + last[4:], "LimitExceeded", "sample count", start + 1
        ),
        "groups-payload-above-limit": Refused(
            header + first[:1] + big + first[3:], "LimitExceeded", "payload length", 5
        ),
        "groups-payload-above-packed": Refused(
            header + first + record_of(header, 1, Coder.NEURAL, 1, b"\x01\x02\x03", frame),
            "BadPayload",
            "payload length",
            start + 4,
        ),
        "groups-packed-payload-short": Refused(
            header + first + record_of(header, 1, Coder.PACKED, 1, b"\x07", frame),
            "BadPayload",
            "payload length",
            start + 4,
        ),
        "groups-none": Refused(header, "TruncatedFile", "group head", 4),
        "groups-last-missing": Refused(header + first, "TruncatedFile", "group head", start),
        "groups-cut-in-payload": Refused(header + first[:20], "TruncatedFile", "payload", 7),
        "groups-byte-after-last": Refused(
            header + first + last + b"\x00", "TrailingBytes", "end of file", start + len(last)
        ),
        "groups-swapped": Refused(header + second + first + last_of_three, "CheckFailed", "check", 4 + len(second) - 2),
        "groups-one-left-out": Refused(header + first + last_of_three, "CheckFailed", "check", start + len(last) - 2),
        "groups-flipped-header-bit": Refused(
            START + b"\x48" + MODEL_ID + VOICE[:7] + bytes((VOICE[7] ^ 1,)) + _regrouped(prior),
            "CheckFailed",
            "check",
            12 + len(_regrouped(prior)) - 2,
        ),
    }


def _regrouped(prior: NeuralPrior) -> bytes:
    frame = np.array([[7]], dtype=np.int16)
    header = START + b"\x48" + MODEL_ID + VOICE
    return record_of(header, 0, Coder.NEURAL, 2_560, encode_indices(frame, prior), frame)
