"""Write ``formats/vectors`` anew: ``PYTHONPATH=formats python -m tests.formats.make_vectors``."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from safetensors.numpy import save

from siren_format.layout import parse_layout
from siren_format.stream import Stream
from tests.formats.invalid_vectors import Refused, invalid_files
from tests.formats.packet_vectors import hostile_packets, packet_vectors
from tests.formats.valid_vectors import valid_files, valid_streams
from tests.formats.vector_material import MODEL_ID, VECTORS, vector_prior
from tests.formats.voice_vectors import voice_vectors

MOST_INDICES_SPELLED_OUT = 40


def build_vectors() -> dict[str, bytes]:
    """Make all vectors and their manifest.

    Returns:
        Contents by path below ``formats/vectors``.
    """
    prior = vector_prior()
    valid, invalid = valid_files(prior), invalid_files(prior)
    files = {f"valid/{name}.srn": data for name, data in valid.items()}
    files.update({f"invalid/{name}.srn": refused.data for name, refused in invalid.items()})
    files["prior.safetensors"] = save(prior.to_arrays())
    packets = packet_vectors(prior)
    files.update({f"packets/{name}.srp": data for name, (data, _) in packets.items()})
    hostile = hostile_packets(prior)
    files.update({f"invalid-packets/{name}.srp": data for name, (data, _) in hostile.items()})
    voices = voice_vectors()
    files.update({f"voices/{name}.voice": data for name, (data, _) in voices.items()})
    manifest = {
        "model_id": MODEL_ID.hex(),
        "valid": {name: _facts(valid[name], stream) for name, (stream, *_) in valid_streams(prior).items()},
        "invalid": {name: _reason(refused) for name, refused in invalid.items()},
        "packets": {name: facts for name, (_, facts) in packets.items()},
        "invalid-packets": {name: error for name, (_, error) in hostile.items()},
        "voices": {name: facts for name, (_, facts) in voices.items()},
    }
    files["MANIFEST.json"] = (json.dumps(manifest, indent=1) + "\n").encode()
    return files


def main() -> None:
    """Replace the committed vectors, and remove those that are no longer made."""
    files = build_vectors()
    for folder, suffix in (
        ("valid", "srn"),
        ("invalid", "srn"),
        ("packets", "srp"),
        ("invalid-packets", "srp"),
        ("voices", "voice"),
    ):
        (VECTORS / folder).mkdir(parents=True, exist_ok=True)
        for path in (VECTORS / folder).glob(f"*.{suffix}"):
            if f"{folder}/{path.name}" not in files:
                path.unlink()
    for name, data in files.items():
        (VECTORS / name).write_bytes(data)


def _facts(data: bytes, stream: Stream) -> dict[str, Any]:
    layout = parse_layout(data)
    facts = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "file_bytes": len(data),
        "stages": stream.indices.shape[1],
        "coders": [int(record.coder) for record in layout.records],
        "grouped": layout.header.grouped,
        "sample_count": stream.sample_count,
        "source_rate_hz": stream.source_rate_hz,
        "voice": None if stream.voice is None else stream.voice.hex(),
        "indices_sha256": hashlib.sha256(stream.indices.astype("<u2").tobytes()).hexdigest(),
    }
    if stream.voice_id is not None:
        facts["voice_id"] = stream.voice_id.hex()
    if stream.indices.size <= MOST_INDICES_SPELLED_OUT:
        facts["indices"] = stream.indices.ravel().tolist()
    return facts


def _reason(refused: Refused) -> dict[str, Any]:
    return {
        "sha256": hashlib.sha256(refused.data).hexdigest(),
        "error": refused.error,
        "field": refused.field,
        "offset": refused.offset,
    }


if __name__ == "__main__":
    main()
