"""Compressed transcripts: the bit rate of speech to text, without voice and prosody.

`python -m siren_cli.evaluation.codecs.transcript_coding MANIFEST` writes `assets/english.txt`: transcripts of
training clips that prime both compressors. No speaker of the development split or of a test set is among them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from siren_cli.corpus.development import development_split
from siren_cli.evaluation.metrics.words import normalised
from siren_cli.files.streams import write_bytes_atomic

SAMPLE_FILE = Path(__file__).parents[1] / "assets" / "english.txt"
SAMPLE_BYTES = 256_000
"""Largest size of the transcripts that prime the compressors."""

METHODS = ("zstd", "PPM")
_DICTIONARY_BYTES = 65_536
_ZSTD_LEVEL = 19
_PPM_ORDER = 5
_PPM_MEMORY_BYTES = 16 << 20


def transcript_name(method: str) -> str:
    """Name in records of the transcript compressed by one of `METHODS`."""
    return f"transcript-{method}"


def transcript_bytes(text: str, language: str) -> dict[str, int]:
    """Compress a normalised transcript.

    - `zstd`: Zstandard with a dictionary trained on English transcripts, without magic number, size and checksum.
    - `PPM`: prediction by partial matching of order 5 (PPMd, variant H) primed with the same transcripts.

    Args:
        text: Normalised transcript.
        language: Code of its language.

    Returns:
        Method to bytes. Methods whose package is missing are absent. Only English has any.
    """
    if language not in ("", "en"):
        return {}
    data = text.encode() + b"\n"  # the end is coded as well
    found: dict[str, int] = {}
    if importlib.util.find_spec("zstandard") is not None:
        found["zstd"] = len(_zstd().compress(data))
    if importlib.util.find_spec("pyppmd") is not None:
        found["PPM"] = max(1, len(_ppm(SAMPLE_FILE.read_bytes() + data)) - _primed_bytes())
    return found


def sample_of(entries: list[dict[str, Any]]) -> str:
    """Choose the priming transcripts: English training clips in the order of the hashes of their ids.

    Args:
        entries: Lines of a corpus manifest.

    Returns:
        One normalised transcript a line, at most `SAMPLE_BYTES` in all.
    """
    held_out = {entry["speaker"] for entry in development_split(entries)}
    usable = [
        entry
        for entry in entries
        if entry["split"] == "train"
        and entry["language"] == "en"
        and entry["text"]
        and entry["speaker"] not in held_out
    ]
    sample = ""
    for entry in sorted(usable, key=lambda entry: hashlib.sha256(entry["id"].encode()).hexdigest()):
        line = normalised(entry["text"], "en") + "\n"
        if len((sample + line).encode()) > SAMPLE_BYTES:
            break
        sample += line
    return sample


@lru_cache(maxsize=1)
def _zstd() -> Any:
    import zstandard

    samples: list[bytes | bytearray | memoryview[int]] = [*SAMPLE_FILE.read_bytes().splitlines(keepends=True)]
    dictionary = zstandard.train_dictionary(_DICTIONARY_BYTES, samples, level=_ZSTD_LEVEL)
    settings = zstandard.ZstdCompressionParameters.from_level(
        _ZSTD_LEVEL, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=0, write_checksum=0, write_dict_id=0
    )
    return zstandard.ZstdCompressor(dict_data=dictionary, compression_params=settings)


def _ppm(data: bytes) -> bytes:
    import pyppmd

    encoder = pyppmd.Ppmd7Encoder(_PPM_ORDER, _PPM_MEMORY_BYTES)
    return bytes(encoder.encode(data) + encoder.flush())


@lru_cache(maxsize=1)
def _primed_bytes() -> int:
    return len(_ppm(SAMPLE_FILE.read_bytes()))


def main(arguments: list[str]) -> None:
    """Write `assets/english.txt` from a corpus manifest."""
    lines = Path(arguments[0]).read_text(encoding="utf-8").splitlines()
    write_bytes_atomic(str(SAMPLE_FILE), sample_of([json.loads(line) for line in lines]).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
