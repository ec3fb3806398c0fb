"""The model that a run goes on from: its own checkpoints, and what it was started with (`--from`)."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from siren_cli.config import ModelConfig
from siren_cli.errors import ConfigError, DataError, OutputUnwritable
from siren_cli.files.streams import reason_of
from siren_cli.model.int8 import widen
from siren_cli.model.siren import SirenModel
from siren_cli.registry.weights import CONFIG_NAME, WEIGHTS_NAME, find_model, read_networks, read_prior
from siren_cli.training.data.filterbank import fill_filterbank
from siren_cli.training.loop.checkpoint import load_checkpoint
from siren_cli.training.losses.perceptual import PerceptualNetwork
from siren_format.prior import NeuralPrior

START_NAME = "start"
"""Folder in a run that keeps the model it was started with, so that the run depends on nothing outside it."""

CODEBOOKS_NAME = "codebooks.safetensors"
"""What was fitted to the semantic branch of a run, with the step at which that was."""

_TRAINING_ONLY = ("heads.", "price.", "listener.")
"""Parts that factorizer and vocoder are trained with and no model has."""

_NOT_TRAINED = ("mel.", "tone.")
"""Parts of a model that are computed or fitted, so that no stage's state has them."""

_ZERO_INITIALISED = ("factorizer.semantic.told.",)
"""Parts that change nothing until they are trained, so that a run may add them to the model it goes on from."""


def init_from(run: Path, model: str | None) -> ModelConfig | None:
    """Copies the model to start from into the run.

    Args:
        run: Run folder, made if missing.
        model: What `--from` said: a folder or the name of a packaged model; None for what is there, if anything.

    Returns:
        The config of the model the run starts from; None if it starts from nothing.

    Raises:
        WeightsMissing: If there is no such model.
        ConfigError: If the run was started from another model.
        OutputUnwritable: If it cannot be copied.
    """
    folder = run / START_NAME
    if model is None:
        return ModelConfig.from_json(folder / CONFIG_NAME) if folder.is_dir() else None
    files = find_model(model)
    kept = folder / WEIGHTS_NAME
    if kept.exists():
        if kept.read_bytes() != files.weights_path.read_bytes():
            raise ConfigError(f"{run} was started from another model than {model}; give another --out")
    elif (run / CONFIG_NAME).exists():
        raise ConfigError(f"{run} was started without --from; give another --out")
    else:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(files.config_path, folder / CONFIG_NAME)
            shutil.copyfile(files.weights_path, kept.with_suffix(".tmp"))
            kept.with_suffix(".tmp").replace(kept)
        except OSError as error:
            raise OutputUnwritable(f"{folder}: cannot be written ({reason_of(error)}); free space") from error
    return ModelConfig.from_json(folder / CONFIG_NAME)


def initial_model(run: Path, config: ModelConfig) -> SirenModel:
    """The model that a stage of training begins with: random, or what the run was started with and has learned since.

    That is a semantic branch, and places that were fitted to it.

    Raises:
        DataError: If that does not fit the config.
    """
    model = SirenModel(config)
    fill_filterbank(model.mel)
    return _load_states(run, model, _start(run) | _branch(run)) if (run / START_NAME).is_dir() else model


def load_semantic_model(run: Path, config: ModelConfig, *, fitted: bool = False) -> SirenModel:
    """A random model with the semantic branch of a run's stage `semantic`, and its codebooks if they are `fitted`.

    Raises:
        DataError: If a checkpoint is missing or does not fit the config.
    """
    model = SirenModel(config)
    fill_filterbank(model.mel)
    names = ("semantic.safetensors", CODEBOOKS_NAME) if fitted else ("semantic.safetensors",)
    states = {k: v for name in names for k, v in load_checkpoint(run / name)[0]["average"].items()}
    return _load_states(run, model, model.state_dict() | _start(run) | states)


def load_run_model(run: Path, config: ModelConfig, *, guided: bool = False) -> SirenModel:
    """The model of a run, from the running averages of its checkpoints: factorizer, joint or else vocoder, and guide.

    What has no checkpoint is what the run was started with. The guide may be missing, and is random then, unless the
    model is to be `guided`.

    Raises:
        DataError: If a checkpoint is missing or does not fit the config.
    """
    model = SirenModel(config)
    fill_filterbank(model.mel)
    states = _start(run)
    if states:
        states |= _branch(run)
    joint, vocoder = run / "joint.safetensors", run / "vocoder.safetensors"
    for path in (run / "factorizer.safetensors", joint if joint.exists() else vocoder):
        if path.exists() or not states:
            states.update(load_checkpoint(path)[0]["average"])
    guide = run / "guide.safetensors"
    if guide.exists() or (guided and model.guide is not None and not any(map(_is_guide, states))):
        states.update(load_checkpoint(guide)[0]["average"])
    return _load_states(run, model, states)


def initial_prior(run: Path) -> NeuralPrior | None:
    """The neural prior of the model that a run was started with; None if there is no such model or it has none.

    Raises:
        WeightsDamaged: If it cannot be read.
    """
    weights = run / START_NAME / WEIGHTS_NAME
    return read_prior(weights) if weights.exists() else None


def init_perceptual_network(run: Path, listener: PerceptualNetwork) -> None:
    """Has a listener begin with what that of a run's factorizer learned from envelopes, if there was one.

    Raises:
        DataError: If the factorizer's checkpoint cannot be read or has another listener.
    """
    path = run / "factorizer.safetensors"
    if not path.exists():
        return
    prefix = "listener."
    trained = load_checkpoint(path)[0]["trained"]
    learned = {name.removeprefix(prefix): part for name, part in trained.items() if name.startswith(prefix)}
    if not learned:
        return
    try:
        listener.load_state_dict(learned)
    except RuntimeError as error:
        raise DataError(
            f"{path}: its listener does not fit the data ({' '.join(str(error).split())[:120]}); give the cache it was "
            "trained on, or no listener to later stages"
        ) from error


def _start(run: Path) -> dict[str, torch.Tensor]:
    folder = run / START_NAME
    if not folder.is_dir():
        return {}
    return widen(read_networks(folder / WEIGHTS_NAME))


def _branch(run: Path) -> dict[str, torch.Tensor]:
    """What stage `semantic` of a run has learned and fitted, as far as it has."""
    paths = [run / name for name in ("semantic.safetensors", CODEBOOKS_NAME)]
    return {k: v for path in paths if path.exists() for k, v in load_checkpoint(path)[0]["average"].items()}


def _load_states(run: Path, model: SirenModel, states: dict[str, torch.Tensor]) -> SirenModel:
    wanted = model.state_dict()
    own = {name: tensor for name, tensor in states.items() if not name.startswith(_TRAINING_ONLY)}
    may_miss = (*_NOT_TRAINED, *_ZERO_INITIALISED)
    missing = [name for name in wanted if name not in own and not (name.startswith(may_miss) or _is_guide(name))]
    try:
        model.load_state_dict({**wanted, **own})
    except RuntimeError as error:
        missing.append(" ".join(str(error).split())[:160])
    if missing:
        raise DataError(f"{run}: the checkpoints do not fit config.json ({missing[0]}); train the stages again")
    return model.eval()


def _is_guide(name: str) -> bool:
    return name.startswith("guide.")
