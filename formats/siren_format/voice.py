"""The voice field: a level and 28 digits of 2 bits in 8 bytes. Standard library only."""

from __future__ import annotations

import math

from siren_format.limits import VOICE_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

VOICE_DIGITS = 28
VOICE_DIGIT_LEVELS = 4
COARSE_LEVEL_DB = 2.0
LEAST_COARSE_LEVEL_DB = -62.0
_DIGITS_PER_BYTE = 4
_BITS_PER_DIGIT = 2


def voice_to_bytes(level_db: float, digits: Sequence[int]) -> bytes:
    """Write a voice field.

    Args:
        level_db: RMS level of the original in dBFS; rounded to steps of 0.5 and held within -127.5..0.
        digits: Timbre, 28 digits of 0..3.

    Returns:
        The field, 8 bytes.

    Raises:
        ValueError: The number of digits is not 28, a digit is not 0..3, or the level is not a number.
    """
    if len(digits) != VOICE_DIGITS:
        raise ValueError(f"a voice has {VOICE_DIGITS} digits, found {len(digits)}; give all of them")
    if any(not 0 <= digit < VOICE_DIGIT_LEVELS for digit in digits):
        raise ValueError(f"a voice digit is 0..{VOICE_DIGIT_LEVELS - 1}, found {list(digits)}; quantise it first")
    if math.isnan(level_db):
        raise ValueError("the level of a voice is not a number; expected dBFS; measure it on finite samples")
    field = bytearray(VOICE_BYTES)
    field[0] = round(min(max(-2.0 * level_db, 0.0), 255.0))
    for i, digit in enumerate(digits):
        field[1 + i // _DIGITS_PER_BYTE] |= int(digit) << (_BITS_PER_DIGIT * (i % _DIGITS_PER_BYTE))
    return bytes(field)


def codes_to_digits(codes: Sequence[float]) -> list[int]:
    """Round what a voice encoder says, or a mean of it, to digits; halves go to the even digit.

    Args:
        codes: 28 numbers of -1..0.5; the digit d stands for (d - 2) / 2.

    Returns:
        28 digits of 0..3.
    """
    half = VOICE_DIGIT_LEVELS // 2
    return [min(max(round(code * half) + half, 0), VOICE_DIGIT_LEVELS - 1) for code in codes]


def digits_to_codes(digits: Sequence[int]) -> list[float]:
    """The inverse of ``codes_to_digits``.

    Args:
        digits: 28 digits of 0..3.

    Returns:
        28 codes.
    """
    half = VOICE_DIGIT_LEVELS // 2
    return [(digit - half) / half for digit in digits]


def coarse_level_db(level_db: float) -> float:
    """Round a level to one of those that neural priors code in few bits; nobody hears a decibel.

    Args:
        level_db: RMS level in dBFS.

    Returns:
        The nearest even number of dB within -62..0; levels below -63 as they are.
    """
    if level_db < LEAST_COARSE_LEVEL_DB - COARSE_LEVEL_DB / 2:
        return level_db
    return min(0.0, COARSE_LEVEL_DB * round(level_db / COARSE_LEVEL_DB))


def voice_level_db(voice: bytes) -> float:
    """Read the level of a voice field.

    Args:
        voice: The field, 8 bytes.

    Returns:
        RMS level of the original in dBFS, -127.5..0 in steps of 0.5.

    Raises:
        ValueError: The field is not 8 bytes long.
    """
    return -_checked(voice)[0] / 2


def voice_digits(voice: bytes) -> tuple[int, ...]:
    """Read the timbre of a voice field.

    Args:
        voice: The field, 8 bytes.

    Returns:
        28 digits of 0..3.

    Raises:
        ValueError: The field is not 8 bytes long.
    """
    field = _checked(voice)
    return tuple(
        field[1 + i // _DIGITS_PER_BYTE] >> (_BITS_PER_DIGIT * (i % _DIGITS_PER_BYTE)) & (VOICE_DIGIT_LEVELS - 1)
        for i in range(VOICE_DIGITS)
    )


def _checked(voice: bytes) -> bytes:
    if len(voice) != VOICE_BYTES:
        raise ValueError(f"a voice is {VOICE_BYTES} bytes, found {len(voice)}; pass the whole field")
    return voice
