"""`python -m tests.tools.bench`: measures and prints."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.tools.bench.report import as_dict, as_text
from tests.tools.bench.startup import measure_commands

CLIP = Path(__file__).resolve().parents[2] / "data" / "4446-2271-0016.flac"
SHORT_CLIP_S = 3


def main() -> None:
    """Runs the benchmark and prints its figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--repeats", type=int, default=5, help="counted runs of each measurement (default 5)")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error(f"--repeats is {options.repeats}, expected 1 or more")
    report = run(options.repeats)
    print(json.dumps(report, indent=2) if options.json else as_text(report))


def run(repeats: int) -> dict[str, Any]:
    """Measures commands first, while this process is small, then the codecs on one thread."""
    with tempfile.TemporaryDirectory() as folder:
        short_clip = Path(folder) / "short.wav"
        _cut(CLIP, short_clip, SHORT_CLIP_S)
        runs = measure_commands(CLIP, short_clip, repeats)

    import soundfile
    import torch
    import transformers

    from siren_cli.codec import load_codec
    from tests.tools.bench.contender import measure
    from tests.tools.bench.peers import peers
    from tests.tools.bench.siren import siren_contenders

    torch.set_num_threads(1)
    wav, sample_rate_hz = soundfile.read(CLIP, dtype="float32")
    contenders = [
        *siren_contenders(load_codec(device="cpu", threads=1), wav, sample_rate_hz),
        *peers(wav, sample_rate_hz),
    ]
    with torch.inference_mode():
        speeds = measure(contenders, len(wav) / sample_rate_hz, repeats)
    conditions = {
        "clip": CLIP.name,
        "threads": torch.get_num_threads(),
        "repeats": repeats,
        "machine": platform.machine(),
        "Python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    return as_dict(speeds, runs, conditions)


def _cut(source: Path, target: Path, seconds: int) -> None:
    """Writes the first seconds of a recording, by a child, so that this process stays small."""
    code = (
        "import soundfile, sys; rate = soundfile.info(sys.argv[1]).samplerate; "
        "soundfile.write(sys.argv[2], soundfile.read(sys.argv[1], int(sys.argv[3]) * rate)[0], rate)"
    )
    subprocess.run([sys.executable, "-c", code, str(source), str(target), str(seconds)], check=True)


if __name__ == "__main__":
    main()
