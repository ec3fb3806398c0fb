"""What the studies share: clips by speaker, figures as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from siren_cli.errors import DataError, SirenError
from siren_cli.evaluation.material import read_clip
from siren_cli.training.sources import Clip


def readable(clips: Sequence[Clip]) -> tuple[list[Clip], list[dict[str, str]]]:
    """Sorts out what cannot be measured.

    Args:
        clips: The material.

    Returns:
        The clips that are audio, long enough and not silent; `{"id", "left_out"}`, with the reason, for the others.

    Raises:
        DataError: If none can be used.
    """
    found, left_out = [], []
    for clip in clips:
        try:
            read_clip(clip)
            found.append(clip)
        except SirenError as error:
            left_out.append({"id": clip.clip_id, "left_out": str(error)})
    if not found:
        raise DataError(f"none of {len(clips)} clips can be used ({left_out[0]['left_out']}); give others")
    return found, left_out


def with_alignments(clips: Sequence[Clip]) -> list[Clip]:
    """The clips whose phones are known.

    Raises:
        DataError: If there are none.
    """
    found = [clip for clip in clips if clip.phones]
    if not found:
        raise DataError(
            f"none of {len(clips)} clips has an alignment of its phones, this study needs them; give a manifest with "
            "'phones', or phones.tsv"
        )
    return found


def by_speaker(clips: Sequence[Clip]) -> dict[str, list[Clip]]:
    """Speaker to clips, both in the order of the list."""
    found: dict[str, list[Clip]] = {}
    for clip in clips:
        found.setdefault(clip.speaker, []).append(clip)
    return found


def as_text(figure: dict[str, Any] | None, decimals: int) -> str:
    """A value with its interval; a dash for none."""
    if figure is None:
        return "–"
    value, low, high = (f"{figure[key]:.{decimals}f}" for key in ("value", "low", "high"))
    return value if low == high else f"{value} [{low}, {high}]"
