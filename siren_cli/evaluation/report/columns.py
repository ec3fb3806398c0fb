"""Columns of the tables, most important first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Column:
    """Column of a table.

    Attributes:
        name: Name in JSON and CSV.
        label: Heading in tables.
        decimals: Decimals in tables.
        better: `higher`, `lower`, or empty if neither is better.
        about: Definition in one line.
    """

    name: str
    label: str
    decimals: int
    better: str
    about: str


COLUMNS = (
    Column("file_bps", "file bps", 0, "lower", "8 x bytes of the files / seconds, everything included"),
    Column("file_bps_10s", "at 10 s", 0, "lower", "the same of the first 10 s of each speaker's clips, joined"),
    Column("payload_bps", "payload bps", 0, "lower", "the coded speech alone, without header, voice and check"),
    Column("overhead_bytes", "overhead B", 0, "lower", "bytes of a file that are not coded speech"),
    Column(
        "phones",
        "phones",
        3,
        "higher",
        "share of frames with speech whose phone a recogniser reads off right",
    ),
    Column("phones_4k", "phones 4k", 3, "higher", "the same with everything above 4 kHz taken away"),
    Column(
        "similarity",
        "speaker",
        3,
        "higher",
        "cosine of the voices (Resemblyzer); the scale stands below the table",
    ),
    Column("stoi", "STOI", 3, "higher", "short-time objective intelligibility"),
    Column("estoi", "ESTOI", 3, "higher", "extended STOI"),
    Column("mel_distance", "mel dB", 2, "lower", "mean absolute difference of the log-mel spectra"),
    Column("pesq", "PESQ", 2, "higher", "PESQ, wide band"),
    Column("si_sdr", "SI-SDR dB", 1, "higher", "near chance for any codec that makes speech anew"),
    Column("f0_correlation", "F0 corr.", 3, "higher", "correlation of ln F0 where both are voiced"),
    Column("voicing_error", "voicing err.", 3, "lower", "share of frames voiced in one alone"),
    Column(
        "dnsmos_ovrl",
        "DNSMOS",
        2,
        "higher",
        "predicted naturalness; rewards smoothness, says nothing of words",
    ),
    Column("dnsmos_sig", "DNSMOS sig", 2, "higher", "predicted quality of the speech itself"),
)

WORD_COLUMNS = (
    Column("wer", "WER", 3, "lower", "word errors / words, against the transcript"),
    Column("substitutions", "subst.", 3, "lower", "substituted words / words of the transcript"),
    Column("deletions", "del.", 3, "lower", "deleted words / words of the transcript"),
    Column("insertions", "ins.", 3, "lower", "inserted words / words of the transcript"),
    Column("cer", "CER", 3, "lower", "character errors / characters, against the transcript"),
    Column("dwer", "dWER", 3, "lower", "word errors / words, against the recogniser's own transcript of the original"),
)
"""Columns of each recogniser; in records their names are `wer:RECOGNISER` and so on."""

COST_COLUMNS = (
    Column("encode_speed_1", "encode x", 1, "higher", "seconds of sound encoded in a second, one thread"),
    Column("encode_speed_2", "encode x, 2 threads", 1, "higher", "the same, two threads"),
    Column("decode_speed_1", "decode x", 1, "higher", "seconds of sound decoded in a second, one thread"),
    Column("decode_speed_2", "decode x, 2 threads", 1, "higher", "the same, two threads"),
    Column("encode_first_byte_s", "encode start s", 2, "lower", "from the command to its first byte, nothing loaded"),
    Column("decode_first_byte_s", "decode start s", 2, "lower", "from the command to its first byte, nothing loaded"),
    Column("encode_peak_mb", "encode MB", 0, "lower", "the most memory the command holds"),
    Column("decode_peak_mb", "decode MB", 0, "lower", "the most memory the command holds"),
)
"""Columns of the table of costs: medians of a few runs on one recording."""

HEADLINE = (
    "file_bps", "file_bps_10s", "wer", "dwer", "similarity", "dnsmos_ovrl", "stoi", "pesq", "mel_distance", "phones",
)  # fmt: skip
"""Columns of the table in a terminal and in docs/evaluation.md; JSON, CSV and the page have all."""

_WORDS = {column.name: column for column in WORD_COLUMNS}
_PLAIN = {column.name: column for column in (*COLUMNS, *COST_COLUMNS)}
_ORDER = [*_PLAIN]
_ORDER[_ORDER.index("similarity") : _ORDER.index("similarity")] = _WORDS
_PLACE = {name: number for number, name in enumerate(_ORDER)}


def word_column(name: str, recogniser: str) -> str:
    """Name in records of a word column of one recogniser."""
    return f"{name}:{recogniser}"


def column_of(name: str) -> Column:
    """Find a column by name; the label of a word column has the recogniser's name.

    Args:
        name: Name of the column; that of a word column has its recogniser, as `wer:whisper-tiny.en`.

    Raises:
        KeyError: If there is no such column.
    """
    kind, _, recogniser = name.partition(":")
    if not recogniser:
        return _PLAIN[name]
    column = _WORDS[kind]
    return replace(column, name=name, label=f"{column.label} ({recogniser})")


def in_order(names: Iterable[str]) -> list[str]:
    """Sort names of columns into the order of the tables; recognisers keep their own order."""
    return sorted(dict.fromkeys(names), key=lambda name: _PLACE[name.partition(":")[0]])


def with_recognisers(columns: Sequence[str], recognisers: Sequence[str]) -> list[str]:
    """Replace each word column by one for each recogniser."""
    found: list[str] = []
    for name in columns:
        found += [word_column(name, recogniser) for recogniser in recognisers] if name in _WORDS else [name]
    return found
