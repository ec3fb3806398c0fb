"""`python -m tests.tools.bench.coding`: bits of coders for the same indices, bits of silence, coding time."""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from siren_cli.codec import Codec, load_codec
from siren_cli.coded import Coded
from siren_cli.config import FRAME_SAMPLES, SAMPLE_RATE_HZ
from siren_cli.corpus.clips import list_material, read_clip
from siren_cli.registry.weights import find_model, read_prior
from siren_cli.training.data.batches import Cache
from siren_cli.training.data.indices import wav_of
from siren_cli.training.prior.fit import Recording
from siren_cli.training.prior.network import PriorNet
from siren_cli.training.prior.report import coder_bits
from siren_format.entropy import encode_indices
from siren_format.limits import MAX_STAGES
from siren_format.prior import NeuralPrior
from siren_format.prior_rows import prior_digit_bits
from siren_format.prior_voice import voice_bits

DATA = Path(__file__).resolve().parents[2] / "data"
CLIP = DATA / "4446-2271-0016.flac"
SILENT_S = 10
COUNTED_RECORDINGS = 1_000
_FRAME_RATE_HZ = SAMPLE_RATE_HZ / FRAME_SAMPLES


def measure(
    codec: Codec, prior: NeuralPrior, wavs: Sequence[np.ndarray], counted: Sequence[Recording]
) -> dict[str, Any]:
    """Encodes recordings and compares the coders.

    Args:
        codec: The model, with two stages.
        prior: Its prior.
        wavs: Recordings at 16 kHz.
        counted: Indices [F, 2] of training recordings, to count index frequencies (order 0) in; may be empty.

    Returns:
        For every number of stages the bits a frame of every coder, and how far payloads are from their cross-entropy.
    """
    coded = [codec.encode(wav, SAMPLE_RATE_HZ, stages=MAX_STAGES) for wav in wavs]
    frames = sum(len(recording.indices) for recording in coded)
    twin = PriorNet.from_integers(prior)
    rows = []
    for stages in range(1, MAX_STAGES + 1):
        totals = coder_bits([recording.indices for recording in coded], stages, counted, twin, prior)
        bits = [_payload_bits(recording, stages, prior) for recording in coded]
        excess = [found - expected for found, expected in bits]
        rows.append(
            {
                "stages": stages,
                "bits_a_frame": {name: total / frames for name, total in totals.items()},
                "of_packed": {name: total / totals["packed"] for name, total in totals.items()},
                "payload_excess_bits_mean": statistics.mean(excess),
                "payload_excess_bits_most": max(excess),
                "payloads_within_bound": sum(found <= 1.02 * expected + 8 for found, expected in bits),
            }
        )
    return {"recordings": len(wavs), "frames": frames, "coders": rows}


def _payload_bits(recording: Coded, stages: int, prior: NeuralPrior) -> tuple[int, float]:
    """Bits of the payload, voice included, and what the prior's cross-entropy says that it needs."""
    indices = recording.indices[:, :stages]
    expected = float(prior_digit_bits(indices, prior).sum())
    if recording.voice is not None:
        expected += voice_bits(recording.voice, prior)
    return 8 * len(encode_indices(indices, prior, recording.voice)), expected


def silence_bytes(codec: Codec, wav: np.ndarray) -> dict[str, float]:
    """What a second of digital silence adds to a file.

    Args:
        codec: The model.
        wav: A recording of speech at 16 kHz.

    Returns:
        Bytes a second, for silence after the recording, before it and in its middle, by place and stages.
    """
    silence = np.zeros(SILENT_S * SAMPLE_RATE_HZ, np.float32)
    half = len(wav) // 2
    places = {"after": [wav, silence], "before": [silence, wav], "within": [wav[:half], silence, wav[half:]]}
    found = {}
    for stages in range(1, MAX_STAGES + 1):
        alone = len(codec.encode(wav, SAMPLE_RATE_HZ, stages=stages).to_bytes())
        for place, parts in places.items():
            data = codec.encode(np.concatenate(parts), SAMPLE_RATE_HZ, stages=stages).to_bytes()
            found[f"{place}, {stages} stages"] = (len(data) - alone) / SILENT_S
    return found


def times(codec: Codec, wav: np.ndarray, repeats: int) -> list[dict[str, float]]:
    """Times coding beside the encoder's networks, on a clip of 10 s and one thread.

    Args:
        codec: The model.
        wav: The clip at 16 kHz.
        repeats: Counted runs.

    Returns:
        For every number of stages median milliseconds of process time, which other programs do not add to.
    """
    rows = []
    for stages in range(1, MAX_STAGES + 1):
        coded = codec.encode(wav, SAMPLE_RATE_HZ, stages=stages)
        data = coded.to_bytes()
        encoder_ms = _median_ms(partial(_encode_turned, codec, wav, itertools.count(1), stages), repeats)
        write_ms = _median_ms(coded.to_bytes, repeats)
        read_ms = _median_ms(partial(codec.from_bytes, data), repeats)
        rows.append({"stages": stages, "encoder_ms": encoder_ms, "write_ms": write_ms, "read_ms": read_ms})
    return rows


def _encode_turned(codec: Codec, wav: np.ndarray, turns: Iterator[int], stages: int) -> Coded:
    """Encodes a clip begun elsewhere each time, since a codec keeps what it found of the last one."""
    return codec.encode(np.roll(wav, next(turns)), SAMPLE_RATE_HZ, stages=stages)


def _median_ms(work: Callable[[], object], repeats: int) -> float:
    work()
    spent_ms = []
    for _ in range(repeats):
        began_s = time.process_time()
        work()
        spent_ms.append(1_000 * (time.process_time() - began_s))
    return statistics.median(spent_ms)


def counted_indices(codec: Codec, folder: Path) -> list[Recording]:
    """Indices [F, 2] of some training recordings, evenly spread over a cache that `siren train prepare` made."""
    cache = Cache(folder, codec.config.mel_bins)
    spans = cache.split("train")
    chosen = spans[:: max(1, len(spans) // COUNTED_RECORDINGS)]
    return [codec.encode(wav_of(cache, span), SAMPLE_RATE_HZ, stages=MAX_STAGES).indices for span in chosen]


def as_text(report: dict[str, Any]) -> str:
    """Lays what `main` measured out as tables."""
    lines = [f"model {report['model']}, {report['recordings']} recordings, {report['frames']} frames"]
    lines.append(report["machine"] + "\n")
    lines.append(f"{'bits a frame, bit/s, share of packed':<38}" + f"{'1 stage':>24}{'2 stages':>24}")
    for name in report["coders"][0]["bits_a_frame"]:
        cells = []
        for row in report["coders"]:
            bits = row["bits_a_frame"][name]
            cells.append(f"{bits:.3f}  {bits * _FRAME_RATE_HZ:.1f}  {row['of_packed'][name]:.3f}")
        lines.append(f"{name:<38}" + "".join(f"{cell:>24}" for cell in cells))
    lines.append("")
    for row in report["coders"]:
        mean, most = row["payload_excess_bits_mean"], row["payload_excess_bits_most"]
        within = f"{row['payloads_within_bound']} of {report['recordings']} within 2 % and a byte"
        lines.append(
            f"payload over the prior's own bits, stages {row['stages']}: {mean:.1f} mean, {most:.1f} most; {within}"
        )
    lines += ["", "bytes that a second of digital silence adds to speech"]
    lines += [f"{place:<38}{size_bytes:.2f}" for place, size_bytes in report["silence"].items()]
    lines += ["", f"{'ms of process time, 10 s, one thread':<38}{'encoder':>10}{'write':>8}{'share':>8}{'read':>8}"]
    for row in report["times"]:
        share = row["write_ms"] / row["encoder_ms"]
        times_ms = f"{row['encoder_ms']:>10.1f}{row['write_ms']:>8.1f}{share:>8.1%}{row['read_ms']:>8.1f}"
        lines.append(f"stages {row['stages']:<31}{times_ms}")
    return "\n".join(lines)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.bench.coding", description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, default=DATA / "manifest.jsonl", help="recordings or manifest")
    parser.add_argument("--audio", type=Path, help="folder that the manifest's files lie in")
    parser.add_argument("--split", default="test", help="the manifest's split (default test)")
    parser.add_argument("--cache", type=Path, help="training cache, to count index frequencies (order 0) in")
    parser.add_argument("--model", help="model's folder or name; the packaged one if not given")
    parser.add_argument("--repeats", type=int, default=9, help="counted runs of each timing (default 9)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error(f"--repeats is {options.repeats}, expected 1 or more")
    codec = load_codec(options.model, device="cpu", threads=1)
    weights = find_model(options.model).weights_path
    prior = read_prior(weights)
    if prior is None:
        parser.error(f"model {codec.name} has no neural prior; give --model one that has")
    wavs = [read_clip(clip) for clip in list_material(options.data, options.split, None, options.audio)]
    counted = counted_indices(codec, options.cache) if options.cache else []
    clip, _ = soundfile.read(CLIP, dtype="float32")
    report = {
        "model": f"{codec.name} ({codec.model_id.hex()})",
        "machine": f"{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}",
        **measure(codec, prior, wavs, counted),
        "silence": silence_bytes(codec, clip[: 5 * SAMPLE_RATE_HZ]),
        "times": times(codec, clip[: 10 * SAMPLE_RATE_HZ], options.repeats),
    }
    print(json.dumps(report, indent=2) if options.json else as_text(report))


if __name__ == "__main__":
    main()
