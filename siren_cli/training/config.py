"""How a model is trained: a frozen dataclass, every value settable from the command line."""

from __future__ import annotations

import ast
import dataclasses
from dataclasses import dataclass
from typing import Any

from siren_cli.config import dataclass_from_dict
from siren_cli.errors import ConfigError

STAGES = ("prepare", "factorizer", "vocoder", "joint", "prior")
"""Stages of training in their order: cache, indices, waveform, waveform from decoded mels, tables and export."""


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one stage of training.

    Learning rates rise over `warmup_steps`, stay, and fall linearly to nothing over the last `decay_share` of
    `steps`, so that a run can be prolonged without having wasted its decay (Hägele et al. 2024).
    """

    seed: int = 1
    steps: int = 10_000
    batch: int = 10
    crop_frames: int = 400
    learning_rate: float = 8e-4
    warmup_steps: int = 300
    decay_share: float = 0.25
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    bf16: bool = True
    log_every: int = 50
    evaluate_every: int = 1_000
    checkpoint_every_s: float = 60.0

    # Factorizer.
    stage_dropout: float = 0.5
    voice_absent: float = 0.05
    voice_elsewhere: float = 0.5
    perturb: float = 0.5
    delta_weight: float = 0.3
    phone_encoder_weight: float = 0.2
    phone_decoder_weight: float = 0.4
    pitch_weight: float = 0.5
    voicing_weight: float = 0.1

    # Vocoder and joint.
    adversarial_from_step: int = 2_000
    adversarial_weight: float = 1.0
    feature_weight: float = 2.0
    spectral_weight: float = 15.0


STAGE_DEFAULTS: dict[str, dict[str, Any]] = {
    "factorizer": {},
    "vocoder": {"batch": 16, "crop_frames": 96, "learning_rate": 1e-3, "decay_share": 0.2, "steps": 6_000},
    "joint": {
        "batch": 8,
        "crop_frames": 192,
        "learning_rate": 5e-4,
        "decay_share": 0.5,
        "steps": 2_000,
        "adversarial_from_step": 0,
    },
    "prior": {
        "batch": 20,
        "crop_frames": 96,
        "learning_rate": 3e-3,
        "warmup_steps": 50,
        "decay_share": 0.5,
        "steps": 2_000,
        "log_every": 250,
    },
}
"""What differs from the defaults of `TrainConfig` in each stage."""


def stage_config(stage: str, settings: list[str]) -> TrainConfig:
    """The settings of a stage.

    Args:
        stage: One of `STAGE_DEFAULTS`.
        settings: `key=value` for every stage or `stage.key=value` for one.

    Raises:
        ConfigError: If a setting is not of this form, its key is unknown or its value of the wrong type.
    """
    return dataclass_from_dict(
        TrainConfig, {**STAGE_DEFAULTS[stage], **parse_settings(settings, stage)}, "training config"
    )


def parse_settings(settings: list[str], stage: str) -> dict[str, Any]:
    """Those of `key=value` and `stage.key=value` that concern a stage, values read as Python literals.

    Raises:
        ConfigError: If a setting is not of this form.
    """
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        where, _, name = key.rpartition(".")
        if not equals or not name or where not in ("", *STAGES, "model"):
            raise ConfigError(
                f"setting {setting!r} is not key=value or stage.key=value; stages: {', '.join(STAGES)}, model"
            )
        if where == stage or (
            not where and stage != "model" and name in {f.name for f in dataclasses.fields(TrainConfig)}
        ):
            values[name] = _literal(text)
        elif not where and stage != "model":
            raise ConfigError(f"setting {name!r} is unknown; model settings are written model.{name}=...")
    return values


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
