"""Several processes that train one model together, started by `accelerate launch`; or just this one."""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from siren_cli.errors import UsageError


class ProcessGroup:
    """All processes of a run: which one this is, and means over all of them.

    Every process draws its own part of every batch, and gradients are averaged over all, so that a step is the
    same whatever the number of processes. Parameters start equal and stay so.
    """

    def __init__(self, device: str) -> None:
        self.count, self.index = 1, 0
        cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
        self.device = torch.device("cuda" if cuda else "cpu")
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            try:
                from accelerate import PartialState
            except ImportError as error:
                raise UsageError(f"several processes need accelerate ({error}); install siren-codec[train]") from error
            state = PartialState(cpu=not cuda)
            self.count, self.index, self.device = state.num_processes, state.process_index, state.device

    @property
    def is_first(self) -> bool:
        """Whether this is the process that reports and writes."""
        return self.index == 0

    def average_(self, tensors: Iterable[Tensor]) -> None:
        """Replaces tensors by their means over all processes."""
        tensors = list(tensors)
        if self.count == 1 or not tensors:
            return
        from accelerate.utils import reduce

        flat = torch.cat([tensor.detach().float().flatten() for tensor in tensors])
        mean: Tensor = reduce(flat, reduction="mean")
        for tensor, part in zip(tensors, mean.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def average_gradients(self, module: nn.Module) -> None:
        """Averages the gradients of a module's parameters."""
        self.average_(p.grad for p in module.parameters() if p.grad is not None)

    def mean_of(self, figures: dict[str, float]) -> dict[str, float]:
        """Means of figures that every process has."""
        values = torch.tensor(list(figures.values()), dtype=torch.float32, device=self.device)
        self.average_([values])
        return dict(zip(figures, values.tolist(), strict=True)) if self.count > 1 else figures

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        return self.mean_of({"flag": float(flag)})["flag"] > 0 if self.count > 1 else flag

    def wait(self) -> None:
        """Waits until every process is here: what the first one wrote can then be read."""
        self.any(False)

    def leave(self) -> None:
        """Ends the connection between the processes."""
        if self.count > 1 and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
