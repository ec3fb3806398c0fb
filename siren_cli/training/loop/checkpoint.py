"""Checkpoints as safetensors: parameters, running averages, optimiser moments and the step."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from siren_cli.errors import DataError, OutputUnwritable


def save_checkpoint(path: Path, groups: dict[str, dict[str, Tensor]], facts: dict[str, Any]) -> None:
    """Write groups of named tensors and JSON facts atomically, by a temporary sibling.

    Args:
        path: File to write.
        groups: Group name → tensor name → tensor.
        facts: Anything JSON can hold: step, config.

    Raises:
        OutputUnwritable: If it cannot be written, for want of space or else; an older checkpoint stays.
    """
    tensors = {
        f"{group}/{name}": tensor.detach().cpu().contiguous().clone()
        for group, members in groups.items()
        for name, tensor in members.items()
    }
    temporary = path.with_name(path.name + ".tmp")
    try:
        save_file(tensors, temporary, metadata={"facts": json.dumps(facts)})
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise OutputUnwritable(
            f"{path}: the state cannot be saved ({' '.join(str(error).split())[:160]}), the one before is kept; free "
            "space, then --resume"
        ) from error
    except BaseException:  # an interruption must leave no temporary file either
        temporary.unlink(missing_ok=True)
        raise


def load_checkpoint(path: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Read a file of `save_checkpoint`.

    Raises:
        DataError: If the file is missing or is no checkpoint.
    """
    groups: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["facts"])
            for key in file.keys():  # noqa: SIM118 (not a mapping)
                group, _, name = key.partition("/")
                groups.setdefault(group, {})[name] = file.get_tensor(key)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise DataError(f"{path}: not a checkpoint of this program ({error}); start again without --resume") from error
    return groups, facts


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimiser's state as named tensors (`<parameter number>/<moment>`)."""
    return {
        f"{number}/{name}": torch.as_tensor(value)
        for number, moments in optimiser.state_dict()["state"].items()
        for name, value in moments.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Load the result of `optimiser_tensors` into an optimiser."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition("/")
        state.setdefault(int(number), {})[name] = tensor
    whole = optimiser.state_dict()
    whole["state"] = state
    optimiser.load_state_dict(whole)
