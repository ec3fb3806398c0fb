"""Where the bits of a `.srn` file went: by stage, by digit, by second. Reads the model's prior; no torch.

What a digit costs is its information under the coder that its group is coded with (Shannon 1948); a packed digit costs
the logarithm of its number of values. The payload is a few bits longer, because it ends with a whole byte.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from siren_cli.config import FRAME_SAMPLES, SAMPLE_RATE_HZ
from siren_cli.registry.manifest import model_for
from siren_cli.registry.weights import find_model, read_prior
from siren_cli.terminal.console import Rows
from siren_format.errors import OtherModel
from siren_format.header import MODEL_ID_OFFSET
from siren_format.layout import parse_layout
from siren_format.limits import LEVELS, Coder
from siren_format.prior_rows import prior_digit_bits
from siren_format.prior_voice import voice_bits
from siren_format.stream import decode_group

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_BARS = 60
_BAR_WIDTH = 40


def bit_facts(data: bytes, model: str | None) -> dict[str, Any]:
    """Decodes a file's indices and counts what they cost.

    Args:
        data: The file.
        model: What the user gave with `--model`; None for the packaged model that the file names.

    Returns:
        Bits by stage, by digit of each stage, by second of sound, and what the payload holds beyond them.

    Raises:
        FormatError: If the file is not a readable `.srn`, or needs another model (`OtherModel`).
        WeightsMissing: If there is no such model.
        WeightsDamaged: If the model's files are not what they should be.
    """
    layout = parse_layout(data)
    files = find_model(model_for(layout.header.model_id.hex(), model))
    if files.model_id != layout.header.model_id:
        raise OtherModel(layout.header.model_id, files.model_id, offset=MODEL_ID_OFFSET)
    prior = read_prior(files.weights_path)
    groups = []
    coded_voice_bits = 0.0
    for record in layout.records:
        indices, voice = decode_group(data, layout, record, prior)
        if record.coder == Coder.NEURAL and prior is not None:
            groups.append(prior_digit_bits(indices, prior))
            coded_voice_bits += 0.0 if voice is None else voice_bits(voice, prior)
        else:
            groups.append(np.broadcast_to(np.log2(LEVELS), (*indices.shape, len(LEVELS))))
    bits = np.concatenate(groups)
    return {
        "frames": len(bits),
        "stage_bits": bits.sum(axis=(0, 2)).tolist(),
        "digit_bits": bits.sum(axis=0).tolist(),
        "second_bits": _by_second(bits.sum(axis=(1, 2))),
        "coded_voice_bits": coded_voice_bits,
        "rounding_bits": 8 * layout.payload_bytes - float(bits.sum()) - coded_voice_bits,
    }


def bit_rows(facts: dict[str, Any]) -> Rows:
    """The bits for a person: one line a stage, then a bar for every second, or for more than one in long files.

    Args:
        facts: What `bit_facts` returned.

    Returns:
        Names and values, in the order to print them.
    """
    rows = []
    for stage, (total, digits) in enumerate(zip(facts["stage_bits"], facts["digit_bits"], strict=True), 1):
        shares = ", ".join(f"d{d} {bits / facts['frames']:.2f}" for d, bits in enumerate(digits))
        per_frame = total / facts["frames"]
        rows.append((f"stage {stage}", f"{total:.1f} bits, {per_frame:.2f} a frame of {_raw_bits():.2f}: {shares}"))
    if facts["coded_voice_bits"]:
        rows.append(("voice", f"{facts['coded_voice_bits']:.1f} bits"))
    rows.append(("rounding", f"{facts['rounding_bits']:.1f} bits"))
    seconds = facts["second_bits"]
    step = math.ceil(len(seconds) / _MOST_BARS)
    sums = [sum(seconds[start : start + step]) for start in range(0, len(seconds), step)]
    most = max(*sums, 1.0)
    for number, bits in enumerate(sums):
        rows.append((f"from {number * step} s", f"{'#' * round(_BAR_WIDTH * bits / most):<{_BAR_WIDTH}} {bits:.0f}"))
    return rows


def _raw_bits() -> float:
    return math.log2(math.prod(LEVELS))


def _by_second(bits: NDArray[np.float64]) -> list[float]:
    """Bits of frames [F] → bits of seconds; a frame counts for the second in which it begins."""
    seconds = np.arange(len(bits)) * FRAME_SAMPLES // SAMPLE_RATE_HZ
    sums: list[float] = np.bincount(seconds, bits).tolist()
    return sums
