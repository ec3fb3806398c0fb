"""A recording's voice in the codes that files carry, and what decoders make of them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from siren_cli.model.decoder import Speech
from siren_cli.model.siren import SirenModel
from siren_cli.model.speaker import VoiceEncoder, loud_frames
from siren_cli.model.spectral_correction import TONE_LEVELS, places_among

_OUT_OF_REACH = 1e3
_HALF = TONE_LEVELS // 2

_TONE_FRAMES = 32
"""Frames, 160 ms each, that a tone is measured over: all of a recording costs more time and tells hardly more."""


class Spoken(NamedTuple):
    """What a voice is to decoding: `vector` [B, V] for the speech decoder, `spectrum` [B, M] to be added to its mel."""

    vector: Tensor
    spectrum: Tensor | None = None

    def clone(self) -> Spoken:
        """A copy with memory of its own."""
        return Spoken(self.vector.clone(), None if self.spectrum is None else self.spectrum.clone())

    def toned(self, speech: Speech) -> Speech:
        """Decoded speech with the voice's tone."""
        return speech if self.spectrum is None else speech._replace(mel=speech.mel + self.spectrum[:, None])


class Analysis(NamedTuple):
    """What encoding begins with: log-mel [1, F100, M], phonetic features [1, F50, D50] and latents [1, F, D]."""

    mel: Tensor
    phonetic: Tensor
    latents: Tensor


class Analyser:
    """Analyses samples [1, T], whole frames at the nominal level, and keeps what it found last.

    Voice and indices of a recording of one chunk come from the same analysis.
    """

    def __init__(self, model: SirenModel) -> None:
        self._model = model
        self._last: tuple[Tensor, Analysis] | None = None

    def __call__(self, wav: Tensor) -> Analysis:
        """The analysis of samples."""
        last = self._last
        if last is None or not torch.equal(last[0], wav):
            model = self._model
            mel = model.mel(wav)
            features = mel if model.front_end is None else model.front_end(wav)
            last = self._last = wav, Analysis(mel, *model.factorizer.semantic(features))
        return last[1]


def hear(model: SirenModel, wav: Tensor, analyser: Analyser | None = None) -> Tensor:
    """The voice of samples [1, T], whole frames at the nominal level: codes [N], not rounded, to be averaged.

    With a tone these are places of the numbers among the levels that recordings use, and then those of the tone. An
    `analyser` of the model saves work if it knows the samples, or is to know them.
    """
    if model.tone is None:
        codes: Tensor = model.factorizer.voice(model.mel(wav), rounded=False)[0]
        return codes
    places, lack = lacking(model, wav, analyser)
    return torch.cat([places, model.tone.lack_to_places(lack)], dim=1)[0] / _HALF - 1


def lacking(model: SirenModel, wav: Tensor, analyser: Analyser | None = None) -> tuple[Tensor, Tensor]:
    """What decoding leaves out of the mean spectrum of samples [1, T], whole frames at the nominal level.

    It is decoded from one stage and the voice's numbers, and compared with what the guide hears, over the frames where
    somebody speaks, in the five seconds of most energy.

    Returns:
        Places of the numbers among the levels that recordings use [1, N], not rounded, and the difference [1, M].
    """
    assert model.guide is not None, "ModelConfig sees to that"
    mel, features, latents = (analyser or Analyser(model))(wav)
    encoder = model.factorizer.voice
    levels, _ = levels_in_files(encoder)
    places = places_among(encoder(mel, rounded=False), levels)
    vector = encoder.codes_to_voice(_codes_at(encoder, places.round().long()))
    heard = _fullest(mel, latents.shape[1])
    quantised, _ = model.quantizer(latents[:, heard], torch.ones(1, dtype=torch.int64, device=latents.device))
    decoded = model.decoder(quantised, vector)[1].mel
    per_frame = mel.shape[1] // latents.shape[1]
    half = per_frame // 2
    wanted = model.guide(
        mel[:, heard.start * per_frame : heard.stop * per_frame],
        features[:, heard.start * half : heard.stop * half],
    ).mel
    spoken = loud_frames(wanted, model.config.mel_std)[..., None]
    return places, (spoken * (wanted - decoded)).sum(1) / spoken.sum(1)


def _fullest(mel: Tensor, frames: int) -> slice:
    """The stretch of frames, as many as a tone needs, that has the most energy in a log-mel [1, F100, M]."""
    length = min(_TONE_FRAMES, frames)
    energy = mel[0].mean(-1).reshape(frames, -1).mean(-1)
    first = int(energy.unfold(0, length, 1).mean(-1).argmax())
    return slice(first, first + length)


def draw(model: SirenModel, codes: Tensor) -> Tensor:
    """Codes [N] that `hear` gave → those of a file of this recording alone, not rounded where rounding is all."""
    return codes if model.tone is not None else model.factorizer.voice.draw(codes[None])[0]


def speak(model: SirenModel, codes: Tensor | None) -> Spoken:
    """What a file's codes [N] are to decoding; None gives the learned default voice."""
    encoder = model.factorizer.voice
    if codes is None:
        return Spoken(encoder.default_voice(1))
    if model.tone is None:
        return Spoken(encoder.codes_to_voice(codes[None]))
    digits = (codes[None] * _HALF + _HALF).round().long()
    numbers = len(encoder.fsq.levels)
    vector = encoder.codes_to_voice(_codes_at(encoder, digits[:, :numbers]))
    return Spoken(vector, model.tone.digits_to_spectrum(digits[:, numbers:]))


def levels_in_files(encoder: VoiceEncoder) -> tuple[Tensor, Tensor]:
    """Codes of the levels of each number that recordings of a model with tone use, rising [N, 4], and how many [N].

    What a number lacks of four is out of reach. Where nothing is said of them (`voice_used`), it is every fourth of 16.
    """
    rows = []
    for number, count in enumerate(encoder.fsq.levels.tolist()):
        step = count // TONE_LEVELS
        every = range(step // 2, count, step)
        used = sorted(set(encoder.used[number].tolist())) if encoder.used else list(every)
        rows.append([level / (count // 2) - 1 for level in used])
    device = encoder.fsq.levels.device
    padded = [row + [row[-1] + _OUT_OF_REACH * k for k in range(1, TONE_LEVELS + 1 - len(row))] for row in rows]
    return torch.tensor(padded, device=device), torch.tensor([len(row) for row in rows], device=device)


def _codes_at(encoder: VoiceEncoder, digits: Tensor) -> Tensor:
    """Digits [B, N] among the levels in use → codes [B, N] for the networks; too high a digit is the highest level."""
    levels, counts = levels_in_files(encoder)
    places = torch.minimum(digits, counts - 1)
    return levels.expand(len(digits), -1, -1).gather(-1, places[..., None])[..., 0]
