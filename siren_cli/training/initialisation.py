"""Initialisation: the weights that a phase starts with, from the run's checkpoints or from `--from MODEL`."""

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
"""Folder in a run with a copy of the model of `--from`; so the run depends on nothing outside it."""

CODEBOOKS_NAME = "codebooks.safetensors"
"""Codebooks fitted to the semantic branch of a run, with the step of the fit."""

_TRAINING_ONLY = ("heads.", "price.", "listener.")
"""Prefixes of weights that only training needs."""

_NOT_TRAINED = ("mel.", "tone.")
"""Prefixes of a model's arrays that are computed or fitted; no checkpoint has them."""

_ZERO_INITIALISED = ("factorizer.semantic.told.",)
"""Prefixes of zero-initialised weights; a run may add them to the model it starts from."""


def init_from(run: Path, model: str | None) -> ModelConfig | None:
    """Copy the model of `--from` into the run.

    Args:
        run: Run folder, made if missing.
        model: Folder or name of a packaged model; None for the copy that the run has, if any.

    Returns:
        The config of the copied model; None if the run starts with random weights.

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
    """Build the model that a phase starts with: random, or of `--from`.

    With `--from`, the run's own semantic branch and codebooks replace those of the copy.

    Raises:
        DataError: If the weights do not fit the config.
    """
    model = SirenModel(config)
    fill_filterbank(model.mel)
    if not (run / START_NAME).is_dir():
        return model
    return _load_states(run, model, _initial_states(run) | _semantic_states(run))


def load_semantic_model(run: Path, config: ModelConfig, *, fitted: bool = False) -> SirenModel:
    """Build a random model with the semantic branch of a run's phase `semantic`.

    Args:
        run: Run folder.
        config: Sizes of the model.
        fitted: Load the run's codebooks too.

    Raises:
        DataError: If a checkpoint is missing or does not fit the config.
    """
    model = SirenModel(config)
    fill_filterbank(model.mel)
    names = ("semantic.safetensors", CODEBOOKS_NAME) if fitted else ("semantic.safetensors",)
    states = {k: v for name in names for k, v in load_checkpoint(run / name)[0]["average"].items()}
    return _load_states(run, model, model.state_dict() | _initial_states(run) | states)


def load_run_model(run: Path, config: ModelConfig, *, guided: bool = False) -> SirenModel:
    """Load the model of a run from the running averages of its checkpoints.

    The checkpoints are those of factorizer, joint (or else vocoder) and guide. Weights without a checkpoint are those
    of `--from`.

    Args:
        run: Run folder.
        config: Sizes of the model.
        guided: Require a trained guide; without it, a missing guide is random.

    Raises:
        DataError: If a checkpoint is missing or does not fit the config.
    """
    model = SirenModel(config)
    fill_filterbank(model.mel)
    states = _initial_states(run)
    if states:
        states |= _semantic_states(run)
    joint, vocoder = run / "joint.safetensors", run / "vocoder.safetensors"
    for path in (run / "factorizer.safetensors", joint if joint.exists() else vocoder):
        if path.exists() or not states:
            states.update(load_checkpoint(path)[0]["average"])
    guide = run / "guide.safetensors"
    if guide.exists() or (guided and model.guide is not None and not any(map(_is_guide, states))):
        states.update(load_checkpoint(guide)[0]["average"])
    return _load_states(run, model, states)


def initial_prior(run: Path) -> NeuralPrior | None:
    """Read the neural prior of the model of `--from`; None without such a model or prior.

    Raises:
        WeightsDamaged: If it cannot be read.
    """
    weights = run / START_NAME / WEIGHTS_NAME
    return read_prior(weights) if weights.exists() else None


def init_perceptual_network(run: Path, network: PerceptualNetwork) -> None:
    """Load the weights of the perceptual network of a run's factorizer, if there are any.

    Raises:
        DataError: If the factorizer's checkpoint cannot be read or its network has other sizes.
    """
    path = run / "factorizer.safetensors"
    if not path.exists():
        return
    prefix = "listener."
    trained = load_checkpoint(path)[0]["trained"]
    states = {name.removeprefix(prefix): tensor for name, tensor in trained.items() if name.startswith(prefix)}
    if not states:
        return
    try:
        network.load_state_dict(states)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(
            f"{path}: its perceptual network does not fit the data ({reason}); give the cache it was trained on, or "
            "set listener_phone_weight and listener_speaker_weight of later phases to 0"
        ) from error


def _initial_states(run: Path) -> dict[str, torch.Tensor]:
    folder = run / START_NAME
    if not folder.is_dir():
        return {}
    return widen(read_networks(folder / WEIGHTS_NAME))


def _semantic_states(run: Path) -> dict[str, torch.Tensor]:
    """Weights and codebooks of a run's phase `semantic`, as far as they exist."""
    paths = [run / name for name in ("semantic.safetensors", CODEBOOKS_NAME)]
    return {k: v for path in paths if path.exists() for k, v in load_checkpoint(path)[0]["average"].items()}


def _load_states(run: Path, model: SirenModel, states: dict[str, torch.Tensor]) -> SirenModel:
    initial = model.state_dict()
    given = {name: tensor for name, tensor in states.items() if not name.startswith(_TRAINING_ONLY)}
    optional = (*_NOT_TRAINED, *_ZERO_INITIALISED)
    missing = [name for name in initial if name not in given and not (name.startswith(optional) or _is_guide(name))]
    try:
        model.load_state_dict({**initial, **given})
    except RuntimeError as error:
        missing.append(" ".join(str(error).split())[:160])
    if missing:
        raise DataError(f"{run}: the checkpoints do not fit config.json ({missing[0]}); train the phases again")
    return model.eval()


def _is_guide(name: str) -> bool:
    return name.startswith("guide.")
