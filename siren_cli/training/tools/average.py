"""Weight averaging of checkpoints (model soups, Wortsman et al. 2022)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from siren_cli.errors import DataError, OutputUnwritable, UsageError
from siren_cli.files.streams import reason_of
from siren_cli.training.loop.checkpoint import load_checkpoint, save_checkpoint


def average(checkpoints: list[Path], shares: list[float], target: Path) -> dict[str, int]:
    """Average the running averages of checkpoints that continue the same weights.

    Runs from the same weights lie in one valley of the loss. Their mean is often better than each of them. The mean of
    unrelated runs is noise. The result is a checkpoint: phase `prior` exports it, and `--resume` continues it with a
    new optimiser state.

    Args:
        checkpoints: At least two files `factorizer.safetensors`, `vocoder.safetensors` or `joint.safetensors`.
        shares: Weight of each checkpoint, above 0; empty for equal weights. They need not sum to 1.
        target: File to write; its folder is made.

    Returns:
        `{"tensors", "left_out", "step"}`: number of averaged tensors, number of tensors that some checkpoints lack, and
        the step of the first checkpoint.

    Raises:
        UsageError: If there are fewer than two, or shares are not as many or not above 0.
        DataError: If one is no checkpoint, or none of its tensors fits the others'.
        OutputUnwritable: If the mean cannot be written.
    """
    if len(checkpoints) < 2:
        raise UsageError(f"there is {len(checkpoints)} checkpoint, expected two or more to average; name the others")
    if shares and (len(shares) != len(checkpoints) or not all(0 < share < math.inf for share in shares)):
        raise UsageError(
            f"the shares {', '.join(format(share, 'g') for share in shares)} are not one above 0 for each of "
            f"{len(checkpoints)} checkpoints; give as many"
        )
    weights = shares or [1.0] * len(checkpoints)
    first, facts = _averages(checkpoints[0])
    mean = {name: tensor.float() * (weights[0] / sum(weights)) for name, tensor in first.items()}
    names = set(first)
    for path, weight in zip(checkpoints[1:], weights[1:], strict=True):
        other, _ = _averages(path)
        names |= set(other)
        mean = {name: tensor for name, tensor in mean.items() if name in other}
        for name, tensor in mean.items():
            if tensor.shape != other[name].shape:
                raise DataError(
                    f"{path}: {name} has shape {list(other[name].shape)}, in {checkpoints[0]} {list(tensor.shape)}; "
                    "average checkpoints of one model"
                )
            tensor += other[name].float() * (weight / sum(weights))
    if not mean:
        raise DataError(f"{checkpoints[0]} and the others have no tensor in common; average those of one part")
    mean = {name: tensor.to(first[name].dtype) for name, tensor in mean.items()}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputUnwritable(f"{target.parent}: cannot be written ({reason_of(error)}); give another one") from error
    save_checkpoint(target, {"trained": mean, "average": mean}, facts)
    return {"tensors": len(mean), "left_out": len(names) - len(mean), "step": int(facts.get("step", 0))}


def _averages(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    groups, facts = load_checkpoint(path)
    if "average" not in groups:
        raise DataError(f"{path}: holds no running averages; give the checkpoint of a phase of training")
    return groups["average"], facts
