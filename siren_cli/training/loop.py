"""The loop all stages share: optimiser, schedule, averages, checkpoints, log."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from siren_cli.errors import SirenError
from siren_cli.training.checkpoint import (
    load_checkpoint,
    optimiser_tensors,
    restore_optimiser,
    save_checkpoint,
)
from siren_cli.training.config import TrainConfig
from siren_cli.training.data import Batch


class Diverged(SirenError):
    """The loss is not a number any more."""


class Stage(Protocol):
    """What a stage of training gives to the loop."""

    name: str
    trained: nn.ModuleDict
    config: TrainConfig

    def batch(self, step: int) -> Batch:
        """The batch of a step."""

    def loss(self, batch: Batch, step: int) -> tuple[Tensor, dict[str, float]]:
        """Total loss of the trained modules, and its parts."""

    def evaluate(self) -> dict[str, float]:
        """Figures on the development set."""


class Trainer:
    """Runs a stage from its last checkpoint to its last step."""

    def __init__(self, stage: Stage, run: Path, device: torch.device) -> None:
        self.stage = stage
        self.device = device
        self.folder = run
        self.checkpoint = run / f"{stage.name}.safetensors"
        run.mkdir(parents=True, exist_ok=True)
        stage.trained.to(device)
        config = stage.config
        self.optimiser = torch.optim.AdamW(
            stage.trained.parameters(),
            config.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.average = {
            name: p.detach().clone()
            for name, p in stage.trained.state_dict().items()
            if p.is_floating_point()
        }
        self.adversary: Any = getattr(stage, "adversary", None)
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

    def resume(self) -> None:
        """Continues from the checkpoint.

        Raises:
            DataError: If there is none or it does not fit.
        """
        groups, facts = load_checkpoint(self.checkpoint)
        self.stage.trained.load_state_dict(groups["trained"])
        self.average = {name: tensor.to(self.device) for name, tensor in groups["average"].items()}
        restore_optimiser(self.optimiser, groups.get("optimiser", {}))
        if self.adversary is not None and "adversary" in groups:
            self.adversary.load_state_dict(groups["adversary"])
            restore_optimiser(self.adversary_optimiser, groups.get("adversary_optimiser", {}))
        self.step = int(facts["step"])

    def save(self) -> None:
        """Writes the checkpoint."""
        groups: dict[str, dict[str, Tensor]] = {
            "trained": self.stage.trained.state_dict(),
            "average": self.average,
            "optimiser": optimiser_tensors(self.optimiser),
        }
        if self.adversary is not None:
            groups["adversary"] = self.adversary.state_dict()
            groups["adversary_optimiser"] = optimiser_tensors(self.adversary_optimiser)
        save_checkpoint(self.checkpoint, groups, {"step": self.step, "config": asdict(self.stage.config)})

    def run(self, report: Callable[[str], None]) -> None:
        """Trains to the last step, writing `metrics.jsonl` and checkpoints; saves when interrupted too.

        Raises:
            Diverged: If the loss is not finite; the last checkpoint stays as it was.
        """
        config = self.stage.config
        saved = started = time.monotonic()
        first = self.step
        finished = False
        try:
            while self.step < config.steps:
                parts = self.one_step()
                if self.step % config.log_every == 0 or self.step == config.steps:
                    pace_s = (time.monotonic() - started) / (self.step - first)
                    self.log(report, {"step": self.step, "s_per_step": round(pace_s, 4), **parts})
                if self.step % config.evaluate_every == 0 or self.step == config.steps:
                    with self.averaged():
                        self.log(report, {"step": self.step, "dev": True, **self.stage.evaluate()})
                if time.monotonic() - saved > config.checkpoint_every_s:
                    self.save()
                    saved = time.monotonic()
            finished = True
        except KeyboardInterrupt:
            finished = True
            raise
        finally:
            if finished:
                self.save()

    def one_step(self) -> dict[str, float]:
        """One update; everything random in it follows from seed and step."""
        config = self.stage.config
        torch.manual_seed(config.seed * 1_000_003 + self.step)
        rate = config.learning_rate * schedule(self.step, config)
        self.stage.trained.train()
        batch = self.stage.batch(self.step).to(self.device)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast(self.device.type, torch.bfloat16, enabled=config.bf16):
            total, parts = self.stage.loss(batch, self.step)
        if not bool(torch.isfinite(total)):
            raise Diverged(
                f"step {self.step}: the loss is {float(total)}; resume with a smaller learning_rate"
            )
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        norm = nn.utils.clip_grad_norm_(self.stage.trained.parameters(), config.clip_norm)
        self.optimiser.step()
        if self.adversary is not None and self.step >= config.adversarial_from_step:
            for group in self.adversary_optimiser.param_groups:
                group["lr"] = rate
            with torch.autocast(self.device.type, torch.bfloat16, enabled=config.bf16):
                judged, judged_parts = self.stage.adversary_loss()  # type: ignore[attr-defined]
            self.adversary_optimiser.zero_grad(set_to_none=True)
            judged.backward()
            self.adversary_optimiser.step()
            parts.update(judged_parts)
        self.step += 1
        decay = min(config.ema_decay, self.step / (self.step + 10))
        state = self.stage.trained.state_dict()
        names = list(self.average)
        torch._foreach_lerp_([self.average[n] for n in names], [state[n] for n in names], 1 - decay)
        return {
            **{name: round(value, 5) for name, value in parts.items()},
            "norm": round(float(norm), 3),
            "rate": rate,
        }

    @contextlib.contextmanager
    def averaged(self) -> Any:
        """Within this context the trained modules hold their running averages, in evaluation mode."""
        own = {name: tensor.clone() for name, tensor in self.stage.trained.state_dict().items()}
        self.stage.trained.load_state_dict(self.average, strict=False)
        self.stage.trained.eval()
        try:
            yield
        finally:
            self.stage.trained.load_state_dict(own)

    def log(self, report: Callable[[str], None], figures: dict[str, Any]) -> None:
        """Adds a line to `metrics.jsonl` and reports it."""
        line = {"stage": self.stage.name, "time": round(time.time(), 1), **figures}
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        report(
            "  ".join(
                f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in line.items() if k != "time"
            )
        )


def schedule(step: int, config: TrainConfig) -> float:
    """Share of the learning rate at a step: warm-up, plateau, linear decay."""
    remaining = (config.steps - step) / max(1.0, config.decay_share * config.steps)
    return min(1.0, (step + 1) / max(1, config.warmup_steps), max(remaining, 0.0))
