"""How a model is trained: frozen dataclasses, every value settable from a file and from the command line."""

from __future__ import annotations

import ast
import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from siren_cli.config import ModelConfig, dataclass_from_dict
from siren_cli.errors import ConfigError

STAGES = ("prepare", "semantic", "factorizer", "vocoder", "joint", "guide", "prior")
"""Stages of training in their order: cache, indices, waveform, waveform from decoded mels, guide of the search for
indices, tables and export.
"""

PARTS = ("front_end", "factorizer.semantic", "factorizer.voice", "quantizer", "decoder", "vocoder")
"""Parts of a model that `freeze` can name; `factorizer` stands for both of its own."""

DISCRIMINATORS = ("period", "scale", "spectrogram")
"""Kinds of discriminators: multi-period and multi-scale (HiFi-GAN), multi-resolution STFT (multi-frequency)."""


@dataclass(frozen=True)
class PrepareConfig:
    """Settings of stage `prepare`.

    Without splits in the manifest, about `dev_share` of the speech is held out: whole speakers where there are at
    least five, single recordings otherwise. `features` decides whether what a teacher and a frozen front end hear
    is computed once and kept (50 vectors a second of float16), or anew at every step.
    """

    dev_share: float = 0.05
    features: bool = True

    def __post_init__(self) -> None:
        if not 0.0 <= self.dev_share < 1.0:
            raise ConfigError(f"prepare.dev_share is {self.dev_share}, expected 0 or more and less than 1")


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one stage of training.

    Learning rates rise over `warmup_steps`, stay, and fall linearly to nothing over the last `decay_share` of
    `steps`, so that a run can be prolonged without having wasted its decay (Hägele et al. 2024).

    Listener: it learns from true envelopes in the `listener_lessons` steps before `listener_from_step`; from then on it
    is heard and learns no more, since decoders learn to deceive one that learns beside them. In stages `vocoder` and
    `joint` it learns from true mels and hears those of decoded sound, beginning with what the factorizer's has learned.

    `pitch_first_stage` is how much the pitch of crops decoded from one stage alone counts: less leaves the first
    stage's bits to the words, and the melody to the second.

    `voice_own` lets the voices that are not from elsewhere be heard from the crop itself, `voice_frames` (10 ms, a
    multiple of 4) are heard of each; `timbre_weight` counts how far the typical spectrum and pitch that the decoder
    hears in a voice are from those of what it was heard from (models with `timbre`).

    Of the crops `perturb` gives the semantic branch a share with other formants, microphones and noise; besides,
    `noise_share` of what the semantic and the voice branch hear is in noise, in babble or through a narrow band.
    Targets stay clean. Of what stages `semantic` and `guide` hear, `babble_share` is mixed sample by sample with the
    talk of others or noise before that. A share `time_warp` of the crops is said faster here and slower there, targets
    too. `decoder_dropout` of what the speech decoder's blocks add below 50 Hz is left out. Both are there for corpora
    of few hours.

    In stage `semantic` `latents_weight` counts how far latents are from what they would be without noise, and
    `place_weight` what comes of them once they are quantised (`place_risk`), for models whose places are fitted.

    `true_share` is the share of crops that stage `joint` trains on true mels instead of decoded ones.

    `evenness_weight` counts digits whose entropy in a batch is less than `evenness_floor` of the most, from
    `evenness_from_step` on.

    `rate_weight` is what a bit of the indices counts, in stage 2 `rate_second_stage` of it.

    `voice_rate_weight` decides in stage `prior` how many levels of a voice recordings use: what a bit is worth in mean
    squared distance that a level makes in decoded speech (`fit_levels_used`); 0 keeps all levels.

    `batch` counts the crops of one update over all processes; `accumulate` splits each process's share into that
    many pieces, for memory. `compiled` has the blocks compiled (`torch.compile`), which needs a C++ compiler and a
    minute or two at the start. `freeze` names parts out of `PARTS` that stay as they are.
    """

    seed: int = 1
    steps: int = 10_000
    batch: int = 10
    accumulate: int = 1
    crop_frames: int = 400
    learning_rate: float = 8e-4
    warmup_steps: int = 300
    decay_share: float = 0.25
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    bf16: bool = True
    compiled: bool = False
    freeze: tuple[str, ...] = ()
    log_every: int = 50
    evaluate_every: int = 1_000
    evaluate_crops: int = 24
    checkpoint_every_s: float = 60.0

    # Factorizer. Before `quantizer_from_step` codes are bounded but not rounded (warm start, as ESC has it).
    stage_dropout: float = 0.5
    voice_absent: float = 0.05
    voice_elsewhere: float = 0.5
    voice_own: bool = False
    voice_frames: int = 300
    timbre_weight: float = 0.0
    perturb: float = 0.5
    noise_share: float = 0.0
    babble_share: float = 0.0
    time_warp: float = 0.0
    decoder_dropout: float = 0.0
    other_speakers: float = 0.5
    mean_weight: float = 0.5
    delta_weight: float = 0.3
    correlation_weight: float = 0.0
    phone_encoder_weight: float = 0.2
    phone_decoder_weight: float = 0.4
    pitch_weight: float = 0.5
    pitch_first_stage: float = 1.0
    voicing_weight: float = 0.1
    quantizer_from_step: int = 0
    ctc_weight: float = 0.0
    ctc_units: str = "phones"
    teacher: str = ""
    teacher_layer: int = -1
    teacher_weight: float = 0.0
    evenness_weight: float = 0.0
    evenness_floor: float = 0.93
    evenness_from_step: int = 0
    rate_weight: float = 0.0
    rate_second_stage: float = 1.0
    rate_from_step: int = 0
    listener_phone_weight: float = 0.0
    listener_speaker_weight: float = 0.0
    listener_from_step: int = 0
    listener_lessons: int = 1_500

    # Semantic: what counts beside phones heard.
    latents_weight: float = 1.0
    place_weight: float = 0.0

    # Codebooks: how much of what a stage codes is to vary in spectra and melody, beside phones, and what a bit counts.
    codebook_spectrum: tuple[float, ...] = (0.6, 0.4)
    codebook_pitch: tuple[float, ...] = (0.05, 0.2)
    codebook_rate: tuple[float, ...] = (0.04, 0.05)

    # Vocoder and joint; the factorizer has a critic of its own where `adversarial_weight` is not 0.
    adversarial_from_step: int = 2_000
    adversarial_weight: float = 1.0
    adversarial_loss: str = "hinge"
    discriminators: tuple[str, ...] = ("period", "spectrogram")
    discriminator_width: int = 16
    feature_weight: float = 2.0
    spectral_weight: float = 15.0
    stft_weight: float = 0.0
    true_share: float = 0.0

    # Prior.
    voice_rate_weight: float = 0.0

    def __post_init__(self) -> None:
        for name in ("batch", "accumulate", "log_every", "evaluate_every", "evaluate_crops", "discriminator_width"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected 1 or more; correct it")
        for name in (
            "perturb", "noise_share", "babble_share", "time_warp", "other_speakers", "voice_elsewhere", "stage_dropout"
        ):  # fmt: skip
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected 0 to 1; correct it")
        if not 0.0 <= self.decoder_dropout < 1.0:
            raise ConfigError(f"decoder_dropout is {self.decoder_dropout}, expected 0 or more, less than 1; correct it")
        for name in ("codebook_spectrum", "codebook_pitch", "codebook_rate"):
            values = getattr(self, name)
            if len(values) != 2 or not all(0.0 <= value < math.inf for value in values):
                raise ConfigError(f"{name} is {values}, expected a number of 0 or more for each stage; correct it")
        if self.voice_frames < 4 or self.voice_frames % 4:
            raise ConfigError(f"voice_frames is {self.voice_frames}, expected a multiple of 4 from 4 on; correct it")
        for key, known in (("freeze", (*PARTS, "factorizer")), ("discriminators", DISCRIMINATORS)):
            for name in getattr(self, key):
                if name not in known:
                    raise ConfigError(f"{key} names {name!r}, expected some of {', '.join(known)}; correct it")
        for key, choices in (("adversarial_loss", ("hinge", "least-squares")), ("ctc_units", ("phones", "text"))):
            if getattr(self, key) not in choices:
                raise ConfigError(f"{key} is {getattr(self, key)!r}, expected {' or '.join(choices)}; correct it")
        if self.has_listener and min(self.listener_from_step, self.listener_lessons) < 1:
            raise ConfigError(
                f"listener_from_step is {self.listener_from_step} and listener_lessons {self.listener_lessons}: the "
                "listener would have learned nothing before it is heard, expected 1 or more of both; correct them"
            )
        if self.teacher_weight and not self.teacher:
            raise ConfigError("teacher_weight is set without a teacher; give teacher=PATH, a WavLM or HuBERT folder")

    @property
    def has_listener(self) -> bool:
        """Whether a listener hears what is decoded."""
        return bool(self.listener_phone_weight or self.listener_speaker_weight)

    def freezes(self, part: str) -> bool:
        """Whether a part of `PARTS` stays as it is."""
        return part in self.freeze or part.split(".", maxsplit=1)[0] in self.freeze


STAGE_DEFAULTS: dict[str, dict[str, Any]] = {
    "semantic": {"phone_encoder_weight": 1.0, "noise_share": 0.3, "other_speakers": 0.3, "decay_share": 0.5},
    "factorizer": {"adversarial_weight": 0.0, "discriminators": (), "feature_weight": 0.5},
    "vocoder": {"batch": 16, "crop_frames": 96, "learning_rate": 1e-3, "decay_share": 0.2, "steps": 6_000},
    "joint": {
        "batch": 8,
        "crop_frames": 192,
        "learning_rate": 5e-4,
        "decay_share": 0.5,
        "steps": 2_000,
        "adversarial_from_step": 0,
    },
    "guide": {
        "learning_rate": 1e-3,
        "decay_share": 0.7,
        "steps": 4_000,
        "noise_share": 0.3,
        "babble_share": 0.5,
        "pitch_weight": 2.0,
        "phone_encoder_weight": 0.5,
        "phone_decoder_weight": 0.5,
        "evaluate_every": 500,
    },
    "prior": {
        "batch": 10,
        "crop_frames": 96,
        "learning_rate": 4e-3,
        "warmup_steps": 200,
        "decay_share": 0.7,
        "steps": 3_200,
        "log_every": 250,
    },
}
"""What differs from the defaults of `TrainConfig` in each stage."""


@dataclass(frozen=True)
class RunConfig:
    """Everything a run is told: the model, and how each of its stages is trained."""

    model: ModelConfig = field(default_factory=ModelConfig)
    prepare: PrepareConfig = field(default_factory=PrepareConfig)
    semantic: TrainConfig = field(default_factory=lambda: TrainConfig(**STAGE_DEFAULTS["semantic"]))
    factorizer: TrainConfig = field(default_factory=lambda: TrainConfig(**STAGE_DEFAULTS["factorizer"]))
    vocoder: TrainConfig = field(default_factory=lambda: TrainConfig(**STAGE_DEFAULTS["vocoder"]))
    joint: TrainConfig = field(default_factory=lambda: TrainConfig(**STAGE_DEFAULTS["joint"]))
    guide: TrainConfig = field(default_factory=lambda: TrainConfig(**STAGE_DEFAULTS["guide"]))
    prior: TrainConfig = field(default_factory=lambda: TrainConfig(**STAGE_DEFAULTS["prior"]))

    def __post_init__(self) -> None:
        for name in ("semantic", "factorizer", "vocoder", "joint", "guide"):
            frames = self.stage(name).crop_frames
            if frames < 48 or frames % 16:
                raise ConfigError(f"{name}.crop_frames is {frames}, expected a multiple of 16 from 48 on; correct it")

    def stage(self, name: str) -> TrainConfig:
        """The settings of one of `STAGE_DEFAULTS`."""
        config: TrainConfig = getattr(self, name)
        return config


def run_config(sections: dict[str, dict[str, Any]], settings: list[str]) -> RunConfig:
    """Builds the settings of a run.

    Args:
        sections: Section (`model`, `prepare`, a stage of training) → what differs from its defaults.
        settings: `key=value` for every stage of training, `section.key=value` for one section; these win.

    Raises:
        ConfigError: If a key is unknown or a value of the wrong type or impossible.
    """
    values = {
        name: {**STAGE_DEFAULTS.get(name, {}), **sections.get(name, {}), **parse_settings(settings, name)}
        for name in SECTIONS
    }
    return RunConfig(
        dataclass_from_dict(ModelConfig, values["model"], "model config"),
        dataclass_from_dict(PrepareConfig, values["prepare"], "prepare config"),
        *(dataclass_from_dict(TrainConfig, values[name], f"{name} config") for name in STAGE_DEFAULTS),
    )


def stage_config(stage: str, settings: list[str]) -> TrainConfig:
    """The settings of a stage: its defaults, changed by `key=value` and `stage.key=value`.

    Raises:
        ConfigError: If a setting is not of this form, its key is unknown or its value of the wrong type.
    """
    return run_config({}, settings).stage(stage)


SECTIONS = ("model", "prepare", *STAGE_DEFAULTS)
"""What a config file can hold, beside `extends` and `training` (which stands for every stage of training)."""


def parse_settings(settings: list[str], section: str) -> dict[str, Any]:
    """Those of `key=value` and `section.key=value` that concern a section, values read as Python literals.

    Raises:
        ConfigError: If a setting is not of this form.
    """
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        where, _, name = key.rpartition(".")
        if not equals or not name or where not in ("", *SECTIONS):
            raise ConfigError(
                f"setting {setting!r} is not key=value or section.key=value; sections: {', '.join(SECTIONS)}"
            )
        known = name in {f.name for f in dataclasses.fields(TrainConfig)}
        if where == section or (not where and section in STAGE_DEFAULTS and known):
            values[name] = _literal(text)
        elif not where and not known:
            raise ConfigError(f"setting {name!r} is unknown; model settings are written model.{name}=...")
    return values


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False}.get(text, text)
