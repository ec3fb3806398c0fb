"""Transcript units for CTC: phones, and text as bytes, without times."""

from __future__ import annotations

from siren_cli.phones import PHONES

UNITS = {"phones": len(PHONES), "text": 257}
"""Kind of units → their number, with the blank (0). Text is UTF-8, so every language has 256 and the blank."""


def phone_sequence(phones: str | None) -> str:
    """Remove times, silence and stress from phones, as `"T UW"`; empty without phones."""
    names = (item.partition(":")[0].rstrip("012") for item in (phones or "").split())
    return " ".join(name for name in names if name in PHONES[1:])


def units_of(text: str, kind: str) -> list[int]:
    """Encode a transcript as units for CTC; 0 is the blank.

    Args:
        text: Phones without times, or text.
        kind: `phones` or `text`.
    """
    if kind == "phones":
        return [PHONES.index(name) for name in text.split()]
    return [byte + 1 for byte in text.lower().encode("utf-8")]
