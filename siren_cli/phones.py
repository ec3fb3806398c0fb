"""The phones of alignments and of the phone recogniser."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

PHONES = (
    *("SIL", "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH"),
    *("IY", "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W"),
    *("Y", "Z", "ZH"),
)
"""The 39 phones of ARPABET without stress, and silence: the label set of the alignments."""

NO_PHONE = 255
"""Stands for an unknown label."""


def phone_track(phones: str | None, frames: int) -> npt.NDArray[np.uint8]:
    """Reads a forced alignment.

    Args:
        phones: `"SIL:52 T:7 ..."`, durations in frames of 10 ms; None where there is none.
        frames: Frames of 10 ms that the recording has.

    Returns:
        Phone number per frame [frames]; `NO_PHONE` past the labels' end, or without labels or their durations.
    """
    track = np.full(frames, NO_PHONE, np.uint8)
    position = 0
    for item in (phones or "").split():
        phone, _, count = item.rpartition(":")
        if not phone or not count.isdigit():
            return np.full(frames, NO_PHONE, np.uint8)
        track[position : position + int(count)] = PHONES.index(phone) if phone in PHONES else NO_PHONE
        position += int(count)
    return track
