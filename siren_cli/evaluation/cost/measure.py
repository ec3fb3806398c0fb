"""Computational cost of SIREN's commands and of other codecs' programs: speed, start-up, memory."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from siren_cli.audio.resampling import resample
from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.errors import DataError
from siren_cli.evaluation.codecs.under_test import siren_name
from siren_cli.evaluation.cost.programs import program_costs
from siren_cli.evaluation.workers.pool import THREAD_VARIABLES

THREADS = (1, 2)
REPEATS = 3


def conditions() -> dict[str, Any]:
    """Conditions of the measurement: machine, cores, versions, threads, repeats."""
    return {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "threads": list(THREADS),
        "repeats": REPEATS,
    }


def cost_of(
    model: str | None,
    stages: tuple[int, ...],
    efforts: tuple[int, ...],
    baselines: tuple[str, ...],
    wav: NDArray[np.float32],
) -> list[dict[str, Any]]:
    """Measure the cost of SIREN and baselines on one recording. Nothing else should run meanwhile.

    Args:
        model: The model's folder or name; None for the default.
        stages: Numbers of stages.
        efforts: Efforts of the encoder.
        baselines: Names of installed baselines.
        wav: Samples [T] at 16 kHz.

    Returns:
        One row per codec, `{"system", "encode_speed_1", ...}` (see `report.columns.COST_COLUMNS`), medians. A
        baseline's speed includes its start-up and uses one thread. SIREN's excludes start-up.

    Raises:
        DataError: If a program fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        soundfile.write(folder / "in.wav", wav, SAMPLE_RATE_HZ, subtype="PCM_16")
        narrow = resample(wav, SAMPLE_RATE_HZ, SAMPLE_RATE_HZ // 2)
        np.round(np.clip(narrow, -1, 1) * 32767).astype("<i2").tofile(folder / "in.raw")
        try:
            own = _siren_rows(model, stages, efforts, folder)
            rows = [*own, *(_program_row(name, folder, []) for name in baselines)]
        except (RuntimeError, subprocess.SubprocessError) as error:
            raise DataError(f"the cost could not be measured ({error}); leave it out with --skip cost") from error
        for row in rows[len(own) :]:
            for side in ("encode", "decode"):
                row[f"{side}_speed_1"] = len(wav) / SAMPLE_RATE_HZ / row[f"{side}_s"]
    return rows


def _siren_rows(
    model: str | None, stages: tuple[int, ...], efforts: tuple[int, ...], folder: Path
) -> list[dict[str, Any]]:
    own = [] if model is None else ["--model", model]
    names = [siren_name(count, effort) for effort in efforts for count in stages]
    rows = {name: _program_row(name, folder, own) for name in names}
    for threads in THREADS:
        task = {"model": model, "wav_file": str(folder / "in.wav"), "stages": list(stages), "efforts": list(efforts),
                "threads": threads, "repeats": REPEATS}  # fmt: skip
        (folder / "task.json").write_text(json.dumps(task))
        subprocess.run(
            [sys.executable, "-m", "siren_cli.evaluation.cost.speed", folder / "task.json", folder / "result.json"],
            check=True, env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))},
        )  # fmt: skip
        for system, speeds in json.loads((folder / "result.json").read_text()).items():
            for side, speed in speeds.items():
                rows[system][f"{side}_speed_{threads}"] = speed
    return list(rows.values())


def _program_row(system: str, folder: Path, own: list[str]) -> dict[str, Any]:
    encode, decode = _commands(system, folder, own)
    (folder / "coded").write_bytes(subprocess.check_output(encode, stderr=subprocess.DEVNULL))
    row: dict[str, Any] = {"system": system}
    for side, cost in zip(("encode", "decode"), program_costs([encode, decode], REPEATS), strict=True):
        row[f"{side}_first_byte_s"] = cost.first_byte_s
        row[f"{side}_s"] = cost.seconds
        row[f"{side}_peak_mb"] = cost.peak_bytes / 1e6
    return row


def _commands(system: str, folder: Path, own: list[str]) -> tuple[list[str], list[str]]:
    """Command lines of a codec's encoder and decoder, both to standard output."""
    kind, _, mode = system.partition("-")
    wav, raw, coded = (str(folder / name) for name in ("in.wav", "in.raw", "coded"))
    if kind == "siren":
        siren = [sys.executable, "-m", "siren_cli"]
        usual = ["-o", "-", "--quiet", "--device", "cpu", "--threads", "1", *own]
        stages, _, effort = mode.partition("-effort-")
        settings = ["--stages", stages, "--effort", effort or "0"]
        return [*siren, "encode", wav, *settings, *usual], [*siren, "decode", coded, *usual]
    if kind == "codec2":
        return ["c2enc", mode, raw, "-"], ["c2dec", mode, coded, "-"]
    rate = kind.removeprefix("opus")
    return ["opusenc", "--quiet", "--bitrate", rate, wav, "-"], ["opusdec", "--quiet", coded, "-"]
