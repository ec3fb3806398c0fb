"""The formant postfilter: peaks of decoded spectra stand out more, all else stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

import siren_cli
from siren_cli.config import ModelConfig
from siren_cli.errors import ConfigError
from siren_cli.model.decoder import postfilter


def test_peaks_rise_and_valleys_fall_and_what_has_none_stays() -> None:
    bins = torch.arange(80.0)
    slope = (-0.03 * bins)[None, None].expand(1, 4, 80)
    waves = slope + 0.5 * torch.cos(2 * torch.pi * bins / 20)
    sharper = postfilter(waves, 0.2)
    raised = 0.2 * 0.5 * (1 - np.sinc(0.75))  # the mean of three quarters of a wave is so much of its top, about
    assert (sharper - waves)[0, 0, 40] == pytest.approx(raised, rel=0.02)
    assert (sharper - waves)[0, 0, 30] == pytest.approx(-raised, rel=0.02)
    torch.testing.assert_close(postfilter(slope, 0.2)[..., 7:-7], slope[..., 7:-7])
    torch.testing.assert_close(postfilter(waves, 0.0), waves)
    torch.testing.assert_close(postfilter(waves + 3.0, 0.2), sharper + 3.0)


def contrast(codec: siren_cli.Codec, wav: NDArray[np.float32]) -> float:
    """How far the bins of samples' loud frames are from the mean of those around them."""
    mel = codec.networks.mel(torch.from_numpy(wav)[None])[0]
    loud = mel[mel.mean(1) > mel.mean()]
    return float((postfilter(loud[None], 1.0)[0] - loud).square().mean().sqrt())


@pytest.mark.parametrize("stages", [1, 2])
def test_decoded_formants_stand_out_more(stages: int, short_clips: list[Path]) -> None:
    codec = siren_cli.load(threads=1)
    wav, rate_hz = soundfile.read(short_clips[0], dtype="float32")
    coded = codec.encode(wav, rate_hz, stages=stages)
    contrasts = []
    for strength in (0.0, 0.15):
        codec.networks.config = replace(codec.config, postfilter=(strength, strength))
        contrasts.append(contrast(codec, codec.decode(coded)))
        assert (codec.encode(wav, rate_hz, stages=stages).indices == coded.indices).all()
    assert 1.02 < contrasts[1] / contrasts[0] < 1.15


def test_each_number_of_stages_has_its_own_strength(short_clips: list[Path]) -> None:
    codec = siren_cli.load(threads=1)
    wav, rate_hz = soundfile.read(short_clips[0], dtype="float32")
    for stages, changed in ((1, False), (2, True)):
        coded = codec.encode(wav, rate_hz, stages=stages)
        codec.networks.config = replace(codec.config, postfilter=(0.15, 0.1))
        before = codec.decode(coded)
        codec.networks.config = replace(codec.config, postfilter=(0.15, 0.3))
        assert (codec.decode(coded) != before).any() == changed


@pytest.mark.parametrize("strengths", [(-0.1, 0.0), (0.0, 1.5), (0.1,), (0.1, 0.1, 0.1)])
def test_impossible_strengths_are_refused(strengths: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="postfilter is .*, expected two numbers of 0 to 1"):
        ModelConfig(postfilter=strengths)
