"""The development split and the compressors' sample: fixed rules, and no speaker on both sides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from siren_cli.corpus.development import HELD_OUT, development_split
from siren_cli.evaluation.codecs.transcript_coding import SAMPLE_BYTES, SAMPLE_FILE, sample_of, transcript_bytes


def corpus() -> list[dict[str, Any]]:
    """Lines of a corpus manifest: forty speakers of each source, four clips each, every fifth without transcript."""
    return [
        {"id": f"{source}/{speaker}-{clip}", "speaker": f"{source[:4]}/{speaker}", "language": "en", "split": "train",
         "text": f"{source[0]}x{chr(97 + speaker // 5)}{chr(97 + speaker % 5)}{'jkmn'[clip]}" if speaker % 5 else None}
        for source in ("librispeech_mini", "cv_en_delta13", "kathleen") for speaker in range(40) for clip in range(4)
    ]  # fmt: skip


def test_the_rule_holds_out_speakers_with_transcripts() -> None:
    found = development_split(corpus())
    for source, speakers, clips in HELD_OUT:
        own = [entry for entry in found if entry["id"].startswith(source)]
        assert len({entry["speaker"] for entry in own}) == speakers
        assert len(own) == speakers * (4 if clips is None else clips)
        assert all(entry["text"] for entry in own)
    assert development_split(list(reversed(corpus()))) != found  # the order is that of the manifest
    assert {entry["speaker"] for entry in development_split(corpus()[::-1])} == {entry["speaker"] for entry in found}


def test_the_list_in_the_tree_has_at_least_twenty_speakers_and_no_audio(root: Path) -> None:
    lines = (root / "tests" / "data" / "development.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    assert all(set(entry) == {"id", "speaker", "language", "text", "split"} and entry["text"] for entry in entries)
    assert len({entry["speaker"] for entry in entries}) == sum(speakers for _, speakers, _ in HELD_OUT) >= 20
    assert development_split(entries) == entries


def test_the_sample_has_nothing_by_development_speakers() -> None:
    held_out = {entry["speaker"] for entry in development_split(corpus())}
    lines = sample_of(corpus()).splitlines()
    speakers = {entry["text"]: entry["speaker"] for entry in corpus() if entry["text"]}
    assert len(lines) == len([speaker for speaker in speakers.values() if speaker not in held_out])
    assert not held_out & {speakers[line] for line in lines}
    assert 200_000 < SAMPLE_FILE.stat().st_size <= SAMPLE_BYTES


def test_transcripts_are_compressed_well_and_completely() -> None:
    text = "he seemed born to please without being conscious of the power he possessed"
    sizes = transcript_bytes(text, "en")
    assert 8 < sizes["PPM"] < sizes["zstd"] < len(text)
    assert transcript_bytes(f"{text} {text[::-1]}", "en")["PPM"] > sizes["PPM"] + 20
    assert transcript_bytes("", "en")["PPM"] >= 1
    assert transcript_bytes(text, "de") == {}
