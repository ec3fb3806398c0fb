"""The model's configuration: a frozen dataclass, read from `config.json` beside the weights."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from siren_cli.errors import ConfigError

SAMPLE_RATE_HZ = 16_000
FRAME_SAMPLES = 2_560
FSQ_LEVELS = (8, 5, 5, 5)
MAX_EFFORT = 100
"""Most others that encoding may try in place of a frame's indices."""
DEFAULT_EFFORT = 24
"""How many `siren encode` tries: most of what there is to gain, still several times as fast as speech."""


@dataclass(frozen=True)
class ModelConfig:
    """Sizes and choices of one SIREN model.

    The grid is fixed by the format (16 kHz, 2,560 samples a frame, FSQ levels 8, 5, 5, 5); everything here
    is free to differ between models.
    """

    name: str = "unnamed"

    # Front end: "mel", or "hubert" for a self-supervised model read through transformers.
    front_end: str = "mel"
    hubert_path: str = ""
    mel_bins: int = 80
    mel_hop_samples: int = 160
    mel_window_samples: int = 640
    mel_fft_samples: int = 1_024
    mel_floor: float = 1e-4
    mel_mean: float = -6.0
    mel_std: float = 2.1

    # Factorizer and speech decoder: widths at 50, 25, 12.5 and 6.25 Hz, blocks at each, attention reach; how many of
    # the encoder's blocks at 50 Hz, its last, hear again what they heard, told what 6.25 Hz found.
    stages: int = 2
    widths: tuple[int, ...] = (256, 256, 256, 320)
    encoder_blocks: tuple[int, ...] = (3, 1, 1, 2)
    heard_again: int = 0
    decoder_blocks: tuple[int, ...] = (3, 1, 1, 2)
    expansion: int = 3
    attention_heads: int = 4
    attention_reach_frames: int = 16
    voice_width: int = 128

    # Quantiser (0: four numbers are read off the latents and rounded): how many numbers the latents are, if each of the
    # 1000 points of the lattice has a place among them.
    codebook_width: int = 0

    # Of codebooks: whether phones are told from seconds around as well, and the power their posteriors are raised to.
    phones_around: bool = False
    phone_sharpness: float = 1.0

    # Voice: 28 digits of 4 levels, the first of them in pairs, `voice_fine` numbers of 16 levels. `voice_used` has for
    # each level of each number the one that recordings use instead (empty: all as they are). `timbre` gives the decoder
    # a typical spectrum and pitch for each voice, from which it departs. With `voice_tone` recordings use four levels
    # of every number, so that a digit each is enough, and the other `voice_fine` digits say what of their mean spectrum
    # decoding leaves out, which a guide has to tell.
    voice_dims: int = 28
    voice_fine: int = 0
    voice_used: tuple[int, ...] = ()
    timbre: bool = False
    voice_tone: bool = False

    # Vocoder: "vocos" (ConvNeXt and inverse STFT, harmonic-plus-noise source) or "hifigan".
    vocoder: str = "vocos"
    vocoder_width: int = 256
    vocoder_blocks: int = 6
    vocoder_fft_samples: int = 640
    hifigan_width: int = 256

    # How much more the formants of decoded spectra stand out than the decoder says, with one stage and with two;
    # training does not know of it.
    postfilter: tuple[float, ...] = (0.0, 0.0)

    # Guide, for those who encode with effort or with a tone (0: none): width and blocks at 50 Hz.
    guide_width: int = 0
    guide_blocks: int = 4

    def __post_init__(self) -> None:
        if self.front_end not in ("mel", "hubert"):
            raise ConfigError(f"front_end is {self.front_end!r}, expected 'mel' or 'hubert'; correct config.json")
        if self.vocoder not in ("vocos", "hifigan"):
            raise ConfigError(f"vocoder is {self.vocoder!r}, expected 'vocos' or 'hifigan'; correct config.json")
        if self.stages not in (1, 2):
            raise ConfigError(f"stages is {self.stages}, expected 1 or 2; correct config.json")
        if not (len(self.widths) == len(self.encoder_blocks) == len(self.decoder_blocks) == 4):
            raise ConfigError("widths, encoder_blocks and decoder_blocks need 4 numbers each; correct config.json")
        if not 0 <= self.heard_again <= self.encoder_blocks[0]:
            raise ConfigError(
                f"heard_again is {self.heard_again}, expected 0 to {self.encoder_blocks[0]}, as encoder_blocks begins; "
                "correct config.json"
            )
        if self.codebook_width < 0 or (self.codebook_width and self.front_end != "mel"):
            raise ConfigError(
                f"codebook_width is {self.codebook_width}, expected 0, or above it with front_end 'mel'; correct "
                "config.json"
            )
        if not 0.0 < self.phone_sharpness <= 10.0:
            raise ConfigError(
                f"phone_sharpness is {self.phone_sharpness}, expected above 0 and at most 10; correct config.json"
            )
        if not 0 <= 2 * self.voice_fine <= self.voice_dims:
            raise ConfigError(
                f"voice_fine is {self.voice_fine}, expected 0 to {self.voice_dims // 2}; correct config.json"
            )
        levels = [16] * (16 * self.voice_fine) + [4] * (4 * (self.voice_dims - 2 * self.voice_fine))
        if len(self.voice_used) not in (0, len(levels)):
            raise ConfigError(
                f"voice_used has {len(self.voice_used)} numbers, expected none or {len(levels)}; correct config.json"
            )
        if not all(0 <= used < count for used, count in zip(self.voice_used, levels, strict=False)):
            raise ConfigError(
                "voice_used has numbers that are no levels, expected 0 to 15, or 0 to 3 after the fine ones; "
                "correct config.json"
            )
        if self.voice_tone and not (self.voice_fine and self.guide_width):
            raise ConfigError("voice_tone needs voice_fine and guide_width of 1 or more; correct config.json")
        if self.voice_tone and self.voice_used and max(map(len, map(set, self.levels_used()))) > 4:
            raise ConfigError(
                "voice_used has more than 4 levels of a number, expected no more with voice_tone; correct config.json"
            )
        if len(self.postfilter) != 2 or not all(0.0 <= strength <= 1.0 for strength in self.postfilter):
            raise ConfigError(
                f"postfilter is {list(self.postfilter)}, expected two numbers of 0 to 1; correct config.json"
            )

    @property
    def fine_in_files(self) -> int:
        """How many numbers of a voice have two digits in files."""
        return 0 if self.voice_tone else self.voice_fine

    def levels_used(self) -> list[tuple[int, ...]]:
        """For each number of a voice what its levels stand for, as `voice_used` has it; empty if that is."""
        fine = 16 * self.voice_fine
        cuts = [*range(0, fine, 16), *range(fine, len(self.voice_used), 4)]
        return [self.voice_used[cut : cut + (16 if cut < fine else 4)] for cut in cuts if self.voice_used]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelConfig:
        """Builds a config, refusing keys it does not know.

        Args:
            values: Field name to value; lists stand for tuples.

        Raises:
            ConfigError: On an unknown key, a wrong type or an impossible value.
        """
        return dataclass_from_dict(cls, values, "model config")

    @classmethod
    def from_json(cls, path: Path) -> ModelConfig:
        """Reads `config.json`.

        Raises:
            ConfigError: If the file is not JSON or `from_dict` refuses it.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{path}: not a readable JSON object ({error}); restore the model's config.json"
            ) from error
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: holds {type(values).__name__}, expected a JSON object; restore it")
        return cls.from_dict(values)

    def to_json(self) -> str:
        """The config as indented JSON, keys in the order of the fields."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def tiny(cls, **changes: Any) -> ModelConfig:
        """A model small enough to build and train inside a test."""
        small: dict[str, Any] = {
            "name": "tiny",
            "widths": (16, 16, 16, 16),
            "encoder_blocks": (1, 1, 1, 1),
            "decoder_blocks": (1, 1, 1, 1),
            "attention_heads": 2,
            "voice_width": 16,
            "vocoder_width": 16,
            "vocoder_blocks": 1,
            "hifigan_width": 16,
            "guide_width": 16,
            "guide_blocks": 1,
        }
        return cls(**{**small, **changes})


_Config = TypeVar("_Config")


def dataclass_from_dict(cls: type[_Config], values: dict[str, Any], what: str) -> _Config:
    """Builds a config from plain values, refusing unknown keys and wrong types.

    Args:
        cls: A dataclass whose fields all have defaults.
        values: Field name to value; lists stand for tuples, integers for floats.
        what: Name of the config in messages.

    Raises:
        ConfigError: On an unknown key, a wrong type or an impossible value.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise ConfigError(f"{what} has unknown key {unknown[0]!r}; known keys: {', '.join(fields)}")
    converted: dict[str, Any] = {}
    for name, value in values.items():
        default = fields[name].default
        if isinstance(default, tuple) and isinstance(value, list):
            value = tuple(value)
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not type(default):
            raise ConfigError(f"{what} key {name!r} is {value!r}, expected a {type(default).__name__}; correct it")
        converted[name] = value
    return cls(**converted)
