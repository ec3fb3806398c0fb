"""The stages of training one after another, in one run folder.

```
RUN/config.json            the model's sizes, fixed when the run begins
RUN/training.json          how its stages are trained, as last told
RUN/start/                 the model that it was started from, with --from
RUN/cache/                 what `prepare` made of the recordings
RUN/factorizer.safetensors resumable states, and likewise semantic, vocoder, joint, guide
RUN/codebooks.safetensors  what was fitted after stage semantic
RUN/metrics.jsonl          every figure that was logged; RUN/tensorboard/ the same, with pictures and sounds
RUN/model/                 what `siren encode --model RUN/model` loads
```
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from siren_cli.errors import ConfigError, DataError
from siren_cli.model.quantizer import ResidualCodebooks
from siren_cli.model.siren import SirenModel
from siren_cli.training.config import STAGES, RunConfig
from siren_cli.training.data.batches import Cache, Crops
from siren_cli.training.data.prepare import prepare
from siren_cli.training.export.model import export_model
from siren_cli.training.loop.checkpoint import load_checkpoint, save_checkpoint
from siren_cli.training.loop.distributed import Processes
from siren_cli.training.loop.run_log import Watch
from siren_cli.training.loop.trainer import Stage, Trainer
from siren_cli.training.settings import TRAINING_NAME, settings_of_run
from siren_cli.training.stages.codebooks import fit_codebooks, latents_of, refit_codebooks
from siren_cli.training.stages.factorizer import FactorizerStage
from siren_cli.training.stages.guide import GuideStage
from siren_cli.training.stages.semantic import SemanticStage
from siren_cli.training.stages.vocoder import JointStage, VocoderStage
from siren_cli.training.start import (
    CODEBOOKS_NAME,
    START_NAME,
    adopt,
    assemble,
    first_model,
    semantic_model,
    start_listener,
)

_DEV_SEED = 7
_STAGE_CLASSES: dict[str, Callable[..., Stage]] = {
    "semantic": SemanticStage,
    "factorizer": FactorizerStage,
    "vocoder": VocoderStage,
    "joint": JointStage,
    "guide": GuideStage,
}
_FINE_TUNING = tuple(stage for stage in STAGES if stage not in ("semantic", "vocoder"))
"""Stages of a run that starts from a model: its codebooks stay, its vocoder goes straight on to decoded mels."""


@dataclass(frozen=True)
class Order:
    """What a call of `train` is to do.

    Attributes:
        run: Run folder, made if missing.
        data: Sources of recordings (`siren_cli.corpus.sources.read_source`); needed by `prepare` alone.
        stages: Names out of `STAGES`, run in the order of `STAGES`; empty for all that the run needs.
        config: Preset or YAML file; None for what the run was told before, or else the defaults.
        settings: `key=value` and `section.key=value`.
        start: Model to start from: a folder or the name of a packaged model.
        resume: Go on from the checkpoints in the run folder.
        device: `auto`, `cpu` or `cuda`.
        cache: Folder of the prepared recordings; `run/cache` if None.
        minutes: Time after which the state is saved and training stops; None for no limit.
    """

    run: Path
    data: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    config: str | None = None
    settings: tuple[str, ...] = ()
    start: str | None = None
    resume: bool = False
    device: str = "auto"
    cache: Path | None = None
    minutes: float | None = None


def train(order: Order, report: Callable[[str], None], watch: Watch | None = None) -> Path | None:
    """Runs stages of training.

    Args:
        order: What to do.
        report: Called with every line of progress.
        watch: Called with figures instead of lines, if given.

    Returns:
        The model's folder if stage `prior` was run.

    Raises:
        ConfigError: If a setting or a stage is unknown.
        DataError: If recordings, cache or a checkpoint are missing or unusable.
        OutputUnwritable: If the run folder cannot be written.
        TrainingInterrupted: If somebody ended it; the state is saved.
    """
    began_s = time.monotonic()
    unknown = sorted(set(order.stages) - set(STAGES))
    if unknown:
        raise ConfigError(f"stage {unknown[0]!r} is unknown; stages are {', '.join(STAGES)}")
    processes = Processes(order.device)
    try:
        if processes.is_first:
            config = _settings(order, write=True)
        processes.wait()
        if not processes.is_first:
            config = _settings(order, write=False)
        stop_at_s = None if order.minutes is None else began_s + 60 * order.minutes
        return _run_stages(order, config, processes, report, watch, stop_at_s)
    finally:
        processes.leave()


def _settings(order: Order, *, write: bool) -> RunConfig:
    start = adopt(order.run, order.start if write else None)
    config = order.config
    if config is None and start is not None and not (order.run / TRAINING_NAME).exists():
        config = "finetune"
    return settings_of_run(order.run, config, list(order.settings), start, write=write)


def _run_stages(
    order: Order,
    config: RunConfig,
    processes: Processes,
    report: Callable[[str], None],
    watch: Watch | None,
    stop_at_s: float | None,
) -> Path | None:
    started = (order.run / "start").is_dir()
    wanted = order.stages or (_FINE_TUNING if started else STAGES)
    cache = order.cache or order.run / "cache"
    exported = None
    for stage in (name for name in STAGES if name in wanted):
        needed = {"guide": config.model.guide_width, "semantic": config.model.codebook_width}
        if not order.stages and not needed.get(stage, 1):
            continue
        if stage == "prepare":
            if processes.is_first and not (order.resume and (cache / "clips.json").exists()):
                _prepare(order, cache, config, processes, report)
            processes.wait()
        elif stage == "prior":
            if processes.is_first:
                model = assemble(order.run, config.model, guided=True)
                prepared = Cache(cache, config.model.mel_bins)
                exported = export_model(model, prepared, order.run, processes.device, config.prior, report)
        elif not _run_stage(stage, order, cache, config, processes, report, watch, stop_at_s):
            report(f"out of time in stage {stage}; the state is saved, go on with --resume")
            return None
        elif stage == "semantic":
            if processes.is_first:
                _fit_codebooks(order.run, Cache(cache, config.model.mel_bins), config, report)
            processes.wait()
    return exported


def _fit_codebooks(run: Path, cache: Cache, config: RunConfig, report: Callable[[str], None]) -> None:
    """Fits codebooks to what the semantic branch says now, those of the model that the run started from or new ones."""
    step = load_checkpoint(run / "semantic.safetensors")[1]["step"]
    target = run / CODEBOOKS_NAME
    if target.exists() and load_checkpoint(target)[1]["step"] == step:
        return
    model = semantic_model(run, config.model)
    quantizer = model.quantizer
    assert isinstance(quantizer, ResidualCodebooks), "stage semantic asked for them"
    found = latents_of(model, Crops(cache, "train", config.semantic.seed), config.semantic)
    fit = refit_codebooks if quantizer.is_fitted else fit_codebooks
    entropies = fit(quantizer, found, config.semantic)
    fitted = {f"quantizer.{name}": tensor.clone() for name, tensor in quantizer.state_dict().items()}
    save_checkpoint(target, {"trained": fitted, "average": fitted}, {"step": step})
    said = " / ".join(f"{entropy:.2f}" for entropy in entropies)
    report(f"codebooks fitted to {len(found)} frames, entropy of the stages' indices {said} bits")


def _prepare(order: Order, cache: Path, config: RunConfig, processes: Processes, report: Callable[[str], None]) -> None:
    if not order.data:
        raise DataError("stage prepare needs recordings; give --data FOLDER or --data manifest.jsonl")
    facts = prepare(list(order.data), cache, config, report, processes.device)
    report(
        f"prepared {facts['clips']} clips of {facts['speakers']} speakers, {facts['hours']:.2f} h, "
        f"left out {facts['left_out']}"
    )


def _begin(run: Path, stage: str, config: RunConfig) -> SirenModel:
    """The model that a stage begins with."""
    if stage in ("joint", "guide"):
        return assemble(run, config.model)
    begun = (run / START_NAME).is_dir() or (run / "factorizer.safetensors").exists()
    if stage == "factorizer" and config.model.codebook_width and not begun:
        return semantic_model(run, config.model, fitted=True)
    return first_model(run, config.model)


def _run_stage(
    stage: str,
    order: Order,
    cache_folder: Path,
    config: RunConfig,
    processes: Processes,
    report: Callable[[str], None],
    watch: Watch | None,
    stop_at_s: float | None,
) -> bool:
    """Trains one stage; returns whether it came to its end."""
    stage_config = config.stage(stage)
    torch.manual_seed(stage_config.seed)
    model = _begin(order.run, stage, config)
    if model.front_end is not None and stage == "factorizer" and not (order.run / "start").is_dir():
        model.front_end.load_pretrained(config.model.hubert_path)
    cache = Cache(cache_folder, config.model.mel_bins)
    dev_split = "dev" if cache.spans.get("dev") else "train"
    units = stage_config.ctc_units if stage == "factorizer" and stage_config.ctc_weight else ""
    crops = Crops(cache, "train", stage_config.seed, units)
    dev = Crops(cache, dev_split, _DEV_SEED)
    part = _STAGE_CLASSES[stage](model.to(processes.device), crops, dev, stage_config)
    is_begun = (order.run / f"{stage}.safetensors").exists()
    if isinstance(part, VocoderStage) and part.listener is not None and not is_begun:
        start_listener(order.run, part.listener)
    trainer = Trainer(part, order.run, processes.device, processes)
    if is_begun:
        if not order.resume:
            raise ConfigError(f"{trainer.checkpoint} is there already; give --resume to go on, or another --out")
        trainer.resume()
    processes.wait()
    return trainer.run(report, watch, stop_at_s)
