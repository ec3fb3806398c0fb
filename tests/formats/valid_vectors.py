"""The files that every reader of version 1 decodes, one idea each."""

from __future__ import annotations

import numpy as np

from siren_format.prior import NeuralPrior
from siren_format.stream import Stream, stream_to_bytes
from tests.formats.vector_material import (
    MINUTE_SAMPLES,
    MODEL_ID,
    UNLIKELY_VOICE,
    VOICE,
    VOICE_ID,
    likely_to_prior,
    likely_voice_to_prior,
    noise_indices,
)


def example_stream() -> Stream:
    """Make the worked example of ``SRN1.md``.

    Returns:
        Three frames of one stage with a voice.
    """
    return Stream(MODEL_ID, np.array([[1], [23], [456]], dtype=np.int16), 7_000, VOICE)


def valid_streams(prior: NeuralPrior) -> dict[str, tuple[Stream, NeuralPrior | None]]:
    """Make the streams of the valid vectors.

    Args:
        prior: Neural prior of the vectors.

    Returns:
        By name of the file, the stream and the prior it is written with.
    """
    zeros = np.zeros((1, 1), dtype=np.int16)
    loud = np.full((19, 2), 999, dtype=np.int16)
    clip_1 = likely_to_prior(prior, 19, 1, noise_every=4)
    clip_2 = likely_to_prior(prior, 19, 2, noise_every=4)
    hard_1 = noise_indices(3, 19, 1)
    clip_samples = 48_000
    minute_1 = likely_to_prior(prior, 375, 1, noise_every=16)
    both = np.concatenate([noise_indices(4, 375, 1), likely_to_prior(prior, 7, 1, noise_every=4)])
    hard_minute = np.concatenate([noise_indices(9, 375, 1), zeros])
    everything = np.concatenate([likely_to_prior(prior, 375, 2, noise_every=25), noise_indices(8, 375, 2), loud[:1]])
    likely_voice = likely_voice_to_prior(prior)
    return {
        "worked-example": (example_stream(), None),
        "packed-one-stage": (Stream(MODEL_ID, hard_1, clip_samples), None),
        "packed-two-stages": (Stream(MODEL_ID, noise_indices(5, 19, 2), clip_samples), None),
        "packed-largest-number": (Stream(MODEL_ID, loud, clip_samples), None),
        "neural-one-stage": (Stream(MODEL_ID, clip_1, clip_samples), prior),
        "neural-two-stages": (Stream(MODEL_ID, clip_2, clip_samples, likely_voice), prior),
        "neural-payload-of-no-bytes": (Stream(MODEL_ID, zeros, 2_560), prior),
        "neural-voice-inline": (Stream(MODEL_ID, clip_1, clip_samples, UNLIKELY_VOICE), prior),
        "neural-loses-to-packing": (Stream(MODEL_ID, hard_1, clip_samples), prior),
        "one-sample": (Stream(MODEL_ID, hard_1[:1], 1), None),
        "one-full-frame": (Stream(MODEL_ID, hard_1[:1], 2_560), None),
        "one-frame-and-a-sample": (Stream(MODEL_ID, hard_1[:2], 2_561), None),
        "one-minute": (Stream(MODEL_ID, minute_1, MINUTE_SAMPLES), prior),
        "voice": (Stream(MODEL_ID, hard_1, clip_samples, VOICE), None),
        "voice-named": (Stream(MODEL_ID, hard_1[:2], 5_000, voice_id=VOICE_ID), None),
        "voice-named-and-neural": (Stream(MODEL_ID, clip_1, clip_samples, voice_id=VOICE_ID), prior),
        "groups-voice-named": (
            Stream(MODEL_ID, hard_minute, MINUTE_SAMPLES + 1, None, 44_100, VOICE_ID),
            prior,
        ),
        "source-rate-in-list": (Stream(MODEL_ID, hard_1[:1], 2_000, None, 44_100), None),
        "source-rate-written-out": (Stream(MODEL_ID, hard_1[:1], 2_000, None, 37_800), None),
        "groups-one-minute-and-a-sample": (Stream(MODEL_ID, hard_minute, MINUTE_SAMPLES + 1), prior),
        "groups-of-both-coders": (Stream(MODEL_ID, both, MINUTE_SAMPLES + 16_000), prior),
        "groups-with-everything": (Stream(MODEL_ID, everything, 2 * MINUTE_SAMPLES + 9, VOICE, 37_800), prior),
    }


def valid_files(prior: NeuralPrior) -> dict[str, bytes]:
    """Write the valid vectors.

    Args:
        prior: Neural prior of the vectors.

    Returns:
        Files by name.
    """
    return {name: stream_to_bytes(*made) for name, made in valid_streams(prior).items()}
