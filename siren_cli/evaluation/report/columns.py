"""The columns of the table, in the order of their importance. The standard library alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One figure.

    Attributes:
        name: In JSON and CSV.
        label: For people.
        decimals: To print.
        better: `higher`, `lower`, or empty where neither is.
        about: What it is, in a line.
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
    Column("wer", "WER", 3, "lower", "wrong words / words, against the transcript; a wide-band judge"),
    Column("cer", "CER", 3, "lower", "wrong letters / letters, against the transcript"),
    Column("dwer", "dWER", 3, "lower", "wrong words against what the same recogniser hears in the original"),
    Column("dcer", "dCER", 3, "lower", "wrong letters against what it hears in the original"),
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
"""The columns of the table of costs: medians of a few runs on one recording, not figures over clips."""

HEADLINE = (
    "file_bps", "file_bps_10s", "phones", "wer", "dwer", "similarity", "stoi", "mel_distance", "pesq", "dnsmos_ovrl",
)  # fmt: skip
"""The columns of the table in a terminal and in README.md; the rest is in JSON, CSV and on the page."""

BY_NAME = {column.name: column for column in (*COLUMNS, *COST_COLUMNS)}
