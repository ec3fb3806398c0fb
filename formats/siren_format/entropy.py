"""Coders 1 and 2: digits through a range coder, with rows of integer frequencies out of the tables or of the neural
prior. The only file that uses constriction.

The coder is the range coder of Martin (1979) as constriction implements it (Bamler 2022, arXiv:2201.01741):
64 bits of state, 32-bit words, 24-bit probabilities. ``SRN1.md`` describes it completely.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

import constriction
import numpy as np
from numpy.typing import NDArray

from siren_format.errors import BadPayload
from siren_format.limits import LEVELS
from siren_format.packing import RADICES, indices_to_digits
from siren_format.prior import NeuralPrior
from siren_format.prior_rows import PriorWalk, prior_rows
from siren_format.prior_voice import VoiceWalk, voice_rows
from siren_format.tables import TOTAL, Tables, context_rows

_STATE_BITS = 64
_WORD_BITS = 32
_WORD_BYTES = 4


def _row_model(row: NDArray[np.integer[Any]]) -> Any:
    """The coder's model of a row of frequencies."""
    probabilities = row.astype(np.float64) / TOTAL  # exact: multiples of 2**-16
    # perfect=False is spelled out because constriction changed its default.
    return constriction.stream.model.Categorical(probabilities, perfect=False)


class _RowModels(dict[int, Any]):
    """The coder's models of one table by row, each made when it is first asked for."""

    def __init__(self, table: NDArray[np.uint16]) -> None:
        super().__init__()
        self._rows = table.reshape(-1, table.shape[-1])

    def __missing__(self, row: int) -> Any:
        model = self[row] = _row_model(self._rows[row])
        return model


_models_of_tables: WeakKeyDictionary[Tables, list[list[_RowModels]]] = WeakKeyDictionary()


def encode_indices(
    indices: NDArray[np.integer[Any]], source: Tables | NeuralPrior, voice: bytes | None = None
) -> bytes:
    """Code the indices of one group.

    Args:
        indices: Indices [F, Q], 0..999 each.
        source: What the frequencies come from: the tables (coder 1) or the neural prior (coder 2) of the model.
        voice: Voice field of 8 bytes to code before the indices, with a prior only; None for no voice.

    Returns:
        The payload: the shortest byte string that decodes to the indices, and of those the smallest.

    Raises:
        ValueError: A voice is to be coded with tables.
    """
    encoder = constriction.stream.queue.RangeEncoder()
    if voice is not None:
        if isinstance(source, Tables):
            raise ValueError("a voice cannot be coded with tables, expected a neural prior; write it inline")
        for row, value in voice_rows(voice, source):
            encoder.encode(value, _row_model(row))
    for digit, model in _coded(indices, source):
        encoder.encode(digit, model)
    return _shortest_bytes(encoder)


def decode_indices(
    payload: bytes, frames: int, stages: int, source: Tables | NeuralPrior, *, offset: int
) -> NDArray[np.int16]:
    """Decode the payload of one group, without a voice in it, and refuse all but its canonical form.

    Args:
        payload: The payload.
        frames: Frames F.
        stages: Stages Q.
        source: What the frequencies come from: the tables or the neural prior of the model.
        offset: Byte of the file at which the payload starts, for the error.

    Returns:
        Indices [F, Q].

    Raises:
        BadPayload: No encoder writes this payload.
    """
    return decode_payload(payload, frames, stages, source, offset=offset, has_voice=False)[0]


def decode_payload(
    payload: bytes, frames: int, stages: int, source: Tables | NeuralPrior, *, offset: int, has_voice: bool
) -> tuple[NDArray[np.int16], bytes | None]:
    """Decode the payload of one group and refuse all but its canonical form.

    Args:
        payload: The payload.
        frames: Frames F.
        stages: Stages Q.
        source: What the frequencies come from: the tables or the neural prior of the model.
        offset: Byte of the file at which the payload starts, for the error.
        has_voice: Whether a voice comes before the indices; the source must be a prior then.

    Returns:
        Indices [F, Q], and the voice field if there is one.

    Raises:
        BadPayload: No encoder writes this payload.
    """
    words = payload + bytes(-len(payload) % _WORD_BYTES)
    decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(words, dtype=">u4").astype(np.uint32))
    voice = None
    try:
        if isinstance(source, Tables):
            indices = _decode(decoder, frames, _models(source)[:stages])
        else:
            voice = _decode_voice(decoder, source) if has_voice else None
            indices = _decode_neural(decoder, frames, stages, source)
    except AssertionError as error:  # what constriction raises for a point outside the coder's interval
        raise BadPayload(
            "the payload does not belong to any indices, expected one written with this model's weights; "
            "the file is damaged, fetch it again",
            offset=offset,
            field="payload",
        ) from error
    canonical = encode_indices(indices, source, voice)
    if canonical != payload:
        raise BadPayload(
            f"the payload of {len(payload)} bytes is not the one form of its indices, expected another of "
            f"{len(canonical)} bytes; the file is damaged, fetch it again",
            offset=offset,
            field="payload",
        )
    return indices, voice


def decode_prefix(
    payload: bytes, frames: int, stages: int, source: Tables | NeuralPrior, *, has_voice: bool, fill: int
) -> tuple[NDArray[np.int16], bytes | None]:
    """Decode a payload whose end is missing, in whatever form it is.

    Frames that come out the same with 0 and with 255 in place of what is missing do not depend on it.

    Args:
        payload: What is left of the payload.
        frames: Frames F of the whole.
        stages: Stages Q.
        source: What the frequencies come from: the tables or the neural prior of the model.
        has_voice: Whether a voice comes before the indices; the source must be a prior then.
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
        if isinstance(source, Tables):
            for done, row in enumerate(_decoded_frames(decoder, frames, _models(source)[:stages]), 1):
                indices[done - 1] = row
        else:
            voice = _decode_voice(decoder, source) if has_voice else None
            for done, row in enumerate(_decoded_neural_frames(decoder, frames, stages, source), 1):
                indices[done - 1] = row
    except AssertionError:  # constriction's word for a point that no symbol has; what came before it counts
        pass
    return indices[:done], voice


def _coded(indices: NDArray[np.integer[Any]], source: Tables | NeuralPrior) -> Iterator[tuple[int, Any]]:
    """Every digit in the order of coding, with the coder's model of its row."""
    if isinstance(source, Tables):
        digits, rows = context_rows(indices)
        models = [model for stage in _models(source)[: indices.shape[1]] for model in stage]
        for frame_digits, frame_rows in zip(
            digits.reshape(len(indices), -1).tolist(), rows.reshape(len(indices), -1).tolist(), strict=True
        ):
            for digit, row, model in zip(frame_digits, frame_rows, models, strict=True):
                yield digit, model[row]
    else:
        frequencies = prior_rows(indices, source)
        for frame, values in enumerate(indices_to_digits(indices).reshape(len(indices), -1).tolist()):
            for value, rows_of_digit in zip(values, frequencies, strict=True):
                yield value, _row_model(rows_of_digit[frame])


def _models(tables: Tables) -> list[list[_RowModels]]:
    models = _models_of_tables.get(tables)
    if models is None:
        models = [[_RowModels(table) for table in stage] for stage in tables.frequencies]
        _models_of_tables[tables] = models
    return models


def _decode(decoder: Any, frames: int, models: list[list[_RowModels]]) -> NDArray[np.int16]:
    rows = list(_decoded_frames(decoder, frames, models))
    return np.array(rows, dtype=np.int16).reshape(frames, len(models))


def _decoded_frames(decoder: Any, frames: int, models: list[list[_RowModels]]) -> Iterator[list[int]]:
    """Indices of one frame after another, out of tables."""
    decode = decoder.decode
    previous = [list(LEVELS) for _ in models]
    for _ in range(frames):
        row = []
        for stage_models, before in zip(models, previous, strict=True):
            index = 0
            for digit, radix in enumerate(RADICES):
                value = decode(stage_models[digit][before[digit] * radix + index])
                before[digit] = value
                index += value * radix
            row.append(index)
        yield row


def _decode_voice(decoder: Any, prior: NeuralPrior) -> bytes:
    walk = VoiceWalk(prior)
    while not walk.is_complete:
        walk.take(decoder.decode(_row_model(walk.row())))
    return walk.voice()


def _decode_neural(decoder: Any, frames: int, stages: int, prior: NeuralPrior) -> NDArray[np.int16]:
    rows = list(_decoded_neural_frames(decoder, frames, stages, prior))
    return np.array(rows, dtype=np.int16).reshape(frames, stages)


def _decoded_neural_frames(decoder: Any, frames: int, stages: int, prior: NeuralPrior) -> Iterator[list[int]]:
    """Indices of one frame after another, out of a prior."""
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
