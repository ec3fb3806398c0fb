"""What is said in a recording, as sequences without times: phones, and text as bytes."""

from __future__ import annotations

from siren_cli.phones import PHONES

UNITS = {"phones": len(PHONES), "text": 257}
"""Kinds of units for CTC → how many, the blank (0) included. Text is read as UTF-8, so any language has 256."""


def phone_sequence(phones: str | None) -> str:
    """The phones of a recording, `"T UW"`, without times, silence and stress; empty if nobody said."""
    names = (item.partition(":")[0].rstrip("012") for item in (phones or "").split())
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
