"""Changes every number that coding depends on, one at a time, and reads golden files with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_format.errors import FormatError
from siren_format.prior import NeuralPrior
from siren_format.stream import Stream, bytes_to_stream
from tests.formats.vector_material import MODEL_ID, VECTORS

PRIOR_FILE = "neural-two-stages"
_FREQUENCIES = ("prior.voice_level", "prior.voice_digits")
"""Arrays whose rows must sum to 65536: a count is moved to the next value instead."""

Arrays = Mapping[str, NDArray[Any]]


def mutations(arrays: Arrays, every: int) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
    """Change one number at a time by one.

    Args:
        arrays: Those of the prior, as the weights file has them.
        every: Change every n-th number only.

    Yields:
        The name of the array and all arrays, one number in it changed.
    """
    for name, array in arrays.items():
        for place in range(0, array.size, every):
            changed = array.copy()
            flat = changed.reshape(-1)
            if name.startswith(_FREQUENCIES):
                row = changed.reshape(-1, changed.shape[-1])[place // changed.shape[-1]]
                value = place % changed.shape[-1]
                giver = value if row[value] > 1 else int(row.argmax())
                row[giver] -= 1
                row[(giver + 1) % len(row)] += 1
            else:
                flat[place] += -1 if flat[place] > 0 else 1
            yield name, {**arrays, name: changed}


def outcomes(every: int = 1) -> Counter[str]:
    """Read a file of coder 2 with every change.

    Args:
        every: Make every n-th change only.

    Returns:
        How many changes made the file `refused`, were `impossible` weights, had `no effect` on it, or gave `OTHER`
        indices or another voice, which must not happen.
    """
    from safetensors.numpy import load_file

    prior = NeuralPrior.from_arrays(load_file(VECTORS / "prior.safetensors"))
    data = (VECTORS / "valid" / f"{PRIOR_FILE}.srn").read_bytes()
    expected = bytes_to_stream(data, MODEL_ID, prior)
    return Counter(_outcome(data, changed, expected) for _, changed in mutations(prior.to_arrays(), every))


def _outcome(data: bytes, arrays: Arrays, expected: Stream) -> str:
    try:
        prior = NeuralPrior.from_arrays(arrays)
    except ValueError:
        return "impossible"
    try:
        stream = bytes_to_stream(data, MODEL_ID, prior)
    except FormatError:
        return "refused"
    same = np.array_equal(stream.indices, expected.indices) and stream.voice == expected.voice
    return "no effect" if same else "OTHER"
