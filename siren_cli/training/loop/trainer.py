"""Trainer, the loop of every phase: optimiser, schedule, averages, checkpoints."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from siren_cli.errors import ConfigError, DataError, ExitStatus, SirenError
from siren_cli.training.config import PARTS, TrainConfig
from siren_cli.training.data.batches import Batch
from siren_cli.training.loop.checkpoint import load_checkpoint, optimiser_tensors, restore_optimiser, save_checkpoint
from siren_cli.training.loop.distributed import ProcessGroup
from siren_cli.training.loop.prefetch import Prefetcher, interruptible
from siren_cli.training.loop.run_log import MediaLog, ProgressCallback, RunLogger, SectionTimer

_PART_SEEDS = 7_919_000_003


class Diverged(SirenError):
    """Divergence: the loss is not finite."""


class TrainingInterrupted(SirenError):
    """Interruption by Ctrl-C or SIGTERM; the state is saved."""

    exit_status = ExitStatus.INTERRUPTED


class Phase(Protocol):
    """Interface of a phase of training."""

    name: str
    trained: nn.ModuleDict
    config: TrainConfig
    timer: SectionTimer

    def batch(self, step: int, part: tuple[int, int] = (0, 1)) -> Batch:
        """Draw the batch of a step, or one of several equal parts of it."""

    def loss(self, batch: Batch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Compute the total loss of the trained modules, and its parts."""

    def evaluate(self) -> dict[str, float]:
        """Compute figures on the development set."""

    def show(self) -> MediaLog:
        """Return spectra and samples of development clips."""


class Trainer:
    """Trainer of a phase, from its last checkpoint to its last step.

    Args:
        phase: The phase.
        run: Run folder.
        device: Device to train on.
        processes: Process group; this process alone if None.

    Raises:
        ConfigError: If the batch cannot be split into equal parts.
    """

    def __init__(self, phase: Phase, run: Path, device: torch.device, processes: ProcessGroup | None = None) -> None:
        self.phase = phase
        self.device = device
        self.processes = processes or ProcessGroup(device.type)
        self.folder = run
        self.checkpoint = run / f"{phase.name}.safetensors"
        run.mkdir(parents=True, exist_ok=True)
        config = phase.config
        self.parts = self.processes.count * config.accumulate
        if config.batch % self.parts:
            raise ConfigError(
                f"{phase.name}.batch is {config.batch}, expected a multiple of {self.parts} (processes times "
                "accumulate); correct it"
            )
        phase.trained.to(device)
        for frozen in self._frozen():
            frozen.requires_grad_(False)
        self.optimiser = torch.optim.AdamW(
            phase.trained.parameters(),
            config.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.average = {
            name: p.detach().clone() for name, p in phase.trained.state_dict().items() if p.is_floating_point()
        }
        self.adversary: Any = getattr(phase, "adversary", None)
        if self.adversary is not None:
            self.adversary.to(device)
            self.adversary_optimiser = torch.optim.AdamW(
                self.adversary.parameters(),
                config.learning_rate,
                betas=(0.8, 0.95),
                weight_decay=config.weight_decay,
                fused=True,
            )
        self.step = 0

    def _frozen(self) -> Iterator[nn.Module]:
        """Iterate over the frozen parts of the trained modules."""
        for part in PARTS:
            if self.phase.config.freezes(part) and part.partition(".")[0] in self.phase.trained:
                yield self.phase.trained.get_submodule(part)

    def resume(self) -> None:
        """Continue from the checkpoint.

        Raises:
            DataError: If there is none or it does not fit.
        """
        groups, facts = load_checkpoint(self.checkpoint)
        try:
            self.phase.trained.load_state_dict(groups["trained"])
            self.average = {name: tensor.to(self.device) for name, tensor in groups["average"].items()}
            restore_optimiser(self.optimiser, groups.get("optimiser", {}))
            if self.adversary is not None and "adversary" in groups:
                self.adversary.load_state_dict(groups["adversary"])
                restore_optimiser(self.adversary_optimiser, groups.get("adversary_optimiser", {}))
            self.step = int(facts["step"])
        except (RuntimeError, KeyError, ValueError) as error:
            reason = " ".join(str(error).split())[:160]
            raise DataError(
                f"{self.checkpoint}: does not fit the settings ({reason}); give those it was made with"
            ) from error

    def save(self) -> None:
        """Write the checkpoint, in the first process alone.

        Raises:
            OutputUnwritable: If it cannot be written; the earlier one stays.
        """
        if not self.processes.is_first:
            return
        groups: dict[str, dict[str, Tensor]] = {
            "trained": self.phase.trained.state_dict(),
            "average": self.average,
            "optimiser": optimiser_tensors(self.optimiser),
        }
        if self.adversary is not None:
            groups["adversary"] = self.adversary.state_dict()
            groups["adversary_optimiser"] = optimiser_tensors(self.adversary_optimiser)
        save_checkpoint(self.checkpoint, groups, {"step": self.step, "config": asdict(self.phase.config)})

    def run(
        self, report: Callable[[str], None], on_progress: ProgressCallback | None = None, stop_at_s: float | None = None
    ) -> bool:
        """Train to the last step, with log and checkpoints.

        Args:
            report: Called with lines of progress.
            on_progress: Called with figures instead, if given.
            stop_at_s: Value of `time.monotonic` at which to save and stop.

        Returns:
            True if the last step was reached.

        Raises:
            Diverged: If the loss is not finite; the last checkpoint stays as it was.
            TrainingInterrupted: On Ctrl-C or SIGTERM, after the current step and a checkpoint.
            OutputUnwritable: If log or checkpoint cannot be written.
        """
        config = self.phase.config
        saved = started = time.monotonic()
        first = self.step
        logger = RunLogger(self.folder, self.phase.name, report, on_progress, silent=not self.processes.is_first)
        out_of_time = False
        with interruptible() as interrupted, contextlib.closing(logger), Prefetcher(self.phase) as ahead:
            while self.step < config.steps and not out_of_time:
                parts = self.one_step(ahead.batch)
                if self.step % config.log_every == 0 or self.step == config.steps:
                    pace_s = (time.monotonic() - started) / (self.step - first)
                    figures = {name: round(v, 5) for name, v in self.processes.mean_of(parts).items()}
                    rate = config.learning_rate * schedule(self.step - 1, config)
                    logger.write(
                        {"step": self.step, "s_per_step": round(pace_s, 4), **figures, "rate": rate}, config.steps
                    )
                if self.processes.is_first and (self.step % config.evaluate_every == 0 or self.step == config.steps):
                    with self.averaged():
                        logger.write({"step": self.step, "dev": True, **self.phase.evaluate()}, config.steps)
                        logger.show(self.phase.show, self.step)
                if time.monotonic() - saved > config.checkpoint_every_s:
                    self.save()
                    saved = time.monotonic()
                out_of_time = self.processes.any(
                    interrupted.is_set() or (stop_at_s is not None and time.monotonic() > stop_at_s)
                )
            if self.step > first or not self.checkpoint.exists():
                self.save()
        self.processes.wait()
        if interrupted.is_set():
            raise TrainingInterrupted(
                f"interrupted after step {self.step} of {self.phase.name}, which is saved; go on with --resume"
            )
        return self.step >= config.steps

    def one_step(self, draw: Callable[[int, tuple[int, int]], Batch] | None = None) -> dict[str, float]:
        """Make one update; its random numbers depend on seed and step alone.

        Args:
            draw: Function that draws a part of the batch of a step; that of the phase if None.

        Returns:
            Parts of the loss, and the norm of the gradient.
        """
        config, phase, timer = self.phase.config, self.phase, self.phase.timer
        rate = config.learning_rate * schedule(self.step, config)
        phase.trained.train()
        for frozen in self._frozen():
            frozen.eval()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        figures: list[dict[str, float]] = []
        discriminator_inputs = []
        for piece in range(config.accumulate):
            number = self.processes.index * config.accumulate + piece
            torch.manual_seed(config.seed * 1_000_003 + self.step + number * _PART_SEEDS)
            with timer("loader"):
                batch = (draw or phase.batch)(self.step, (number, self.parts)).to(self.device)
            with timer("forward"), self._autocast():
                total, parts = phase.loss(batch, self.step)
            if not bool(torch.isfinite(total)):
                raise Diverged(f"step {self.step}: the loss is {float(total)}; resume with a smaller learning_rate")
            with timer("backward"):
                (total / config.accumulate).backward()
            figures.append(parts)
            if self.adversary is not None and self.step >= config.adversarial_from_step:
                discriminator_inputs.append(phase.take_discriminator_inputs())  # type: ignore[attr-defined]
        with timer("optimiser"):
            self.processes.average_gradients(phase.trained)
            norm = nn.utils.clip_grad_norm_(phase.trained.parameters(), config.clip_norm)
            self.optimiser.step()
        if discriminator_inputs:
            with timer("discriminators"):
                self._train_discriminators(discriminator_inputs, rate, figures)
        self.step += 1
        with timer("optimiser"):
            decay = min(config.ema_decay, self.step / (self.step + 10))
            state = phase.trained.state_dict()
            names = list(self.average)
            torch._foreach_lerp_([self.average[n] for n in names], [state[n] for n in names], 1 - decay)
        means = {name: sum(parts[name] for parts in figures) / len(figures) for name in figures[0]}
        return {**means, "norm": float(norm)}

    def _train_discriminators(
        self, discriminator_inputs: list[Any], rate: float, figures: list[dict[str, float]]
    ) -> None:
        """Make one update of the discriminators, on the decoded inputs of `loss`."""
        for group in self.adversary_optimiser.param_groups:
            group["lr"] = rate
        self.adversary_optimiser.zero_grad(set_to_none=True)
        for inputs, parts in zip(discriminator_inputs, figures, strict=True):
            with self._autocast():
                loss, adversary_parts = self.phase.adversary_loss(inputs)  # type: ignore[attr-defined]
            (loss / len(discriminator_inputs)).backward()
            parts.update(adversary_parts)
        self.processes.average_gradients(self.adversary)
        self.adversary_optimiser.step()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.phase.config.bf16)

    @contextlib.contextmanager
    def averaged(self) -> Any:
        """Context in which the trained modules have their running averages, in evaluation mode."""
        current = {name: tensor.clone() for name, tensor in self.phase.trained.state_dict().items()}
        self.phase.trained.load_state_dict(self.average, strict=False)
        self.phase.trained.eval()
        try:
            yield
        finally:
            self.phase.trained.load_state_dict(current)


def schedule(step: int, config: TrainConfig) -> float:
    """Learning rate schedule, as a share of the plateau: warm-up, plateau, linear decay."""
    remaining = (config.steps - step) / max(1.0, config.decay_share * config.steps)
    return min(1.0, (step + 1) / max(1, config.warmup_steps), max(remaining, 0.0))
