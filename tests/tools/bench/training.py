"""`python -m tests.tools.bench.training`: speed of each phase of training on this machine, by section."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from siren_cli.audio.pitch import HOP_SAMPLES
from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.training.config import PHASE_DEFAULTS, run_config
from siren_cli.training.data.batches import Cache, Crops
from siren_cli.training.data.prepare import prepare
from siren_cli.training.initialisation import initial_model
from siren_cli.training.loop.prefetch import Prefetcher
from siren_cli.training.loop.trainer import Phase, Trainer
from siren_cli.training.phases.factorizer import FactorizerPhase
from siren_cli.training.phases.guide import GuidePhase
from siren_cli.training.phases.vocoder import JointPhase, VocoderPhase
from siren_cli.training.settings import read_config

CLIPS = Path(__file__).resolve().parents[2] / "data"
PHASES: dict[str, Callable[..., Phase]] = {
    "factorizer": FactorizerPhase,
    "vocoder": VocoderPhase,
    "joint": JointPhase,
    "guide": GuidePhase,
}
SECTIONS = ("loader", "forward", "backward", "discriminators", "optimiser")


def measure(phase: str, config_name: str, settings: list[str], folder: Path, steps: int) -> dict[str, Any]:
    """Trains a few steps of a phase, discriminators included, after two that do not count.

    Args:
        phase: One of `PHASES`.
        config_name: Preset or file.
        settings: As `--set` takes them.
        folder: Folder with the cache in `cache`.
        steps: Steps to count.

    Returns:
        Seconds of audio trained on per second, seconds per step, and the share of every section.
    """
    config = run_config(read_config(config_name), [*settings, "adversarial_from_step=0"])
    cache = Cache(folder / "cache", config.model.mel_bins)
    phase_config = config.phase(phase)
    model = initial_model(folder, config.model)
    crops = Crops(cache, "train", phase_config.seed)
    trained = PHASES[phase](model, crops, crops, phase_config)
    trainer = Trainer(trained, folder / "run", torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    with Prefetcher(trained) as ahead:
        for _ in range(2):
            trainer.one_step(ahead.batch)
        trained.timer.spent_s.clear()
        began_s = time.perf_counter()
        for _ in range(steps):
            trainer.one_step(ahead.batch)
        spent_s = time.perf_counter() - began_s
    audio_s = steps * phase_config.batch * phase_config.crop_frames * HOP_SAMPLES / SAMPLE_RATE_HZ
    shares = trained.timer.shares()
    return {
        "stage": phase,
        "audio_s_per_s": audio_s / spent_s,
        "s_per_step": spent_s / steps,
        **{name: shares.get(name, 0.0) for name in SECTIONS},
    }


def main() -> None:
    """Measures every phase and prints one line for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.bench.training", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--config", default="siren-v1", help="preset or YAML file (default siren-v1)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as siren train has it")
    parser.add_argument("--steps", type=int, default=5, help="counted steps of each phase (default 5)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of torch")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = run_config(read_config(options.config), options.set)
        prepare([str(CLIPS)], folder / "cache", config, lambda line: None, torch.device("cpu"))
        rows = [measure(phase, options.config, options.set, folder, options.steps) for phase in PHASE_DEFAULTS]
    if options.json:
        print(json.dumps({"config": options.config, "threads": options.threads, "stages": rows}, indent=2))
        return
    print(f"{options.config}, {options.threads} threads, {options.steps} steps; discriminators from the first step")
    print(f"{'stage':<12}{'audio s / s':>12}{'s / step':>10}" + "".join(f"{name:>16}" for name in SECTIONS))
    for row in rows:
        shares = "".join(f"{row[section]:>16.1%}" for section in SECTIONS)
        print(f"{row['stage']:<12}{row['audio_s_per_s']:>12.1f}{row['s_per_step']:>10.3f}" + shares)


if __name__ == "__main__":
    main()
