"""The models of this installation, by name and id. No torch, no NumPy."""

from __future__ import annotations

import json
import os
from typing import Any

from siren_cli.errors import WeightsDamaged

MODEL_VARIABLE = "SIREN_MODEL"
"""Environment variable that names a model as `--model` does."""


def read_manifest() -> dict[str, Any]:
    """Reads the list of packaged models.

    Returns:
        The manifest as `siren_weights` describes it; without models if the installation has none.

    Raises:
        WeightsDamaged: If it is not JSON or not of the right kind.
    """
    from siren_weights import MANIFEST_PATH

    try:
        with open(MANIFEST_PATH, encoding="utf-8") as file:
            manifest = json.load(file)
    except FileNotFoundError:
        return {"default": None, "models": []}
    except (OSError, ValueError) as error:
        raise WeightsDamaged(f"{MANIFEST_PATH}: not readable as JSON ({error}); reinstall SIREN") from error
    if not isinstance(manifest, dict) or not {"default", "models"} <= manifest.keys():
        raise WeightsDamaged(f"{MANIFEST_PATH}: lacks 'default' or 'models'; reinstall SIREN")
    return manifest


def model_release_of(model_id: bytes) -> tuple[str, str] | None:
    """Looks up a model id among the packaged models.

    Args:
        model_id: 2 bytes, from a file's header.

    Returns:
        Name and release of the model; None if it is not packaged.

    Raises:
        WeightsDamaged: If the list cannot be read.
    """
    for entry in read_manifest()["models"]:
        if entry["id"] == model_id.hex():
            return entry["name"], entry["release"]
    return None


def model_for(model_id: str, model: str | None) -> str | None:
    """Chooses the model to decode a file with: the user's, or else the packaged model that the file names.

    Args:
        model_id: Id in the file, hexadecimal.
        model: What the user gave with `--model`; None for nothing.

    Returns:
        What to give to `find_model`.

    Raises:
        WeightsDamaged: If the list cannot be read.
    """
    if model is not None or os.environ.get(MODEL_VARIABLE):
        return model
    packaged = model_release_of(bytes.fromhex(model_id))
    return None if packaged is None else packaged[0]
