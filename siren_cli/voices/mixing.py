"""Voices as numbers: the mean of what is heard of a speaker, a voice between two, how alike two are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from siren_cli.errors import UsageError
from siren_format.limits import SAMPLE_RATE_HZ
from siren_format.voice import (
    coarse_level_db,
    codes_to_digits,
    digits_to_numbers,
    voice_digits,
    voice_level_db,
    voice_levels,
    voice_to_bytes,
)

if TYPE_CHECKING:
    from siren_cli.coded import Heard


def average(heard: Sequence[Heard]) -> bytes:
    """The voice of a speaker over several recordings.

    What the encoder said is averaged before it is rounded, each recording counting as much as it is long, up to the
    minute that is heard of it; so is the level. All levels are used, as a voice sent once may cost what it likes; of
    one recording it is the voice that `siren encode` codes.

    Args:
        heard: At least one recording.

    Returns:
        Voice field, 8 bytes.
    """
    total = sum(one.samples for one in heard)
    shares = [one.samples / total for one in heard]
    said = zip(*(one.codes for one in heard), strict=True)
    codes = [sum(share * code for share, code in zip(shares, number, strict=True)) for number in said]
    level_db = sum(share * one.level_db for share, one in zip(shares, heard, strict=True))
    digits = heard[0].digits if len(heard) == 1 else codes_to_digits(codes)
    return voice_to_bytes(coarse_level_db(level_db), digits)


def blend(first: bytes, second: bytes, mix: float, fine: int = 0) -> bytes:
    """A voice between two.

    Numbers are coarse: rounding each would jump from the one voice to the other. So what rounding takes from the way of
    one is given to the next (error diffusion, Floyd and Steinberg 1976), as a share of its levels: of all steps between
    the two voices a share of `mix` is taken.

    Args:
        first: Voice field, 8 bytes.
        second: Voice field, 8 bytes.
        mix: How much of the second, 0..1.
        fine: How many of the model's voice numbers have 16 levels.

    Returns:
        Voice field, 8 bytes; the first for 0, the second for 1.

    Raises:
        UsageError: If `mix` is not 0..1.
    """
    if not 0.0 <= mix <= 1.0:
        raise UsageError(f"--mix is {mix}, expected a number from 0 (the first voice) to 1 (the second)")
    codes, owed = [], 0.0
    pair = (digits_to_numbers(voice_digits(voice), fine) for voice in (first, second))
    for one, other, levels in zip(*pair, voice_levels(fine), strict=True):
        steps = abs(other - one)
        wanted = mix * steps + owed * (levels - 1)
        taken = min(max(round(wanted), 0), steps)
        codes.append((one + taken if other > one else one - taken) / (levels // 2) - 1)
        owed = (wanted - taken) / (levels - 1)
    level_db = (1 - mix) * voice_level_db(first) + mix * voice_level_db(second)
    return voice_to_bytes(level_db, codes_to_digits(codes))


def likeness(first: bytes, second: bytes, fine: int = 0) -> float:
    """How alike two voices are: 1 less the mean difference of their numbers, as a share of the largest possible."""
    pair = (digits_to_numbers(voice_digits(voice), fine) for voice in (first, second))
    apart = [abs(one - other) / (levels - 1) for one, other, levels in zip(*pair, voice_levels(fine), strict=True)]
    return 1.0 - sum(apart) / len(apart)


def heard_s(heard: Sequence[Heard]) -> float:
    """Seconds of sound that a voice rests on."""
    return sum(one.samples for one in heard) / SAMPLE_RATE_HZ
