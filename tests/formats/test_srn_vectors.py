"""The committed vectors: unchanged, made by the generator, decoded and refused as the manifest says."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import numpy as np
import pytest

from siren_format import errors, limits
from siren_format.layout import parse_layout
from siren_format.prior import NeuralPrior
from siren_format.stream import bytes_to_stream
from tests.formats.make_vectors import build_vectors
from tests.formats.vector_material import MODEL_ID, VECTORS

MANIFEST: dict[str, dict[str, Any]] = json.loads((VECTORS / "MANIFEST.json").read_text())

# Bytes that version 1 decodes for ever, whatever happens to the files and their generator.
GOLDEN = {
    "worked-example": "d308a1b2581b002f1be40027ff5aa5000f9de036b5",
    "neural-payload-of-no-bytes": "d304a1b2000a0068ed",
    "voice": "d308a1b280bb002f1be40027ff5aa502720ce6d64c0f89c0d871ffc2b39fb94d39541dc641c9df151b",
    "neural-one-stage": ("d304a1b280bb004aa6595a1ea56a964319dd319b66e1da6157b9315a00"),
    "neural-two-stages": (
        "d315a1b280bb004d634d575f9acf51e71f811a22f69679bcea836b99ab4c78d3c966dc45de5babeb6484d9cb6a58"
    ),
}
GOLDEN_INDICES = {
    "worked-example": "1 23 456",
    "neural-payload-of-no-bytes": "0",
    "voice": "59 963 715 138 204 603 375 405 89 609 363 442 296 909 438 745 179 179 487",
    "neural-one-stage": "244 991 986 911 454 511 986 511 915 586 511 986 702 911 986 511 550 991 986",
    "neural-two-stages": "244 312 986 403 911 403 826 403 915 293 911 403 986 483 509 403 550 65 986 403 506 403 986"
    " 403 709 502 986 403 511 403 986 403 56 268 986 403 906 403",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_bytes_decode_for_ever(name: str, prior: NeuralPrior) -> None:
    data = bytes.fromhex(GOLDEN[name])
    assert (VECTORS / "valid" / f"{name}.srn").read_bytes() == data
    indices = [int(word) for word in GOLDEN_INDICES[name].split()]
    assert bytes_to_stream(data, MODEL_ID, prior).indices.ravel().tolist() == indices


@pytest.mark.parametrize("name", MANIFEST["valid"])
def test_valid_vector_says_what_the_manifest_says(name: str, prior: NeuralPrior) -> None:
    expected = MANIFEST["valid"][name]
    data = (VECTORS / "valid" / f"{name}.srn").read_bytes()
    layout = parse_layout(data)
    stream = bytes_to_stream(data, MODEL_ID, prior)
    flat = stream.indices.ravel()
    assert (None if stream.voice_id is None else stream.voice_id.hex()) == expected.get("voice_id")
    assert hashlib.sha256(data).hexdigest() == expected["sha256"]
    assert {
        "file_bytes": layout.file_bytes,
        "stages": layout.header.stages,
        "coders": [int(record.coder) for record in layout.records],
        "grouped": layout.header.grouped,
        "sample_count": stream.sample_count,
        "source_rate_hz": stream.source_rate_hz,
        "voice": None if stream.voice is None else stream.voice.hex(),
        "indices_sha256": hashlib.sha256(flat.astype("<u2").tobytes()).hexdigest(),
    }.items() <= expected.items()
    assert stream.indices.dtype == np.int16
    assert flat.tolist() == expected.get("indices", flat.tolist())


@pytest.mark.parametrize("name", MANIFEST["invalid"])
def test_invalid_vector_is_refused_for_its_reason(name: str, prior: NeuralPrior) -> None:
    expected = MANIFEST["invalid"][name]
    data = (VECTORS / "invalid" / f"{name}.srn").read_bytes()
    assert hashlib.sha256(data).hexdigest() == expected["sha256"]
    with pytest.raises(getattr(errors, expected["error"])) as caught:
        bytes_to_stream(data, MODEL_ID, prior)
    assert type(caught.value).__name__ == expected["error"]
    assert (caught.value.field, caught.value.offset) == (expected["field"], expected["offset"])
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(f"(byte {expected['offset']}, {expected['field']})")


def test_committed_files_are_those_of_the_generator() -> None:
    committed = {
        path.relative_to(VECTORS).as_posix(): path.read_bytes() for path in VECTORS.rglob("*") if path.is_file()
    }
    assert committed == build_vectors()


def test_every_error_class_has_a_vector() -> None:
    defects = set(errors.FormatError.__subclasses__()) - {errors.NeedsPrior}  # that one is the reader's lack
    classes = {cls.__name__ for cls in defects}
    assert {entry["error"] for entry in MANIFEST["invalid"].values()} == classes


def test_example_of_the_document_is_the_vector() -> None:
    text = (VECTORS.parent / "SRN1.md").read_text(encoding="utf-8")
    block = text.split("vectors/valid/worked-example.srn; a test compares them -->\n```\n")[1].split("```")[0]
    hex_bytes = " ".join(re.split(r"\s{2,}", line)[0] for line in block.splitlines())
    assert bytes.fromhex(hex_bytes) == (VECTORS / "valid" / "worked-example.srn").read_bytes()


def test_limits_of_the_document_are_those_of_the_program() -> None:
    text = (VECTORS.parent / "SRN1.md").read_text(encoding="utf-8")
    for row in (
        "| samples of a file that is not grouped, or of a group | 1..960000 |",
        "| groups | 20000 (333 hours) |",
        "| payload of a group | 1024 bytes (coder 0 needs 935 at most) |",
        "| source rate | 1..1000000 Hz |",
    ):
        assert row in text
    assert (limits.MAX_GROUP_SAMPLES, limits.MAX_GROUPS) == (960_000, 20_000)
    assert (limits.MAX_GROUP_PAYLOAD_BYTES, limits.packed_size_bytes(750)) == (1_024, 935)
    assert limits.MAX_SOURCE_RATE_HZ == 1_000_000
