"""`python -m tests.tools.bench.spectrograms`: the model card's pictures, originals above what SIREN makes of them."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import soundfile

from siren_cli.codec import load_codec
from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.evaluation.report.spectrogram import peak_of, spectrogram_png
from tests.tools.bench.__main__ import CLIP

FOLDER = Path(__file__).resolve().parents[3] / "weights" / "spectrograms"
CLIPS = ("1580-141083-0021", "4446-2271-0016", "5105-28233-0001")
SECONDS = 4.0


def draw(folder: Path, model: str | None) -> list[Path]:
    """Draws the first seconds of three bundled clips, each as it is and decoded from two stages and from one.

    Args:
        folder: Where `CLIP.png`, `CLIP-2.png` and `CLIP-1.png` go.
        model: Name or folder of a model; None for the packaged one.

    Returns:
        The files written.
    """
    codec = load_codec(model, device="cpu", threads=1)
    folder.mkdir(parents=True, exist_ok=True)
    shown = slice(int(SECONDS * SAMPLE_RATE_HZ))
    written = []
    for name in CLIPS:
        wav, rate_hz = soundfile.read(Path(CLIP).with_name(f"{name}.flac"), dtype="float32")
        peak_db = peak_of(wav[shown])
        pictures = {"": wav}
        for stages in (2, 1):
            pictures[f"-{stages}"] = codec.decode(codec.encode(wav, rate_hz, stages=stages))
        for suffix, samples in pictures.items():
            path = folder / f"{name}{suffix}.png"
            path.write_bytes(spectrogram_png(np.asarray(samples[shown], np.float32), peak_db))
            written.append(path)
    return written


def main() -> None:
    """Draws and says where."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.bench.spectrograms", description=__doc__)
    parser.add_argument("--model", help="model's folder or name; the packaged one if not given")
    parser.add_argument("-o", "--output", type=Path, default=FOLDER, help="folder (default weights/spectrograms)")
    options = parser.parse_args()
    for path in draw(options.output, options.model):
        print(path)


if __name__ == "__main__":
    main()
