"""`python -m tests.tools.determinism.digest`: codes golden material in this process and prints what came out, hashed.

Needs NumPy, constriction and safetensors alone, so that small environments can run it. What it does twice, with other
types or one by one, it compares itself; what depends on the process, the comparison of digests shows.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from siren_cli.registry.weights import find_model, read_prior
from siren_format.entropy import decode_payload, encode_indices
from siren_format.packing import indices_to_digits
from siren_format.prior import NeuralPrior
from siren_format.prior_rows import PriorWalk, prior_rows
from siren_format.stream import bytes_to_stream
from tests.formats.vector_material import MODEL_ID, VECTORS, VOICE, likely_to_prior, noise_indices, wide_prior

FRAMES = 100


def digests() -> dict[str, str]:
    """Codes and decodes.

    Returns:
        The first 16 hexadecimal digits of the SHA-256 of what each part gave, by name.

    Raises:
        ArithmeticError: If two ways of computing the same thing within this process differ.
    """
    vectors = NeuralPrior.from_arrays(load_file(VECTORS / "prior.safetensors"))
    files = find_model(None)
    model_prior = read_prior(files.weights_path)
    found = {
        "vectors": _hash(_decoded_vectors(vectors)),
        "vectors' prior": _hash(_coded(vectors)),
        "widest prior": _hash(_coded(wide_prior(vectors))),
    }
    if model_prior is not None:
        found[f"prior of {files.name}"] = _hash(_coded(model_prior))
    return found


def _decoded_vectors(prior: NeuralPrior) -> Iterator[bytes]:
    """Indices and voices of the committed files."""
    for path in sorted((VECTORS / "valid").glob("*.srn")):
        stream = bytes_to_stream(path.read_bytes(), MODEL_ID, prior)
        yield stream.indices.astype("<i2").tobytes() + (stream.voice or b"")


def _coded(prior: NeuralPrior) -> Iterator[bytes]:
    """Frequencies and payloads of noise and of what the prior expects, for one stage and for two."""
    for stages in (1, 2):
        for indices in (noise_indices(9, FRAMES, stages), likely_to_prior(prior, FRAMES // 2, stages, noise_every=5)):
            rows = prior_rows(indices, prior)
            for kind in (np.float64, np.int64):
                _require_same(rows, prior_rows(indices, prior, kind=kind), f"the fastest type and {kind.__name__}")
            _require_same(rows, _one_by_one(indices, prior), "all frames at once and digit by digit")
            payload = encode_indices(indices, prior, VOICE)
            again, voice = decode_payload(payload, len(indices), stages, prior, offset=0, has_voice=True)
            _require_same([indices], [again], "indices before and after coding")
            if voice != VOICE:
                raise ArithmeticError("the voice changed in coding")
            yield payload
            yield from (row.astype("<u4").tobytes() for row in rows)


def _one_by_one(indices: NDArray[np.int16], prior: NeuralPrior) -> list[NDArray[np.int64]]:
    walk = PriorWalk(prior, len(indices), indices.shape[1])
    rows: list[list[list[int]]] = [[] for _ in range(4 * indices.shape[1])]
    for digits in indices_to_digits(indices).reshape(len(indices), -1).tolist():
        for column, value in zip(rows, digits, strict=True):
            column.append(walk.row())
            walk.take(value)
    return [np.array(column) for column in rows]


def _require_same(some: list[NDArray[Any]], others: list[NDArray[Any]], what: str) -> None:
    if not all(np.array_equal(a, b) for a, b in zip(some, others, strict=True)):
        raise ArithmeticError(f"{what} differ")


def _hash(parts: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    said = {"python": platform.python_version(), "numpy": np.__version__, "machine": platform.machine()}
    json.dump({**said, "digests": digests()}, sys.stdout)
