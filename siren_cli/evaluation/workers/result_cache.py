"""Result cache of codecs and metrics, keyed by content."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.corpus.clips import to_16_bits
from siren_cli.evaluation.codecs.under_test import CodecUnderTest
from siren_cli.files.streams import write_bytes_atomic


def digest_of(*parts: bytes | str) -> str:
    """Digest of content: equal parts have equal digests."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "little") + data)
    return whole.hexdigest()[:32]


def digest_of_model(model: str | None) -> str:
    """Digest of a model: its weights and its config, which alone has the postfilter.

    Args:
        model: As for `siren_cli.load`.

    Raises:
        WeightsMissing: If there is no such model.
    """
    from siren_cli.registry.weights import find_model

    files = find_model(model)
    return digest_of(files.config_path.read_bytes(), files.weights_path.read_bytes())


class ResultCache:
    """Folder of results; it may be deleted at any time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def coded(
        self, system: CodecUnderTest, wav: NDArray[np.float32], other_speaker: NDArray[np.float32] | None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Run a codec on a clip, or read its earlier result.

        Args:
            system: Codec under test.
            wav: Clip [T].
            other_speaker: Clip of another speaker, or None.

        Returns:
            The decoded clip [T], rounded to 16 bits, and `{"file", "decoded", "file_bytes", "payload_bytes"}`;
            the paths are inside the cache, `file` is None without a file.
        """
        voice = other_speaker.tobytes() if system.needs_other_speaker and other_speaker is not None else b""
        folder = self._folder("coded", digest_of(system.name, system.identity, wav.tobytes(), voice))
        facts_file, decoded_file = folder / "facts.json", folder / "decoded.flac"
        coded_file = folder / f"coded{system.suffix}"
        if not facts_file.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            made = system.run(wav, coded_file, other_speaker)
            soundfile.write(decoded_file, to_16_bits(made.wav), SAMPLE_RATE_HZ, subtype="PCM_16")
            facts = {
                "file_bytes": os.path.getsize(coded_file) if system.suffix else 0,
                "payload_bytes": made.payload_bytes,
            }
            write_bytes_atomic(str(facts_file), json.dumps(facts).encode())
        decoded, _ = soundfile.read(decoded_file, dtype="float32")
        facts = json.loads(facts_file.read_bytes())
        return decoded, {
            **facts, "file": str(coded_file) if system.suffix else None, "decoded": str(decoded_file),
        }  # fmt: skip

    def cached(
        self, kind: str, version: int, measure: Callable[[NDArray[np.float32]], Any], wav: NDArray[np.float32]
    ) -> Any:
        """Apply a function to a recording, or read its earlier result.

        Args:
            kind: Name of the measure.
            version: Version of the function; raise it when results may change.
            measure: Function from samples [T] to a value that JSON can hold; None is not cached.
            wav: Samples [T].

        Returns:
            Value of the function.
        """
        key = digest_of(f"version {version}", wav.tobytes())
        found = self.read(kind, key)
        if found is None:
            found = measure(wav)
            self.write(kind, key, found)
        return found

    def read(self, kind: str, key: str) -> Any:
        """Read the value of a key; None if there is none."""
        file = self._folder(kind, key).with_suffix(".json")
        return json.loads(file.read_bytes()) if file.is_file() else None

    def write(self, kind: str, key: str, value: Any) -> None:
        """Write a value that JSON can hold."""
        file = self._folder(kind, key).with_suffix(".json")
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomic(str(file), json.dumps(value).encode())

    def _folder(self, kind: str, key: str) -> Path:
        return self.folder / kind / key[:2] / key
