"""Voice arithmetic: averages over recordings, blends of two voices, similarity."""

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
    """Average the voice of a speaker over several recordings.

    Unrounded codes and levels are averaged, weighted by duration up to one minute. The result may use all levels, since
    the bits of a voice that is sent once hardly matter. For one recording it equals the voice of `siren encode`.

    Args:
        heard: Voice estimates of at least one recording.

    Returns:
        Voice field, 8 bytes.
    """
    total = sum(one.samples for one in heard)
    shares = [one.samples / total for one in heard]
    coefficients = zip(*(one.codes for one in heard), strict=True)
    codes = [sum(share * code for share, code in zip(shares, number, strict=True)) for number in coefficients]
    level_db = sum(share * one.level_db for share, one in zip(shares, heard, strict=True))
    digits = heard[0].digits if len(heard) == 1 else codes_to_digits(codes)
    return voice_to_bytes(coarse_level_db(level_db), digits)


def blend(first: bytes, second: bytes, mix: float, fine: int = 0) -> bytes:
    """Interpolate between two voices.

    Coefficients have few levels; rounding each by itself would jump from one voice to the other. So the rounding error
    of a coefficient is added to the next (error diffusion, Floyd and Steinberg 1976), as a share of its levels. In all,
    a share of `mix` of the steps between the voices is taken.

    Args:
        first: Voice field, 8 bytes.
        second: Voice field, 8 bytes.
        mix: Share of the second voice, 0..1.
        fine: Number of voice coefficients with 16 levels.

    Returns:
        Voice field, 8 bytes; the first for 0, the second for 1.

    Raises:
        UsageError: If `mix` is not 0..1.
    """
    if not 0.0 <= mix <= 1.0:
        raise UsageError(f"--mix is {mix}, expected a number from 0 (the first voice) to 1 (the second)")
    codes, error = [], 0.0
    pair = (digits_to_numbers(voice_digits(voice), fine) for voice in (first, second))
    for one, other, levels in zip(*pair, voice_levels(fine), strict=True):
        steps = abs(other - one)
        exact = mix * steps + error * (levels - 1)
        taken = min(max(round(exact), 0), steps)
        codes.append((one + taken if other > one else one - taken) / (levels // 2) - 1)
        error = (exact - taken) / (levels - 1)
    level_db = (1 - mix) * voice_level_db(first) + mix * voice_level_db(second)
    return voice_to_bytes(level_db, codes_to_digits(codes))


def likeness(first: bytes, second: bytes, fine: int = 0) -> float:
    """Similarity of two voices: 1 minus the mean difference of their coefficients, as a share of the largest one."""
    pair = (digits_to_numbers(voice_digits(voice), fine) for voice in (first, second))
    apart = [abs(one - other) / (levels - 1) for one, other, levels in zip(*pair, voice_levels(fine), strict=True)]
    return 1.0 - sum(apart) / len(apart)


def heard_s(heard: Sequence[Heard]) -> float:
    """Total duration of the recordings of a voice, s."""
    return sum(one.samples for one in heard) / SAMPLE_RATE_HZ
