"""Labels of speech: phones with or without their times, and text as bytes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from siren_cli.training.sources import Clip

NO_PHONE = 255
PHONES = (
    "SIL", "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY",
    "F", "G", "HH", "IH", "IY", "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P",
    "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip
"""The 39 phones of ARPABET without stress, and silence: the label set of the alignments."""

UNITS = {"phones": len(PHONES), "text": 257}
"""Kinds of units for CTC → how many, the blank (0) included. Text is read as UTF-8, so any language has 256."""


def phone_track(clip: Clip, frames: int) -> npt.NDArray[np.uint8]:
    """Phone number per 10 ms frame [frames]; `NO_PHONE` past the labels' end or without an alignment."""
    track = np.full(frames, NO_PHONE, np.uint8)
    position = 0
    for item in (clip.phones or "").split():
        phone, colon, count = item.rpartition(":")
        if not colon or not count.isdigit():
            return np.full(frames, NO_PHONE, np.uint8)
        track[position : position + int(count)] = PHONES.index(phone) if phone in PHONES else NO_PHONE
        position += int(count)
    return track


def phone_sequence(clip: Clip) -> str:
    """The phones of a recording, without times, silence and stress: `"T UW"`; empty if nobody said."""
    names = (item.partition(":")[0].rstrip("012") for item in (clip.phones or "").split())
    return " ".join(name for name in names if name in PHONES[1:])


def units_of(text: str, kind: str) -> list[int]:
    """Units for CTC, 0 being the blank.

    Args:
        text: Phones without times, or text.
        kind: `phones` or `text`.
    """
    if kind == "phones":
        return [PHONES.index(name) for name in text.split()]
    return [byte + 1 for byte in text.lower().encode("utf-8")]
