"""The ``.srn`` format, version 1: bytes in, indices out, and the reverse. ``SRN1.md`` is the normative text.

Importing this package imports nothing heavy; names that need NumPy or constriction load when they are first
used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # what `typing` would say, without the time its import takes
if TYPE_CHECKING:
    from typing import Any

    from siren_format.entropy import decode_indices, encode_indices
    from siren_format.errors import (
        BadPayload,
        CheckFailed,
        FormatError,
        LimitExceeded,
        NeedsTables,
        NotSirenFile,
        OtherModel,
        ReservedBits,
        TrailingBytes,
        TruncatedFile,
        UnsupportedVersion,
    )
    from siren_format.fitting import fit_tables
    from siren_format.header import Header, parse_header
    from siren_format.layout import GroupRecord, Layout, parse_layout
    from siren_format.limits import Coder
    from siren_format.packing import digits_to_indices, indices_to_digits, pack_indices, unpack_indices
    from siren_format.prior import NeuralPrior
    from siren_format.prior_rows import prior_digit_bits
    from siren_format.reader import Group, StreamReader
    from siren_format.salvage import Part, Salvage, salvage
    from siren_format.stream import Stream, bytes_to_stream, stream_to_bytes
    from siren_format.tables import Tables, cross_entropy_bits, table_digit_bits
    from siren_format.voice import voice_digits, voice_level_db, voice_to_bytes
    from siren_format.writer import StreamWriter

_MODULE_OF_NAME = {
    **dict.fromkeys(("decode_indices", "encode_indices"), "entropy"),
    **dict.fromkeys(
        (
            "BadPayload",
            "CheckFailed",
            "FormatError",
            "LimitExceeded",
            "NeedsTables",
            "NotSirenFile",
            "OtherModel",
            "ReservedBits",
            "TrailingBytes",
            "TruncatedFile",
            "UnsupportedVersion",
        ),
        "errors",
    ),
    "fit_tables": "fitting",
    **dict.fromkeys(("Header", "parse_header"), "header"),
    **dict.fromkeys(("GroupRecord", "Layout", "parse_layout"), "layout"),
    "Coder": "limits",
    **dict.fromkeys(("digits_to_indices", "indices_to_digits", "pack_indices", "unpack_indices"), "packing"),
    "NeuralPrior": "prior",
    "prior_digit_bits": "prior_rows",
    **dict.fromkeys(("Group", "StreamReader"), "reader"),
    **dict.fromkeys(("Part", "Salvage", "salvage"), "salvage"),
    **dict.fromkeys(("Stream", "bytes_to_stream", "stream_to_bytes"), "stream"),
    **dict.fromkeys(("Tables", "cross_entropy_bits", "table_digit_bits"), "tables"),
    **dict.fromkeys(("voice_digits", "voice_level_db", "voice_to_bytes"), "voice"),
    "StreamWriter": "writer",
}

__all__ = [
    "BadPayload",
    "CheckFailed",
    "Coder",
    "FormatError",
    "Group",
    "GroupRecord",
    "Header",
    "Layout",
    "LimitExceeded",
    "NeedsTables",
    "NotSirenFile",
    "NeuralPrior",
    "OtherModel",
    "Part",
    "ReservedBits",
    "Salvage",
    "Stream",
    "StreamReader",
    "StreamWriter",
    "Tables",
    "TrailingBytes",
    "TruncatedFile",
    "UnsupportedVersion",
    "bytes_to_stream",
    "cross_entropy_bits",
    "decode_indices",
    "digits_to_indices",
    "encode_indices",
    "fit_tables",
    "indices_to_digits",
    "pack_indices",
    "parse_header",
    "parse_layout",
    "prior_digit_bits",
    "salvage",
    "stream_to_bytes",
    "table_digit_bits",
    "unpack_indices",
    "voice_digits",
    "voice_level_db",
    "voice_to_bytes",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # here because not every user needs it

    return getattr(import_module(f"{__name__}.{_MODULE_OF_NAME[name]}"), name)
