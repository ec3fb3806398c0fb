"""Data-parallel training in several processes, started by `accelerate launch`; or in one."""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from siren_cli.errors import UsageError


class ProcessGroup:
    """Process group of a run: index of this process, and means over all processes.

    Every process draws its part of every batch, and gradients are averaged. So a step does not depend on the number of
    processes. Parameters start equal and stay equal.

    Raises:
        UsageError: If several processes run without accelerate.
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
        """True in the process that reports and writes."""
        return self.index == 0

    def average_(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by their means over all processes."""
        tensors = list(tensors)
        if self.count == 1 or not tensors:
            return
        from accelerate.utils import reduce

        flat = torch.cat([tensor.detach().float().flatten() for tensor in tensors])
        mean: Tensor = reduce(flat, reduction="mean")
        for tensor, part in zip(tensors, mean.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def average_gradients(self, module: nn.Module) -> None:
        """Average the gradients of a module's parameters."""
        self.average_(p.grad for p in module.parameters() if p.grad is not None)

    def mean_of(self, figures: dict[str, float]) -> dict[str, float]:
        """Average figures over all processes."""
        values = torch.tensor(list(figures.values()), dtype=torch.float32, device=self.device)
        self.average_([values])
        return dict(zip(figures, values.tolist(), strict=True)) if self.count > 1 else figures

    def any(self, flag: bool) -> bool:
        """Return True if the flag is set in any process."""
        return self.mean_of({"flag": float(flag)})["flag"] > 0 if self.count > 1 else flag

    def wait(self) -> None:
        """Wait until every process is here; files of the first one can be read then."""
        self.any(False)

    def leave(self) -> None:
        """End the connection between the processes."""
        if self.count > 1 and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
