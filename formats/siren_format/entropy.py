"""Coder 2: digits through a range coder, with rows of integer frequencies out of the neural prior. The only file that
uses constriction.

The coder is the range coder of Martin (1979) as constriction implements it (Bamler 2022, arXiv:2201.01741):
64 bits of state, 32-bit words, 24-bit probabilities. ``SRN1.md`` describes it completely.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import constriction
import numpy as np
from numpy.typing import NDArray

from siren_format.errors import BadPayload
from siren_format.limits import FREQUENCY_TOTAL
from siren_format.packing import RADICES, indices_to_digits
from siren_format.prior import NeuralPrior
from siren_format.prior_rows import PriorWalk, prior_rows
from siren_format.prior_voice import VoiceWalk, voice_rows

_STATE_BITS = 64
_WORD_BITS = 32
_WORD_BYTES = 4


def _row_model(row: NDArray[np.integer[Any]]) -> Any:
    """The coder's model of a row of frequencies."""
    probabilities = row.astype(np.float64) / FREQUENCY_TOTAL  # exact: multiples of 2**-16
    # perfect=False is spelled out because constriction changed its default.
    return constriction.stream.model.Categorical(probabilities, perfect=False)


def encode_indices(indices: NDArray[np.integer[Any]], prior: NeuralPrior, voice: bytes | None = None) -> bytes:
    """Code the indices of one group.

    Args:
        indices: Indices [F, Q], 0..999 each.
        prior: Neural prior of the model.
        voice: Voice field of 8 bytes to code before the indices; None for no voice.

    Returns:
        The payload: the shortest byte string that decodes to the indices, and of those the smallest.
    """
    encoder = constriction.stream.queue.RangeEncoder()
    if voice is not None:
        for row, value in voice_rows(voice, prior):
            encoder.encode(value, _row_model(row))
    frequencies = prior_rows(indices, prior)
    for frame, values in enumerate(indices_to_digits(indices).reshape(len(indices), -1).tolist()):
        for value, rows_of_digit in zip(values, frequencies, strict=True):
            encoder.encode(value, _row_model(rows_of_digit[frame]))
    return _shortest_bytes(encoder)


def decode_indices(payload: bytes, frames: int, stages: int, prior: NeuralPrior, *, offset: int) -> NDArray[np.int16]:
    """Decode the payload of one group, without a voice in it, and refuse all but its canonical form.

    Args:
        payload: The payload.
        frames: Frames F.
        stages: Stages Q.
        prior: Neural prior of the model.
        offset: Byte of the file at which the payload starts, for the error.

    Returns:
        Indices [F, Q].

    Raises:
        BadPayload: No encoder writes this payload.
    """
    return decode_payload(payload, frames, stages, prior, offset=offset, has_voice=False)[0]


def decode_payload(
    payload: bytes, frames: int, stages: int, prior: NeuralPrior, *, offset: int, has_voice: bool
) -> tuple[NDArray[np.int16], bytes | None]:
    """Decode the payload of one group and refuse all but its canonical form.

    Args:
        payload: The payload.
        frames: Frames F.
        stages: Stages Q.
        prior: Neural prior of the model.
        offset: Byte of the file at which the payload starts, for the error.
        has_voice: Whether a voice comes before the indices.

    Returns:
        Indices [F, Q], and the voice field if there is one.

    Raises:
        BadPayload: No encoder writes this payload.
    """
    words = payload + bytes(-len(payload) % _WORD_BYTES)
    decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(words, dtype=">u4").astype(np.uint32))
    try:
        voice = _decode_voice(decoder, prior) if has_voice else None
        indices = _decode_digits(decoder, frames, stages, prior)
    except AssertionError as error:  # what constriction raises for a point outside the coder's interval
        raise BadPayload(
            "the payload does not belong to any indices, expected one written with this model's weights; "
            "the file is damaged, fetch it again",
            offset=offset,
            field="payload",
        ) from error
    canonical = encode_indices(indices, prior, voice)
    if canonical != payload:
        raise BadPayload(
            f"the payload of {len(payload)} bytes is not the one form of its indices, expected another of "
            f"{len(canonical)} bytes; the file is damaged, fetch it again",
            offset=offset,
            field="payload",
        )
    return indices, voice


def decode_prefix(
    payload: bytes, frames: int, stages: int, prior: NeuralPrior, *, has_voice: bool, fill: int
) -> tuple[NDArray[np.int16], bytes | None]:
    """Decode a payload whose end is missing, in whatever form it is.

    Frames that come out the same with 0 and with 255 in place of what is missing do not depend on it.

    Args:
        payload: The rest of the payload.
        frames: Frames F of the whole.
        stages: Stages Q.
        prior: Neural prior of the model.
        has_voice: Whether a voice comes before the indices.
        fill: Value of every missing byte, 0..255.

    Returns:
        Indices [K, Q] of the first K frames, up to the first that no bytes stand for; and the voice field if there is
        one and it can be read.
    """
    words = payload + bytes((fill,)) * (_STATE_BITS + _WORD_BITS + 8 * frames * stages)
    words = words[: len(words) // _WORD_BYTES * _WORD_BYTES]
    decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(words, dtype=">u4").astype(np.uint32))
    voice: bytes | None = None
    indices = np.empty((frames, stages), dtype=np.int16)
    done = 0
    try:
        voice = _decode_voice(decoder, prior) if has_voice else None
        for done, row in enumerate(_decoded_frames(decoder, frames, stages, prior), 1):
            indices[done - 1] = row
    except AssertionError:  # constriction's word for a point that no symbol has; what came before it counts
        pass
    return indices[:done], voice


def _decode_voice(decoder: Any, prior: NeuralPrior) -> bytes:
    walk = VoiceWalk(prior)
    while not walk.is_complete:
        walk.take(decoder.decode(_row_model(walk.row())))
    return walk.voice()


def _decode_digits(decoder: Any, frames: int, stages: int, prior: NeuralPrior) -> NDArray[np.int16]:
    rows = list(_decoded_frames(decoder, frames, stages, prior))
    return np.array(rows, dtype=np.int16).reshape(frames, stages)


def _decoded_frames(decoder: Any, frames: int, stages: int, prior: NeuralPrior) -> Iterator[list[int]]:
    """Indices of one frame after another."""
    walk = PriorWalk(prior, frames, stages)
    for _ in range(frames):
        row = []
        for _ in range(stages):
            index = 0
            for radix in RADICES:
                value = decoder.decode(_row_model(np.array(walk.row())))
                walk.take(value)
                index += value * radix
            row.append(index)
        yield row


def _shortest_bytes(encoder: Any) -> bytes:
    """Find the shortest byte string, and of those the smallest, in the final interval of binary fractions.

    The encoder's ``pos`` gives the interval's width and the last 64 bits of its lower end; the rest of the
    lower end follows from the sealed words, which are a point of the interval.
    """
    word_count: int
    lower_state: int
    width: int
    word_count, (lower_state, width) = encoder.pos()
    words = encoder.get_compressed()
    scale_bits = _WORD_BITS * word_count + _STATE_BITS
    point = int.from_bytes(words.astype(">u4").tobytes(), "big") << (scale_bits - _WORD_BITS * len(words))
    lower = point - (point - lower_state) % (1 << _STATE_BITS)
    length = 0
    number = _round_up(lower, scale_bits)
    while number << (scale_bits - 8 * length) >= lower + width:
        length += 1
        number = _round_up(lower, scale_bits - 8 * length)
    return number.to_bytes(length, "big")


def _round_up(number: int, shift_bits: int) -> int:
    return -(-number >> shift_bits)
