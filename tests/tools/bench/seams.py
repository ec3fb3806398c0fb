"""`python -m tests.tools.bench.seams`: what the boundary of a chunk does to the sound, and a shift of the frames.

A recording is run once as a whole, which has no boundary. It is run again in chunks, and once more as a whole with its
frames shifted by 40, 80 and 120 ms: the same words by the same model, cut into frames at other places, which nobody
can call worse or better. All are compared with the first run in windows of 2 s: around boundaries and away from them.

* Wave: power of the difference of the waveforms, in dB relative to the speech.
* Mel: mean absolute difference of the log-mel spectra.
* Indices: the share of frames whose indices differ.
* Step: the largest step between neighbouring samples within 1 ms of a boundary, in per cent of the window's largest.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from siren_cli.codec import Codec, load_codec
from siren_cli.config import FRAME_SAMPLES, SAMPLE_RATE_HZ
from siren_cli.evaluation.metrics.roundtrip import model_mel_distance_db
from siren_cli.streaming.chunking import CHUNK_FRAMES, Chunking
from tests.tools.bench.__main__ import CLIP

WHOLE = Chunking(10**9, 10**9, 0)
SHIFTS_MS = (40, 80, 120)
WINDOW_SAMPLES = 2 * SAMPLE_RATE_HZ
COLUMNS = ("wave_db", "mel_db", "indices_differ", "step_percent")


def recording(seconds: int) -> NDArray[np.float32]:
    """The bundled clips in a fixed, irregular order, so that no chunk is like another one, [T]."""
    clips = [soundfile.read(path, dtype="float32")[0] for path in sorted(Path(CLIP).parent.glob("*.flac"))]
    order = np.random.default_rng(0).integers(0, len(clips), 1 + seconds // 3)
    wav: NDArray[np.float32] = np.concatenate([clips[number] for number in order])[: seconds * SAMPLE_RATE_HZ]
    return wav


def run(codec: Codec, wav: NDArray[np.float32], encoding: Chunking, decoding: Chunking) -> tuple[Any, Any]:
    """Indices [F, Q] and samples [T] of a recording that is cut in a certain way."""
    codec.encoding, codec.decoding = encoding, decoding
    coded = codec.encode(wav, SAMPLE_RATE_HZ, stages=codec.stages)
    return coded.indices, codec.decode(coded)


def compare(codec: Codec, found: Any, whole: Any, places: Iterable[int], shift_samples: int = 0) -> dict[str, float]:
    """The figures of one run against the run as a whole, the mean over places (samples).

    Args:
        codec: The model.
        found: Indices and samples of the run.
        whole: The same of the run as a whole.
        places: Middle of each window.
        shift_samples: By how much the run's recording was delayed; its indices are then of other frames.
    """
    rows = []
    for place in places:
        window = slice(max(0, place - WINDOW_SAMPLES // 2), place + WINDOW_SAMPLES // 2)
        ours, theirs = found[1][shift_samples:][window], whole[1][window]
        theirs = theirs[: len(ours)]
        frames = slice(window.start // FRAME_SAMPLES, window.stop // FRAME_SAMPLES)
        steps = np.abs(np.diff(ours))
        middle = place - window.start
        differ = np.nan if shift_samples else np.mean((found[0][frames] != whole[0][frames]).any(axis=1))
        rows.append((
            10 * np.log10(max(np.mean((ours - theirs) ** 2), 1e-20) / np.mean(theirs**2)),
            model_mel_distance_db(codec.networks, ours, theirs),
            differ,
            100 * steps[middle - 16 : middle + 16].max() / steps.max(),
        ))  # fmt: skip
    return dict(zip(COLUMNS, np.array(rows).mean(axis=0).tolist(), strict=True))


def measure(codec: Codec, seconds: int) -> dict[str, dict[str, float]]:
    """All rows of the table.

    Args:
        codec: The model.
        seconds: Length of the recording.
    """
    wav = recording(seconds)
    encoding, decoding = codec.encoding, codec.decoding
    whole = run(codec, wav, WHOLE, WHOLE)
    last = len(whole[0]) - CHUNK_FRAMES // 4
    encoded_at = [frame * FRAME_SAMPLES for frame in range(CHUNK_FRAMES, last, CHUNK_FRAMES)]
    decoded_at = [place - decoding.context_frames * FRAME_SAMPLES for place in encoded_at]
    far = [place - CHUNK_FRAMES // 2 * FRAME_SAMPLES for place in encoded_at]
    decoded = run(codec, wav, WHOLE, decoding)
    chunked = run(codec, wav, encoding, decoding)
    rows = {
        "decoding, at a boundary": compare(codec, decoded, whole, decoded_at),
        "decoding, far from it": compare(codec, decoded, whole, far),
        "encoding and decoding, at a boundary": compare(codec, chunked, whole, encoded_at),
        "encoding and decoding, far from it": compare(codec, chunked, whole, far),
    }
    for shift_ms in SHIFTS_MS:
        shift = shift_ms * SAMPLE_RATE_HZ // 1_000
        shifted = run(codec, np.pad(wav, (shift, 0)), WHOLE, WHOLE)
        rows[f"frames shifted by {shift_ms} ms"] = compare(codec, shifted, whole, encoded_at, shift)
    codec.encoding, codec.decoding = encoding, decoding
    return rows


def as_text(rows: dict[str, dict[str, float]]) -> str:
    """The table in Markdown."""
    lines = ["| against one run as a whole | wave dB | mel dB | indices differ | step |", "|---|---:|---:|---:|---:|"]
    for name, row in rows.items():
        differ = "–" if np.isnan(row["indices_differ"]) else f"{row['indices_differ']:.1%}"
        lines.append(
            f"| {name} | {row['wave_db']:.1f} | {row['mel_db']:.2f} | {differ} | {row['step_percent']:.0f} % |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.bench.seams", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=270, help="length of the recording (default 270: 4 boundaries)")
    parser.add_argument("--context", type=int, help="frames of context on both sides instead of the model's")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args()
    codec = load_codec(device="cpu", threads=1)
    if options.context is not None:
        codec.encoding = Chunking(CHUNK_FRAMES, CHUNK_FRAMES, options.context)
        codec.decoding = Chunking(CHUNK_FRAMES - options.context, CHUNK_FRAMES, options.context)
    rows = measure(codec, options.seconds)
    print(json.dumps(rows) if options.json else as_text(rows))


if __name__ == "__main__":
    main()
