"""Training pipeline: the phases of training in order, in one run folder.

```
RUN/config.json            sizes of the model, fixed when the run begins
RUN/training.json          settings of its phases, as last given
RUN/start/                 copy of the model of --from
RUN/cache/                 prepared recordings
RUN/factorizer.safetensors resumable state; likewise semantic, vocoder, joint, guide
RUN/codebooks.safetensors  codebooks fitted after phase semantic
RUN/metrics.jsonl          log of all figures; RUN/tensorboard/ the same, with spectra and sounds
RUN/model/                 the model, for `siren encode --model RUN/model`
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
from siren_cli.training.config import PHASES, RunConfig
from siren_cli.training.data.batches import Cache, Crops
from siren_cli.training.data.prepare import prepare
from siren_cli.training.export.model import export_model
from siren_cli.training.initialisation import (
    CODEBOOKS_NAME,
    START_NAME,
    init_from,
    init_perceptual_network,
    initial_model,
    load_run_model,
    load_semantic_model,
)
from siren_cli.training.loop.checkpoint import load_checkpoint, save_checkpoint
from siren_cli.training.loop.distributed import ProcessGroup
from siren_cli.training.loop.run_log import ProgressCallback
from siren_cli.training.loop.trainer import Phase, Trainer
from siren_cli.training.phases.codebooks import fit_codebooks, latents_of, refit_codebooks
from siren_cli.training.phases.factorizer import FactorizerPhase
from siren_cli.training.phases.guide import GuidePhase
from siren_cli.training.phases.semantic import SemanticPhase
from siren_cli.training.phases.vocoder import JointPhase, VocoderPhase
from siren_cli.training.settings import TRAINING_NAME, settings_of_run

_DEV_SEED = 7
_PHASE_CLASSES: dict[str, Callable[..., Phase]] = {
    "semantic": SemanticPhase,
    "factorizer": FactorizerPhase,
    "vocoder": VocoderPhase,
    "joint": JointPhase,
    "guide": GuidePhase,
}
_FINE_TUNING = tuple(phase for phase in PHASES if phase not in ("semantic", "vocoder"))
"""Phases of a fine-tuning run: codebooks stay, the vocoder trains on decoded mels at once."""


@dataclass(frozen=True)
class TrainRequest:
    """Training request: the arguments of one call of `train`.

    Attributes:
        run: Run folder, made if missing.
        data: Sources of recordings (`siren_cli.corpus.sources.read_source`); needed by `prepare` alone.
        phases: Names out of `PHASES`; they run in the order of `PHASES`. Empty for all that the run needs.
        config: Preset or YAML file; None for the saved settings, or else the defaults.
        settings: `key=value` and `section.key=value`.
        start: Model to start from: a folder or the name of a packaged model.
        resume: Continue from the checkpoints in the run folder.
        device: `auto`, `cpu` or `cuda`.
        cache: Folder of the prepared recordings; `run/cache` if None.
        minutes: Time after which the state is saved and training stops; None for no limit.
    """

    run: Path
    data: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    config: str | None = None
    settings: tuple[str, ...] = ()
    start: str | None = None
    resume: bool = False
    device: str = "auto"
    cache: Path | None = None
    minutes: float | None = None


def train(
    request: TrainRequest, report: Callable[[str], None], on_progress: ProgressCallback | None = None
) -> Path | None:
    """Run phases of training.

    Args:
        request: Phases, data and settings.
        report: Called with every line of progress.
        on_progress: Called with figures instead of lines, if given.

    Returns:
        The model's folder if phase `prior` ran; None otherwise.

    Raises:
        ConfigError: If a setting or a phase is unknown.
        DataError: If recordings, cache or a checkpoint are missing or unusable.
        OutputUnwritable: If the run folder cannot be written.
        TrainingInterrupted: On Ctrl-C or SIGTERM; the state is saved.
    """
    began_s = time.monotonic()
    unknown = sorted(set(request.phases) - set(PHASES))
    if unknown:
        raise ConfigError(f"phase {unknown[0]!r} is unknown; phases are {', '.join(PHASES)}")
    processes = ProcessGroup(request.device)
    try:
        if processes.is_first:
            config = _settings(request, write=True)
        processes.wait()
        if not processes.is_first:
            config = _settings(request, write=False)
        stop_at_s = None if request.minutes is None else began_s + 60 * request.minutes
        return _run_phases(request, config, processes, report, on_progress, stop_at_s)
    finally:
        processes.leave()


def _settings(request: TrainRequest, *, write: bool) -> RunConfig:
    start = init_from(request.run, request.start if write else None)
    config = request.config
    if config is None and start is not None and not (request.run / TRAINING_NAME).exists():
        config = "finetune"
    return settings_of_run(request.run, config, list(request.settings), start, write=write)


def _run_phases(
    request: TrainRequest,
    config: RunConfig,
    processes: ProcessGroup,
    report: Callable[[str], None],
    on_progress: ProgressCallback | None,
    stop_at_s: float | None,
) -> Path | None:
    started = (request.run / "start").is_dir()
    wanted = request.phases or (_FINE_TUNING if started else PHASES)
    cache = request.cache or request.run / "cache"
    exported = None
    for phase in (name for name in PHASES if name in wanted):
        needed = {"guide": config.model.guide_width, "semantic": config.model.codebook_width}
        if not request.phases and not needed.get(phase, 1):
            continue
        if phase == "prepare":
            if processes.is_first and not (request.resume and (cache / "clips.json").exists()):
                _prepare(request, cache, config, processes, report)
            processes.wait()
        elif phase == "prior":
            if processes.is_first:
                model = load_run_model(request.run, config.model, guided=True)
                prepared = Cache(cache, config.model.mel_bins)
                exported = export_model(model, prepared, request.run, processes.device, config.prior, report)
        elif not _run_phase(phase, request, cache, config, processes, report, on_progress, stop_at_s):
            report(f"out of time in phase {phase}; the state is saved, go on with --resume")
            return None
        elif phase == "semantic":
            if processes.is_first:
                _fit_codebooks(request.run, Cache(cache, config.model.mel_bins), config, report)
            processes.wait()
    return exported


def _fit_codebooks(run: Path, cache: Cache, config: RunConfig, report: Callable[[str], None]) -> None:
    """Fit codebooks to the latents of the semantic branch: new ones, or those of `--from` again."""
    step = load_checkpoint(run / "semantic.safetensors")[1]["step"]
    target = run / CODEBOOKS_NAME
    if target.exists() and load_checkpoint(target)[1]["step"] == step:
        return
    model = load_semantic_model(run, config.model)
    quantizer = model.quantizer
    assert isinstance(quantizer, ResidualCodebooks), "phase semantic asked for them"
    latents = latents_of(model, Crops(cache, "train", config.semantic.seed), config.semantic)
    fit = refit_codebooks if quantizer.is_fitted else fit_codebooks
    entropies = fit(quantizer, latents, config.semantic)
    fitted = {f"quantizer.{name}": tensor.clone() for name, tensor in quantizer.state_dict().items()}
    save_checkpoint(target, {"trained": fitted, "average": fitted}, {"step": step})
    bits = " / ".join(f"{entropy:.2f}" for entropy in entropies)
    report(f"codebooks fitted to {len(latents)} frames, entropy of the stages' indices {bits} bits")


def _prepare(
    request: TrainRequest, cache: Path, config: RunConfig, processes: ProcessGroup, report: Callable[[str], None]
) -> None:
    if not request.data:
        raise DataError("phase prepare needs recordings; give --data FOLDER or --data manifest.jsonl")
    facts = prepare(list(request.data), cache, config, report, processes.device)
    report(
        f"prepared {facts['clips']} clips of {facts['speakers']} speakers, {facts['hours']:.2f} h, "
        f"left out {facts['left_out']}"
    )


def _model_for(run: Path, phase: str, config: RunConfig) -> SirenModel:
    """Build or load the model that a phase starts with."""
    if phase in ("joint", "guide"):
        return load_run_model(run, config.model)
    is_begun = (run / START_NAME).is_dir() or (run / "factorizer.safetensors").exists()
    if phase == "factorizer" and config.model.codebook_width and not is_begun:
        return load_semantic_model(run, config.model, fitted=True)
    return initial_model(run, config.model)


def _run_phase(
    phase: str,
    request: TrainRequest,
    cache_folder: Path,
    config: RunConfig,
    processes: ProcessGroup,
    report: Callable[[str], None],
    on_progress: ProgressCallback | None,
    stop_at_s: float | None,
) -> bool:
    """Train one phase; return True if its last step was reached."""
    phase_config = config.phase(phase)
    torch.manual_seed(phase_config.seed)
    model = _model_for(request.run, phase, config)
    if model.front_end is not None and phase == "factorizer" and not (request.run / "start").is_dir():
        model.front_end.load_pretrained(config.model.hubert_path)
    cache = Cache(cache_folder, config.model.mel_bins)
    dev_split = "dev" if cache.spans.get("dev") else "train"
    units = phase_config.ctc_units if phase == "factorizer" and phase_config.ctc_weight else ""
    crops = Crops(cache, "train", phase_config.seed, units)
    dev = Crops(cache, dev_split, _DEV_SEED)
    trained_phase = _PHASE_CLASSES[phase](model.to(processes.device), crops, dev, phase_config)
    is_begun = (request.run / f"{phase}.safetensors").exists()
    if isinstance(trained_phase, VocoderPhase) and trained_phase.perceptual is not None and not is_begun:
        init_perceptual_network(request.run, trained_phase.perceptual)
    trainer = Trainer(trained_phase, request.run, processes.device, processes)
    if is_begun:
        if not request.resume:
            raise ConfigError(f"{trainer.checkpoint} is there already; give --resume to go on, or another --out")
        trainer.resume()
    processes.wait()
    return trainer.run(report, on_progress, stop_at_s)
