"""The stages of training one after another, in one run folder.

```
RUN/config.json            the model's sizes, fixed when the run begins
RUN/cache/                 what `prepare` made of the recordings
RUN/factorizer.safetensors resumable states, and likewise vocoder, joint
RUN/metrics.jsonl          every figure that was logged
RUN/model/                 what `siren encode --model RUN/model` loads
```
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from siren_cli.config import ModelConfig, dataclass_from_dict
from siren_cli.errors import ConfigError, DataError
from siren_cli.model.build import SirenModel
from siren_cli.training.checkpoint import load_checkpoint
from siren_cli.training.config import STAGE_DEFAULTS, STAGES, parse_settings, stage_config
from siren_cli.training.data import Cache, Crops
from siren_cli.training.export import export_model
from siren_cli.training.factorizer_stage import FactorizerStage
from siren_cli.training.filterbank import fill_filterbank
from siren_cli.training.loop import Stage, Trainer
from siren_cli.training.prepare import prepare
from siren_cli.training.vocoder_stage import JointStage, VocoderStage

_DEV_SEED = 7
_STAGE_CLASSES: dict[str, Callable[..., Stage]] = {
    "factorizer": FactorizerStage,
    "vocoder": VocoderStage,
    "joint": JointStage,
}


def train(
    data: Path | None,
    run: Path,
    stages: list[str],
    settings: list[str],
    *,
    resume: bool,
    device: str,
    report: Callable[[str], None],
    cache: Path | None = None,
) -> Path | None:
    """Runs stages of training.

    Args:
        data: Folder of recordings or manifest; needed by `prepare` alone.
        run: Run folder, made if missing.
        stages: Names out of `STAGES`, run in the order of `STAGES`.
        settings: `key=value`, `stage.key=value` and `model.key=value`.
        resume: Go on from the checkpoints in the run folder.
        device: `auto`, `cpu` or `cuda`.
        report: Called with every line of progress.
        cache: Folder of the prepared recordings; `run/cache` if None.

    Returns:
        The model's folder if stage `prior` was run.

    Raises:
        ConfigError: If a setting or a stage is unknown.
        DataError: If recordings, cache or a checkpoint are missing or unusable.
    """
    unknown = sorted(set(stages) - set(STAGES))
    if unknown:
        raise ConfigError(f"stage {unknown[0]!r} is unknown; stages are {', '.join(STAGES)}")
    for stage in STAGE_DEFAULTS:
        stage_config(stage, settings)  # a wrong setting is refused now, not when its stage begins in a day
    config = _model_config(run, settings)
    cache = cache or run / "cache"
    chosen = torch.device(
        "cuda" if device == "cuda" or (device == "auto" and torch.cuda.is_available()) else "cpu"
    )
    exported = None
    for stage in (name for name in STAGES if name in stages):
        if stage == "prepare":
            if data is None:
                raise DataError("stage prepare needs recordings; give --data FOLDER or --data manifest.jsonl")
            facts = prepare(data, cache, config, report)
            report(f"prepared {facts['clips']} clips, {facts['hours']:.2f} h, left out {facts['left_out']}")
        elif stage == "prior":
            prior_config = stage_config(stage, settings)
            exported = export_model(
                assemble(run, config),
                Cache(cache, config.mel_bins),
                run / "model",
                chosen,
                prior_config,
                report,
            )
        else:
            _run_stage(stage, run, cache, config, settings, resume, chosen, report)
    return exported


def _run_stage(
    stage: str,
    run: Path,
    cache_folder: Path,
    config: ModelConfig,
    settings: list[str],
    resume: bool,
    device: torch.device,
    report: Callable[[str], None],
) -> None:
    train_config = stage_config(stage, settings)
    torch.manual_seed(train_config.seed)
    model = assemble(run, config) if stage == "joint" else SirenModel(config)
    fill_filterbank(model.mel)
    if model.front_end is not None and stage == "factorizer":
        model.front_end.load_pretrained(config.hubert_path)
    cache = Cache(cache_folder, config.mel_bins)
    dev_split = "dev" if cache.spans.get("dev") else "train"
    crops = Crops(cache, "train", train_config.seed)
    trainer = Trainer(
        _STAGE_CLASSES[stage](model.to(device), crops, Crops(cache, dev_split, _DEV_SEED), train_config),
        run,
        device,
    )
    if trainer.checkpoint.exists():
        if not resume:
            raise ConfigError(
                f"{trainer.checkpoint} is there already; give --resume to go on, or another --out"
            )
        trainer.resume()
    trainer.run(report)


def assemble(run: Path, config: ModelConfig) -> SirenModel:
    """The model of a run, from the running averages of its checkpoints: factorizer, and joint or else vocoder.

    Raises:
        DataError: If a checkpoint is missing or does not fit the config.
    """
    model = SirenModel(config)
    fill_filterbank(model.mel)
    joint = run / "joint.safetensors"
    states = dict(_averages(run / "factorizer.safetensors"))
    states.update(_averages(joint if joint.exists() else run / "vocoder.safetensors"))
    wanted = model.state_dict()
    own = {name: tensor for name, tensor in states.items() if not name.startswith("heads.")}
    missing = [name for name in wanted if name not in own and not name.startswith("mel.")]
    try:
        model.load_state_dict({**wanted, **own})
    except RuntimeError as error:
        missing.append(" ".join(str(error).split())[:160])
    if missing:
        raise DataError(
            f"{run}: the checkpoints do not fit config.json ({missing[0]}); train the stages again"
        )
    return model.eval()


def _averages(path: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(path)[0]["average"]


def _model_config(run: Path, settings: list[str]) -> ModelConfig:
    """The run's config.json, or on its first use the defaults with the `model.` settings, written there."""
    path = run / "config.json"
    values = parse_settings(settings, "model")
    if path.exists():
        config = ModelConfig.from_json(path)
        if values:
            raise ConfigError(
                f"{path} fixes the model of this run; leave out model.{next(iter(values))} or give another --out"
            )
        return config
    config = dataclass_from_dict(ModelConfig, values, "model config")
    run.mkdir(parents=True, exist_ok=True)
    path.write_text(config.to_json(), encoding="utf-8")
    return config
