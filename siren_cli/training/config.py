"""Training settings: frozen dataclasses; every value can be set from a file and on the command line."""

from __future__ import annotations

import ast
import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from siren_cli.config import ModelConfig, dataclass_from_dict
from siren_cli.errors import ConfigError

PHASES = ("prepare", "semantic", "factorizer", "vocoder", "joint", "guide", "prior")
"""Phases of training, in their order."""

PARTS = ("front_end", "factorizer.semantic", "factorizer.voice", "quantizer", "decoder", "vocoder")
"""Parts of a model that `freeze` accepts; `factorizer` stands for both of its branches."""

DISCRIMINATORS = ("period", "scale", "spectrogram")
"""Kinds of discriminators: multi-period and multi-scale (HiFi-GAN), multi-resolution STFT (multi-frequency)."""


@dataclass(frozen=True)
class PrepareConfig:
    """Settings of phase `prepare`."""

    dev_share: float = 0.05  # speech held out if the data has no splits: whole speakers if there are five, else clips
    features: bool = True  # cache the SSL features of a teacher and a frozen front end (float16, 50 vectors a second)

    def __post_init__(self) -> None:
        if not 0.0 <= self.dev_share < 1.0:
            raise ConfigError(f"prepare.dev_share is {self.dev_share}, expected 0 or more and less than 1")


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one phase of training.

    The learning rate has a warm-up, a plateau and a linear decay (Hägele et al. 2024). A run can be prolonged from its
    plateau without a wasted decay.

    `listener_*` configures the perceptual network. It trains on true envelopes, then is frozen and used as a loss. A
    network that trained beside the decoder could be deceived by it. In phases `vocoder` and `joint` its input is the
    mel of true and decoded samples; it starts from the weights of phase `factorizer`.
    """

    seed: int = 1  # of initial weights, batches and dropout
    steps: int = 10_000  # updates in all
    batch: int = 10  # crops of one update, over all processes
    accumulate: int = 1  # pieces that each process splits its share of the batch into, to save memory
    crop_frames: int = 400  # length of a crop, 10 ms each
    learning_rate: float = 8e-4  # on the plateau
    warmup_steps: int = 300  # linear rise of the learning rate
    decay_share: float = 0.25  # share of the steps, at the end, with a falling learning rate
    weight_decay: float = 0.01  # AdamW
    clip_norm: float = 1.0  # largest norm of the gradient
    ema_decay: float = 0.999  # running average of the weights
    bf16: bool = True  # autocast to bfloat16
    freeze: tuple[str, ...] = ()  # names out of `PARTS` whose weights stay
    log_every: int = 50  # steps
    evaluate_every: int = 1_000  # steps
    evaluate_crops: int = 24  # development crops
    checkpoint_every_s: float = 60.0  # wall time

    # Factorizer.
    stage_dropout: float = 0.5  # quantizer dropout: probability of one stage alone
    voice_absent: float = 0.05  # voice dropout: probability of no speaker conditioning
    voice_elsewhere: float = 0.5  # probability of a voice from another recording of the speaker
    voice_own: bool = False  # take the other voices from the crop itself
    voice_frames: int = 300  # input of the voice encoder, 10 ms each; a multiple of 4
    timbre_weight: float = 0.0  # loss of the speaker mean head (models with `timbre`)
    perturb: float = 0.5  # share of semantic inputs with other formants, equaliser and noise; clean targets
    noise_share: float = 0.0  # share of semantic and voice inputs with noise, babble or a narrow band; clean targets
    babble_share: float = 0.0  # share of crops mixed with babble or noise as samples (phases semantic and guide)
    time_warp: float = 0.0  # share of crops with a warped time axis, targets too; for few hours of data
    decoder_dropout: float = 0.0  # dropout of the decoder's residual blocks below 50 Hz; for few hours of data
    other_speakers: float = 0.5  # VTLP: share of crops with scaled frequencies, targets too
    mean_weight: float = 0.5  # loss of the mel's mean over time
    delta_weight: float = 0.3  # loss of the mel's difference in time
    correlation_weight: float = 0.0  # loss of envelope correlation
    phone_encoder_weight: float = 0.2  # phone cross-entropy on encoder features
    phone_decoder_weight: float = 0.4  # phone cross-entropy on decoder features
    pitch_weight: float = 0.5  # loss of ln F0, voiced frames
    pitch_first_stage: float = 1.0  # factor on the pitch loss of crops with one stage; less leaves its bits to words
    voicing_weight: float = 0.1  # voicing cross-entropy
    ctc_weight: float = 0.0  # CTC loss on decoder features
    ctc_units: str = "phones"  # or text
    teacher: str = ""  # folder of WavLM, HuBERT or wav2vec 2.0
    teacher_layer: int = -1  # layer of the teacher's hidden states
    teacher_weight: float = 0.0  # distillation loss
    evenness_weight: float = 0.0  # codebook-usage regulariser
    evenness_floor: float = 0.93  # digits with a larger share of the maximum entropy are not regularised
    evenness_from_step: int = 0  # first step of the regulariser
    rate_weight: float = 0.0  # rate loss, per bit
    rate_second_stage: float = 1.0  # factor on the bits of stage 2
    rate_from_step: int = 0  # first step of the rate loss
    listener_phone_weight: float = 0.0  # perceptual loss, phones
    listener_speaker_weight: float = 0.0  # perceptual loss, speaker embedding
    listener_from_step: int = 0  # first step of the perceptual loss
    listener_lessons: int = 1_500  # perceptual warm-up: steps before that the network itself trains

    # Semantic.
    latents_weight: float = 1.0  # distance of noisy latents to clean targets
    place_weight: float = 0.0  # expected quantisation risk; needs fitted codebooks

    # Codebooks, for each stage.
    codebook_spectrum: tuple[float, ...] = (0.6, 0.4)  # variance of the spectral latents; phone latents have 1
    codebook_pitch: tuple[float, ...] = (0.05, 0.2)  # variance of the pitch latents
    codebook_rate: tuple[float, ...] = (0.04, 0.05)  # rate bias per bit (entropy-constrained VQ)

    # Vocoder and joint; the factorizer has a mel discriminator if `adversarial_weight` is not 0.
    adversarial_from_step: int = 2_000  # first step of the discriminators
    adversarial_weight: float = 1.0  # generator loss
    adversarial_loss: str = "hinge"  # or least-squares
    discriminators: tuple[str, ...] = ("period", "spectrogram")  # out of `DISCRIMINATORS`
    discriminator_width: int = 16  # channels of the first layers
    feature_weight: float = 2.0  # feature matching loss
    spectral_weight: float = 15.0  # multi-scale mel loss
    stft_weight: float = 0.0  # multi-resolution STFT loss
    true_share: float = 0.0  # ground-truth mel probability in phase joint

    # Prior.
    voice_rate_weight: float = 0.0  # value of a bit, in squared distance, when voice levels are merged; 0 keeps all

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
                "perceptual network would be used untrained, expected 1 or more of both; correct them"
            )
        if self.teacher_weight and not self.teacher:
            raise ConfigError("teacher_weight is set without a teacher; give teacher=PATH, a WavLM or HuBERT folder")

    @property
    def has_listener(self) -> bool:
        """Presence of a perceptual loss."""
        return bool(self.listener_phone_weight or self.listener_speaker_weight)

    def freezes(self, part: str) -> bool:
        """Return True if a part out of `PARTS` is frozen."""
        return part in self.freeze or part.split(".", maxsplit=1)[0] in self.freeze


PHASE_DEFAULTS: dict[str, dict[str, Any]] = {
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
"""Phase → values that differ from the defaults of `TrainConfig`."""


@dataclass(frozen=True)
class RunConfig:
    """Settings of a run: the model and every phase of its training."""

    model: ModelConfig = field(default_factory=ModelConfig)
    prepare: PrepareConfig = field(default_factory=PrepareConfig)
    semantic: TrainConfig = field(default_factory=lambda: TrainConfig(**PHASE_DEFAULTS["semantic"]))
    factorizer: TrainConfig = field(default_factory=lambda: TrainConfig(**PHASE_DEFAULTS["factorizer"]))
    vocoder: TrainConfig = field(default_factory=lambda: TrainConfig(**PHASE_DEFAULTS["vocoder"]))
    joint: TrainConfig = field(default_factory=lambda: TrainConfig(**PHASE_DEFAULTS["joint"]))
    guide: TrainConfig = field(default_factory=lambda: TrainConfig(**PHASE_DEFAULTS["guide"]))
    prior: TrainConfig = field(default_factory=lambda: TrainConfig(**PHASE_DEFAULTS["prior"]))

    def __post_init__(self) -> None:
        for name in ("semantic", "factorizer", "vocoder", "joint", "guide"):
            frames = self.phase(name).crop_frames
            if frames < 48 or frames % 16:
                raise ConfigError(f"{name}.crop_frames is {frames}, expected a multiple of 16 from 48 on; correct it")

    def phase(self, name: str) -> TrainConfig:
        """Return the settings of a phase out of `PHASE_DEFAULTS`."""
        config: TrainConfig = getattr(self, name)
        return config


def run_config(sections: dict[str, dict[str, Any]], settings: list[str]) -> RunConfig:
    """Build the settings of a run.

    Args:
        sections: Section (`model`, `prepare`, a phase of training) → values that differ from its defaults.
        settings: `key=value` for every phase of training, `section.key=value` for one section. They win over sections.

    Raises:
        ConfigError: If a key is unknown or a value of the wrong type or impossible.
    """
    values = {
        name: {**PHASE_DEFAULTS.get(name, {}), **sections.get(name, {}), **parse_settings(settings, name)}
        for name in SECTIONS
    }
    return RunConfig(
        dataclass_from_dict(ModelConfig, values["model"], "model config"),
        dataclass_from_dict(PrepareConfig, values["prepare"], "prepare config"),
        *(dataclass_from_dict(TrainConfig, values[name], f"{name} config") for name in PHASE_DEFAULTS),
    )


def phase_config(phase: str, settings: list[str]) -> TrainConfig:
    """Build the settings of a phase from its defaults, `key=value` and `phase.key=value`.

    Raises:
        ConfigError: If a setting is not of this form, its key is unknown or its value of the wrong type.
    """
    return run_config({}, settings).phase(phase)


SECTIONS = ("model", "prepare", *PHASE_DEFAULTS)
"""Sections of a config file, beside `extends` and `training` (values for every phase of training)."""


def parse_settings(settings: list[str], section: str) -> dict[str, Any]:
    """Select the settings of one section; values are read as Python literals.

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
        if where == section or (not where and section in PHASE_DEFAULTS and known):
            values[name] = _literal(text)
        elif not where and not known:
            raise ConfigError(f"setting {name!r} is unknown; model settings are written model.{name}=...")
    return values


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False}.get(text, text)
