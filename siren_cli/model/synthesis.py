"""Indices of a stretch of a recording → its speech → samples that go on where the stretch before ended."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from siren_cli.model.decoder import Speech, postfilter
from siren_cli.model.excitation import Source, harmonics_of, pitch_to_turns, steady_noise
from siren_cli.model.siren import SirenModel
from siren_cli.model.speaker_coding import Spoken
from siren_cli.model.variants.hifigan import HifiGanVocoder
from siren_cli.model.vocoder import VocosVocoder


def indices_to_speech(model: SirenModel, indices: Tensor, voice: Spoken) -> Speech:
    """What a vocoder is given: decoded speech with the voice's tone, its formants sharpened.

    Args:
        model: The model.
        indices: Indices [B, F, Q].
        voice: Who speaks.

    Returns:
        Speech of 16 F frames.
    """
    _, speech = model.decoder(model.quantizer.indices_to_latents(indices), voice.vector)
    toned = voice.toned(speech)
    return toned._replace(mel=postfilter(toned.mel, model.config.postfilter[indices.shape[2] - 1]))


def speech_to_wav(
    vocoder: VocosVocoder | HifiGanVocoder, speech: Speech, first_sample: int, own: slice, turns: float
) -> tuple[Tensor, float]:
    """Synthesises a stretch; phase and noise go on from the stretch before, so that they meet without a seam.

    Args:
        vocoder: The model's vocoder.
        speech: Decoded speech of the stretch with its context, one item.
        first_sample: Place of its first sample in the recording.
        own: Which of its samples are wanted.
        turns: Phase of the pitch at the sample before those, in turns.

    Returns:
        The samples wanted [T], and the phase at their end.
    """
    hop = vocoder.hop_samples
    pitch = _hold_pitch(speech)
    phase = pitch_to_turns(pitch, hop)
    phase = phase + (turns - (float(phase[0, own.start - 1]) if own.start else 0.0))
    noise = steady_noise(first_sample, first_sample + phase.shape[1])
    source = Source(harmonics_of(pitch, (speech.voicing > 0).float(), phase, hop), noise.to(pitch.device))
    wav: Tensor = vocoder(speech._replace(pitch=pitch), source)
    return wav[0, own], float(phase[0, own.stop - 1]) % 1.0


def _hold_pitch(speech: Speech) -> Tensor:
    """Decoded pitch [B, F], within 50 to 550 Hz whatever the network says."""
    return speech.pitch.clamp(float(np.log(50.0)), float(np.log(550.0)))
