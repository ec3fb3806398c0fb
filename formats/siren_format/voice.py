"""The voice field: a level and 28 digits of 2 bits in 8 bytes. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Sequence

from siren_format.limits import VOICE_BYTES

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
    """Round what a voice encoder says, or a mean of it, to digits; halves go to the even number.

    Args:
        codes: 14..28 codes of -1 to less than 1. As many as they are short of 28 come first with 16 levels, in two
            digits each, the higher one first; the others have 4 levels. Number n of L levels is code 2 n / L - 1.

    Returns:
        28 digits of 0..3.

    Raises:
        ValueError: There are not 14..28 codes.
    """
    fine = VOICE_DIGITS - len(codes)
    digits = []
    for code, levels in zip(codes, voice_levels(fine), strict=True):
        number = min(max(round(code * (levels // 2)) + levels // 2, 0), levels - 1)
        digits += [number] if levels == VOICE_DIGIT_LEVELS else list(divmod(number, VOICE_DIGIT_LEVELS))
    return digits


def digits_to_codes(digits: Sequence[int], fine: int = 0) -> list[float]:
    """The inverse of ``codes_to_digits``.

    Args:
        digits: 28 digits of 0..3.
        fine: How many codes have 16 levels, 0..14.

    Returns:
        28 - fine codes.

    Raises:
        ValueError: `fine` is not 0..14.
    """
    levels = voice_levels(fine)
    return [n / (count // 2) - 1 for n, count in zip(digits_to_numbers(digits, fine), levels, strict=True)]


def digits_to_numbers(digits: Sequence[int], fine: int = 0) -> list[int]:
    """What a voice's digits say: `fine` numbers of 0..15 from two digits each, then numbers of 0..3.

    Args:
        digits: 28 digits of 0..3.
        fine: How many numbers have 16 levels, 0..14.

    Returns:
        28 - fine numbers.
    """
    pairs = zip(digits[: 2 * fine : 2], digits[1 : 2 * fine : 2], strict=True)
    return [*(VOICE_DIGIT_LEVELS * high + low for high, low in pairs), *digits[2 * fine :]]


def voice_levels(fine: int) -> tuple[int, ...]:
    """How many levels each number of a voice has.

    Args:
        fine: How many have 16, 0..14.

    Returns:
        28 - fine numbers of levels.

    Raises:
        ValueError: `fine` is not 0..14.
    """
    if not 0 <= 2 * fine <= VOICE_DIGITS:
        raise ValueError(f"a voice has 14 to 28 numbers, found {VOICE_DIGITS - fine}; give all of them")
    return (VOICE_DIGIT_LEVELS**2,) * fine + (VOICE_DIGIT_LEVELS,) * (VOICE_DIGITS - 2 * fine)


def voice_codes(voice: bytes, fine: int = 0) -> list[float]:
    """Read the timbre of a voice field as the codes that networks know.

    Args:
        voice: The field, 8 bytes.
        fine: How many codes have 16 levels, 0..14.

    Returns:
        28 - fine codes of -1 to less than 1.

    Raises:
        ValueError: The field is not 8 bytes long, or `fine` is not 0..14.
    """
    return digits_to_codes(voice_digits(voice), fine)


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
