"""Read this first: wav → indices → bytes, and back. Everything else is behind one of these arrows.

```
 wav ─mel─► features ─factorizer─► latents, voice ─quantizer─► indices ─siren_format─► bytes
 wav ◄─vocoder── speech ◄─decoder── latents ◄─quantizer── indices ◄─siren_format── bytes
```
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from siren_cli.audio.activity import voice_minute
from siren_cli.audio.level import NOMINAL_LEVEL_DB, gain_to, speech_level_db
from siren_cli.audio.resampling import mono_16_khz
from siren_cli.coded import Coded, Heard, bytes_of
from siren_cli.config import DEFAULT_EFFORT, FRAME_SAMPLES, SAMPLE_RATE_HZ, ModelConfig
from siren_cli.errors import UsageError
from siren_cli.model.siren import SirenModel, build
from siren_cli.model.speaker_coding import Analyser, Spoken, draw, hear, speak
from siren_cli.model.synthesis import indices_to_speech, speech_to_wav
from siren_cli.model.torch_state import default_float32, inference, loading
from siren_cli.registry.weights import find_model, read_networks, read_prior
from siren_cli.search.analysis_by_synthesis import AnalysisBySynthesis
from siren_cli.search.phone_predictor import PhonePredictor, load_phone_predictor
from siren_cli.search.rate_weight import known_prior
from siren_cli.streaming.chunking import Chunk, Chunking
from siren_cli.streaming.decoder import decode_stream
from siren_cli.streaming.encoder import encode_stream
from siren_format.prior import NeuralPrior
from siren_format.reader import StreamReader
from siren_format.salvage import Salvage, salvage_groups
from siren_format.stream import bytes_to_stream
from siren_format.voice import coarse_level_db, codes_to_digits, voice_codes, voice_level_db, voice_to_bytes
from siren_format.writer import StreamWriter


class Codec:
    """A model ready to encode and decode. Make one with `siren_cli.load()`."""

    sample_rate_hz = SAMPLE_RATE_HZ
    frame_rate_hz = SAMPLE_RATE_HZ / FRAME_SAMPLES

    def __init__(
        self,
        model: SirenModel,
        model_id: bytes,
        device: torch.device,
        prior: NeuralPrior | None = None,
    ) -> None:
        self._model = model.to(device).eval()
        self._analyser = Analyser(self._model)
        self._prior, self._device = prior, device
        self._search: AnalysisBySynthesis | None = None
        self._phones: PhonePredictor | None = None
        self.rate_weight, self.effort = 0.0, 0
        self.model_id, self.config = model_id, model.config
        self.name = model.config.name
        self.stages = model.config.stages
        self.encoding = Chunking.for_encoding(model.config)
        self.decoding = Chunking.for_decoding(model.config)

    @property
    def networks(self) -> SirenModel:
        """All networks, for those who look at one of them alone."""
        return self._model

    @property
    def parameter_count(self) -> int:
        """Number of weights of all networks."""
        return sum(parameter.numel() for parameter in self._model.parameters())

    @property
    def packet_source(self) -> NeuralPrior | None:
        """The prior that packets are coded with; None if the model has none."""
        return self._prior

    def thrifty(self, weight: float) -> Codec:
        """The same model, searching for indices that are cheaper as well (docs/rate.md); its effort is 1 at least.

        Args:
            weight: Weight of the rate, 0 to 1.

        Raises:
            UsageError: If the weight is out of range or the model has no prior or no guide.
        """
        return self._choosing(self.effort, weight)

    def searching(self, effort: int | None = None) -> Codec:
        """The same model, trying `effort` others, 0 to 100, in place of a frame's indices (`siren_cli.search`).

        If it is not given, as many as `siren encode` tries (`DEFAULT_EFFORT`), or none if the model has no guide. With
        a weight of the rate it is 1 at least.

        Raises:
            UsageError: If the effort is out of range or the model has no guide.
        """
        usual = DEFAULT_EFFORT if self._model.guide else 0
        return self._choosing(usual if effort is None else effort, self.rate_weight)

    @default_float32()
    def _choosing(self, effort: int, rate_weight: float) -> Codec:
        """The same model, choosing indices with such an effort and weight of the rate."""
        other, prior = copy(self), known_prior(self._prior, rate_weight) if rate_weight else self._prior
        effort = max(effort, 1) if rate_weight else effort  # only a search weighs bits
        other.effort, other.rate_weight, other._search = effort, rate_weight, None
        if effort:
            self._phones = other._phones = self._phones or load_phone_predictor(self._device)
            other._search = AnalysisBySynthesis(self._model, prior, self._phones, effort, rate_weight)
        return other

    def coded(
        self, indices: NDArray[np.int16], voice: bytes | None, sample_count: int,
        source_rate_hz: int = SAMPLE_RATE_HZ, voice_id: bytes | None = None,
    ) -> Coded:  # fmt: skip
        """Indices [F, Q] of this model, of whatever origin, ready for `decode` and `to_bytes`."""
        return Coded(indices, voice, sample_count, source_rate_hz, self.model_id, self._prior, voice_id=voice_id)

    def writer(self, voice: bytes | None, source_rate_hz: int, voice_id: bytes | None = None) -> StreamWriter:
        """Writes a file of this model group by group."""
        return StreamWriter(self.model_id, voice, source_rate_hz, self._prior, voice_id)

    def reader(self) -> StreamReader:
        """Reads a file of this model group by group."""
        return StreamReader(self.model_id, self._prior)

    def salvage(self, data: bytes) -> Salvage:
        """What is left of a damaged file; `siren_cli.streaming.salvage.speak_salvage` turns it into sound.

        Args:
            data: The bytes.

        Raises:
            FormatError: If the header is damaged or no group is left undamaged.
        """
        return salvage_groups(data, self.model_id, self._prior)

    def require_stages(self, stages: int) -> None:
        """Refuses a number of stages that the model does not have.

        Raises:
            UsageError: If it has fewer stages.
        """
        if stages not in range(1, self.stages + 1):
            raise UsageError(f"{stages!r} stages asked for, model {self.name} has {self.stages}; give 1..{self.stages}")

    def encode(self, wav: ArrayLike, sample_rate_hz: int, *, stages: int = 1) -> Coded:
        """Encodes a recording, on its own and in float32, so that its indices depend on nothing else.

        Args:
            wav: Samples [T], [1, T], [C, T] or [T, C] of NumPy or torch; see `siren_cli.audio.samples`.
            sample_rate_hz: Their rate; anything but 16 kHz is resampled.
            stages: 1 (about 68 bps) or 2 (about twice that).

        Returns:
            Indices [F, stages], voice and length.

        Raises:
            AudioEmpty: If there are no samples.
            AudioInvalid: If samples, their shape or their rate cannot be coded.
            UsageError: If the model has fewer stages.
        """
        self.require_stages(stages)
        samples = mono_16_khz(wav, sample_rate_hz)
        level_db = speech_level_db(samples)
        voice = self.samples_to_voice(voice_minute(samples, level_db), level_db)
        indices = [
            self.samples_to_indices(shown, chunk, level_db, stages, voice)
            for chunk, shown in self.encoding.cut(samples, FRAME_SAMPLES)
        ]
        return self.coded(np.concatenate(indices), voice, len(samples), sample_rate_hz)

    def encode_stream(
        self, blocks: Iterable[ArrayLike], sample_rate_hz: int, *, stages: int = 1, level_db: float | None = None,
        has_voice: bool = True, voice_id: bytes | None = None,
    ) -> Iterator[bytes]:  # fmt: skip
        """Encodes a recording of any length in little memory: see `siren_cli.streaming.encoder.encode_stream`."""
        return encode_stream(
            self, blocks, sample_rate_hz, stages=stages, level_db=level_db, has_voice=has_voice, voice_id=voice_id
        )

    def from_bytes(self, data: bytes) -> Coded:
        """Reads a `.srn` file.

        Args:
            data: The bytes.

        Raises:
            FormatError: If they are not a readable `.srn`, or were made with other weights (`OtherModel`).
        """
        stream = bytes_to_stream(data, self.model_id, self._prior)
        coded = self.coded(stream.indices, stream.voice, stream.sample_count, stream.source_rate_hz)
        return replace(coded, voice_id=stream.voice_id)

    @inference()
    def hear_voice(self, wav: ArrayLike, sample_rate_hz: int) -> Heard:
        """What the first minute with speech, of samples as for `encode`, says of who speaks, to be averaged.

        Raises:
            AudioEmpty: If there are no samples.
            AudioInvalid: If samples, their shape or their rate cannot be coded.
        """
        samples = mono_16_khz(wav, sample_rate_hz)
        level_db = speech_level_db(samples)
        heard = voice_minute(samples, level_db)
        codes = hear(self._model, self._at_nominal_level(heard, level_db), self._analyser)
        return Heard(codes.tolist(), level_db, len(heard), self._codes_to_digits(codes))

    def decode(self, coded: Coded | bytes | bytearray | memoryview) -> NDArray[np.float32]:
        """Decodes to speech; the same bytes give the same samples on the same machine.

        Args:
            coded: What `encode` or `from_bytes` returned, or the bytes of a `.srn` file.

        Returns:
            Samples [T] at 16 kHz, T = `sample_count`, full scale at 1.

        Raises:
            FormatError: If bytes are given that are not a readable `.srn`.
            VoiceMissing: If the recording only names its voice; say which it is with `Coded.spoken_by`.
        """
        coded = coded if isinstance(coded, Coded) else self.from_bytes(bytes_of(coded))
        voice = coded.voice_to_speak()
        pieces = []
        turns = 0.0
        for chunk, shown in self.decoding.cut(coded.indices, 1):
            piece, turns = self.indices_to_samples(shown, chunk, voice, turns)
            pieces.append(piece)
        return np.concatenate(pieces)[: coded.sample_count]

    def decode_stream(
        self, pieces: Iterable[bytes], *, spoken_by: Callable[[Coded], Coded] | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """Decodes a file of any length in little memory: see `siren_cli.streaming.decoder.decode_stream`."""
        return decode_stream(self, pieces, spoken_by=spoken_by)

    @inference()
    def samples_to_indices(
        self, samples: NDArray[np.float32], chunk: Chunk, level_db: float, stages: int, voice: bytes | None
    ) -> NDArray[np.int16]:
        """Encodes one chunk.

        Args:
            samples: Samples [T] of the chunk with its context, at 16 kHz; the last frame may be cut short.
            chunk: Which frames to keep.
            level_db: Level of the recording's speech.
            stages: 1 or 2.
            voice: What a search is to decode with, 8 bytes; None for the default voice.

        Returns:
            Indices [F, stages] of the frames kept.
        """
        wav = self._at_nominal_level(samples, level_db)
        mel, phonetic, latents = self._analyser(wav)
        if self._search is not None:
            indices = self._search.find(wav, mel, phonetic, latents, self.spoken(voice), stages)
        else:
            indices = self._model.quantizer.latents_to_indices(latents, stages)
        return indices[0, chunk.keep].cpu().numpy().astype(np.int16)

    @inference()
    def samples_to_voice(self, samples: NDArray[np.float32], level_db: float) -> bytes:
        """The voice of samples [T] at 16 kHz and their level, 8 bytes."""
        codes = hear(self._model, self._at_nominal_level(samples, level_db), self._analyser)
        return voice_to_bytes(coarse_level_db(level_db), self._codes_to_digits(codes))

    def _codes_to_digits(self, codes: Tensor) -> list[int]:
        """A recording's codes [N], not rounded → the 28 digits that a file of it carries."""
        return codes_to_digits(draw(self._model, codes).tolist())

    def _at_nominal_level(self, samples: NDArray[np.float32], level_db: float) -> Tensor:
        """Samples [T] → as many as fill the last frame [1, T'], as loud as the model is used to."""
        padded = np.pad(samples, (0, -len(samples) % FRAME_SAMPLES))
        return torch.from_numpy(padded * np.float32(gain_to(NOMINAL_LEVEL_DB, level_db)))[None].to(self._device)

    @inference()
    def indices_to_samples(
        self, indices: NDArray[np.int16], chunk: Chunk, voice: bytes | None, turns: float
    ) -> tuple[NDArray[np.float32], float]:
        """Decodes one chunk.

        Args:
            indices: Indices [F, Q] of the chunk with its context.
            chunk: Which frames to keep.
            voice: 8 bytes, or None for the default voice.
            turns: Phase of the pitch at the end of the chunk before, in turns; 0 at the start.

        Returns:
            Samples [T] of the frames kept, and the phase at their end.
        """
        shown = torch.from_numpy(indices.astype(np.int64))[None].to(self._device)
        speech = indices_to_speech(self._model, shown, self.spoken(voice))
        own = slice(chunk.keep.start * FRAME_SAMPLES, chunk.keep.stop * FRAME_SAMPLES)
        wav, turns = speech_to_wav(self._model.vocoder, speech, chunk.start * FRAME_SAMPLES, own, turns)
        level_db = NOMINAL_LEVEL_DB if voice is None else voice_level_db(voice)
        wav = wav * 10.0 ** ((level_db - NOMINAL_LEVEL_DB) / 20.0)
        return np.clip(wav.cpu().numpy(), -1.0, 1.0).astype(np.float32), turns

    def spoken(self, voice: bytes | None) -> Spoken:
        """What the voice of a file, 8 bytes, is to decoding; None gives the default voice."""
        if voice is None:
            return speak(self._model, None)
        return speak(self._model, torch.tensor(voice_codes(voice, self.config.fine_in_files), device=self._device))


@loading()
def load_codec(
    model: str | os.PathLike[str] | None = None, *, device: str = "auto", threads: int | None = None
) -> Codec:
    """Loads a model.

    Args:
        model: Folder with `config.json` and `model.safetensors`, or a packaged model's name; None for
            `$SIREN_MODEL` or the packaged default.
        device: `auto` (CUDA where there is one), `cpu` or `cuda`.
        threads: Threads for torch's operators on the CPU, process-wide; None leaves torch's choice.

    Raises:
        WeightsMissing: If there is no such model.
        WeightsDamaged: If its files are not what they should be.
        ConfigError: If its config.json has unknown keys or impossible values.
        UsageError: If the device is not there.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"device {device!r} is not known, expected auto, cpu or cuda; give one of them")
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("device cuda was asked for and torch finds none; use --device cpu or install torch with CUDA")
    if threads is not None:
        torch.set_num_threads(threads)
    chosen = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
    files = find_model(Path(model) if isinstance(model, os.PathLike) else model)
    config = ModelConfig.from_json(files.config_path)
    networks = build(config, read_networks(files.weights_path))
    return Codec(networks, files.model_id, chosen, read_prior(files.weights_path))
