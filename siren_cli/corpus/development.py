"""The development split: speakers held out of training, whose clips every choice is made on.

`python -m siren_cli.corpus.development MANIFEST tests/data/development.jsonl` makes the list anew from a corpus
manifest. The rule is fixed, so that training and evaluation agree on it without the list.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from siren_cli.files.streams import write_bytes_atomic

HELD_OUT: tuple[tuple[str, int, int | None], ...] = (("librispeech_mini", 24, None), ("cv_en_delta13", 8, 3))
"""Source, number of its speakers that are held out, and most clips of each to list; None for all."""

_FIELDS = ("id", "speaker", "language", "text")


def development_split(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Choose the development clips.

    Of each source, the speakers with the smallest SHA-256 of `development:` and their name are held out. Only speakers
    with transcripts are candidates.

    Args:
        entries: Lines of the corpus manifest: `id` (`SOURCE/NAME`), `speaker`, `language`, `text`.

    Returns:
        The clips with a transcript, in the order of the manifest: id, speaker, language, text, split `development`.
    """
    found = []
    for source, speaker_count, clip_count in HELD_OUT:
        own = [entry for entry in entries if entry["id"].startswith(f"{source}/") and entry["text"]]
        speakers = sorted({entry["speaker"] for entry in own}, key=_rank)[:speaker_count]
        for speaker in speakers:
            found += [entry for entry in own if entry["speaker"] == speaker][:clip_count]
    chosen = {entry["id"] for entry in found}
    return [
        {**{name: entry[name] for name in _FIELDS}, "split": "development"}
        for entry in entries
        if entry["id"] in chosen
    ]


def _rank(speaker: str) -> str:
    return hashlib.sha256(f"development:{speaker}".encode()).hexdigest()


def main(arguments: list[str]) -> None:
    """Write the list of development clips."""
    entries = [json.loads(line) for line in Path(arguments[0]).read_text(encoding="utf-8").splitlines()]
    lines = [json.dumps(entry, ensure_ascii=False) + "\n" for entry in development_split(entries)]
    write_bytes_atomic(arguments[1], "".join(lines).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
