"""A model's files: find them, check them, hand over their paths.

Looked for in this order: the `--model` option (a folder, or the name of a packaged model), the environment
variable `SIREN_MODEL` (the same), the default of the packaged models. Only `read_networks` needs torch.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siren_cli.errors import OutputUnwritable, WeightsDamaged, WeightsMissing
from siren_cli.files.streams import reason_of, write_bytes_atomic
from siren_cli.registry.manifest import MODEL_VARIABLE, read_manifest

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from siren_format.prior import NeuralPrior

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
MODEL_ID_BYTES = 2

PRIOR_PREFIX = "prior."
_FORMER_PREFIX = "tables."
"""Arrays that models made before 1.0 still hold, for a coder that is gone; their ids depend on them."""


@dataclass(frozen=True)
class ModelFiles:
    """A model that lies on disk, complete and checked.

    Attributes:
        config_path: Its `config.json`.
        weights_path: Its `model.safetensors`.
        model_id: Leading 2 bytes of the sha256 of the weights file.
        name: Name of the packaged model, or of the folder.
        release: Release of SIREN that first had the model; None for a folder of the user's own.
    """

    config_path: Path
    weights_path: Path
    model_id: bytes
    name: str
    release: str | None


def find_model(model: str | Path | None = None) -> ModelFiles:
    """Finds a model and checks its files.

    Args:
        model: Folder with `config.json` and `model.safetensors`, or name of a packaged model, which goes
            before a folder of the same name (write `./name` for that); None for `$SIREN_MODEL`, or else
            the default.

    Returns:
        Where the files lie. Packaged files have the size and sha256 of the manifest.

    Raises:
        WeightsMissing: If there is no such model or a file of it is missing.
        WeightsDamaged: If a packaged file or the manifest is not what it should be.
    """
    wanted = os.fspath(model) if model is not None else os.environ.get(MODEL_VARIABLE) or None
    manifest = read_manifest()
    name = manifest["default"] if wanted is None else wanted
    for entry in manifest["models"]:
        if entry["name"] == name:
            return _packaged(entry)
    if wanted is None:
        raise WeightsMissing(
            "this installation holds no model; reinstall SIREN, or give a model's folder with --model or "
            f"${MODEL_VARIABLE}"
        )
    return _users_own(wanted)


def read_prior(weights_path: str | Path) -> NeuralPrior | None:
    """Reads the neural prior that travels with the weights, and nothing else of them.

    Args:
        weights_path: The `model.safetensors`.

    Returns:
        The prior; None if the model has none.

    Raises:
        WeightsDamaged: If the file is not safetensors or the prior in it is impossible.
    """
    from siren_format.prior import NeuralPrior

    arrays = _read_arrays(weights_path, PRIOR_PREFIX)
    try:
        return NeuralPrior.from_arrays(arrays) if arrays else None
    except ValueError as error:
        raise WeightsDamaged(f"{weights_path}: prior not readable ({error}); restore the file") from error


def read_networks(weights_path: str | Path) -> dict[str, Tensor]:
    """Reads the parameters of the networks as they are stored, for `siren_cli.model.siren.build`.

    Args:
        weights_path: The `model.safetensors`.

    Returns:
        Name → tensor; without the prior.

    Raises:
        WeightsDamaged: If the file is not safetensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(weights_path)
    except (SafetensorError, OSError) as error:
        raise WeightsDamaged(
            f"{weights_path}: not readable as safetensors ({error}); restore the model's files"
        ) from error
    return {name: tensor for name, tensor in tensors.items() if not name.startswith((_FORMER_PREFIX, PRIOR_PREFIX))}


def save_model(directory: str | Path, config_json: str, tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """Writes a model's folder; each of its files is replaced as a whole.

    Args:
        directory: Folder, made if missing.
        config_json: Text of `config.json`.
        tensors: Name → array: the parameters of the networks and the prior.

    Returns:
        The model id.

    Raises:
        OutputUnwritable: If a file cannot be written.
    """
    from safetensors.numpy import save

    folder = os.fspath(directory)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise OutputUnwritable(f"{folder}: cannot be made ({reason_of(error)}); write elsewhere") from error
    data = save({name: _contiguous(array) for name, array in tensors.items()})
    write_bytes_atomic(os.path.join(folder, WEIGHTS_NAME), data)
    write_bytes_atomic(os.path.join(folder, CONFIG_NAME), config_json.encode("utf-8"))
    return hashlib.sha256(data).digest()[:MODEL_ID_BYTES]


def register_model(name: str, release: str, *, is_default: bool) -> None:
    """Enters a model that lies in the package `siren_weights` into its manifest, or renews its entry.

    Args:
        name: Name of the model, which is that of its folder.
        release: First release of SIREN that has the model.
        is_default: Whether it becomes the default.

    Raises:
        WeightsMissing: If the folder or a file of it is not there.
        WeightsDamaged: If the manifest cannot be read.
        OutputUnwritable: If the manifest cannot be written.
    """
    import siren_weights

    found = _users_own(os.path.join(siren_weights.FOLDER, name))
    files = {
        path.name: {"sha256": _sha256(path), "bytes": path.stat().st_size}
        for path in (found.config_path, found.weights_path)
    }
    manifest = read_manifest()
    others = [entry for entry in manifest["models"] if entry["name"] != name]
    entry = {"name": name, "id": found.model_id.hex(), "release": release, "files": files}
    models = sorted([*others, entry], key=lambda model: str(model["name"]))
    default = name if is_default else manifest["default"]
    _write_manifest({**manifest, "default": default, "models": models})


def read_encoder_file(name: str) -> dict[str, Tensor]:
    """Reads networks that the encoders of all models share and no decoder needs.

    Args:
        name: Path below the package's folder, as `phone_classifier.safetensors`.

    Returns:
        Name → tensor as stored, for `siren_cli.model.int8.widen`.

    Raises:
        WeightsMissing: If the installation lacks the file.
        WeightsDamaged: If it is not what the manifest says.
    """
    from safetensors.torch import load

    from siren_weights import FOLDER

    path = os.path.join(FOLDER, name)
    expected = read_manifest().get("encoder_files", {}).get(name)
    if expected is None or not os.path.isfile(path):
        raise WeightsMissing(f"{path}: no such file, the encoder's search needs it; reinstall SIREN or use --effort 0")
    with open(path, "rb") as file:
        data = file.read()
    _compare(path, len(data), hashlib.sha256(data).hexdigest(), expected)
    return load(data)


def write_encoder_file(name: str, data: bytes) -> None:
    """Writes networks that the encoders of all models share into the package, and enters them into its manifest.

    Args:
        name: Path below the package's folder.
        data: A safetensors file.

    Raises:
        WeightsDamaged: If the manifest cannot be read.
        OutputUnwritable: If file or manifest cannot be written.
    """
    import siren_weights

    path = os.path.join(siren_weights.FOLDER, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_bytes_atomic(path, data)
    manifest = read_manifest()
    files = {
        **manifest.get("encoder_files", {}),
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)},
    }
    _write_manifest({**manifest, "encoder_files": dict(sorted(files.items()))})


def _write_manifest(manifest: dict[str, Any]) -> None:
    import json

    import siren_weights

    write_bytes_atomic(siren_weights.MANIFEST_PATH, (json.dumps(manifest, indent=2) + "\n").encode("utf-8"))


def _compare(path: str, size_bytes: int, digest: str, expected: dict[str, Any]) -> None:
    if (size_bytes, digest) != (expected["bytes"], expected["sha256"]):
        raise WeightsDamaged(
            f"{path}: {size_bytes} bytes with sha256 {digest[:12]}..., "
            f"expected {expected['bytes']} bytes with {expected['sha256'][:12]}...; reinstall SIREN"
        )


def _read_arrays(weights_path: str | Path, prefix: str) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights_path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in list(file.keys()) if name.startswith(prefix)}
    except (SafetensorError, OSError) as error:
        what = prefix.rstrip(".")
        raise WeightsDamaged(f"{weights_path}: {what} not readable ({error}); restore the file") from error


def _contiguous(array: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    return np.ascontiguousarray(array).reshape(array.shape)


def _packaged(entry: dict[str, Any]) -> ModelFiles:
    from siren_weights import FOLDER

    folder = os.path.join(FOLDER, entry["name"])
    found = _users_own(folder)
    for name, expected in entry["files"].items():
        path = os.path.join(folder, name)
        _compare(path, os.path.getsize(path), _sha256(path), expected)
    return replace(found, release=entry["release"])


def _users_own(folder: str) -> ModelFiles:
    config_path, weights_path = Path(folder, CONFIG_NAME), Path(folder, WEIGHTS_NAME)
    if not os.path.isdir(folder):
        raise WeightsMissing(f"{folder}: no such folder or packaged model; give a folder with {WEIGHTS_NAME}")
    for path in (config_path, weights_path):
        if not path.is_file():
            raise WeightsMissing(f"{path}: no such file, a model needs it; restore it")
    model_id = bytes.fromhex(_sha256(weights_path))[:MODEL_ID_BYTES]
    return ModelFiles(config_path, weights_path, model_id, os.path.basename(os.path.abspath(folder)), None)


def _sha256(path: str | Path) -> str:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    except OSError as error:
        raise WeightsMissing(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    return digest.hexdigest()
