"""The vocoder's excitation: harmonics where they belong, phase and noise that go on across chunks."""

from __future__ import annotations

import math

import torch

from siren_cli.model.excitation import (
    NOISE_BLOCK_SAMPLES,
    harmonics_of,
    overlap_add,
    pitch_to_turns,
    short_time_spectrum,
    steady_noise,
    stretch,
)

HOP = 160


def test_closed_form_equals_the_sum_of_cosines() -> None:
    pitch = torch.linspace(math.log(90), math.log(210), 20)[None]
    turns = pitch_to_turns(pitch, HOP)
    wav = harmonics_of(pitch, torch.ones_like(pitch), turns, HOP)
    f0_hz = stretch(pitch.double(), HOP).exp()
    total = torch.zeros_like(turns)
    for k in range(1, 100):
        total += torch.where(k * f0_hz <= 8000, torch.cos(2 * math.pi * k * turns), 0.0)
    expected = total * (2 / torch.floor(8000 / f0_hz)).sqrt()
    torch.testing.assert_close(wav.double(), expected, atol=2e-3, rtol=1e-3)


def test_power_is_one_where_voiced_and_nothing_elsewhere() -> None:
    pitch = torch.full((1, 100), math.log(123.4))
    voiced = torch.cat([torch.ones(1, 50), torch.zeros(1, 50)], dim=1)
    wav = harmonics_of(pitch, voiced, pitch_to_turns(pitch, HOP), HOP)
    assert abs(float(wav[:, : 49 * HOP].square().mean()) - 1) < 0.05
    assert float(wav[:, 50 * HOP :].abs().max()) == 0


def test_peaks_of_the_spectrum_are_multiples_of_the_pitch() -> None:
    pitch = torch.full((1, 100), math.log(200.0))
    wav = harmonics_of(pitch, torch.ones_like(pitch), pitch_to_turns(pitch, HOP), HOP)
    spectrum = torch.fft.rfft(wav[0]).abs()
    peaks_hz = torch.nonzero(spectrum > spectrum.max() / 2).flatten() * 16000 / wav.shape[1]
    assert bool(((peaks_hz - (peaks_hz / 200).round() * 200).abs() <= 1).all())
    assert len(peaks_hz) >= 39


def test_stft_and_overlap_add_are_inverse() -> None:
    torch.manual_seed(0)
    wav = torch.randn(2, 50 * HOP)
    window = torch.hann_window(640)
    again = overlap_add(short_time_spectrum(wav, 640, HOP, window), 640, HOP, window)
    assert again.shape == wav.shape
    torch.testing.assert_close(again[:, 320:-480], wav[:, 320:-480], atol=1e-5, rtol=1e-5)


def test_noise_is_one_endless_recording() -> None:
    edge = NOISE_BLOCK_SAMPLES
    whole = steady_noise(0, 2 * edge + 5000)
    torch.testing.assert_close(steady_noise(edge - 700, edge + 300), whole[:, edge - 700 : edge + 300])
    torch.testing.assert_close(steady_noise(2 * edge + 10, 2 * edge + 300), whole[:, 2 * edge + 10 : 2 * edge + 300])
    assert abs(float(whole.std()) - 1) < 0.01


def test_noise_is_white_and_steadier_than_gaussian_noise() -> None:
    across_its_seam = steady_noise(NOISE_BLOCK_SAMPLES - 20_000, NOISE_BLOCK_SAMPLES + 20_000)
    noises = {"steady": across_its_seam, "gaussian": torch.randn(1, 40_000, generator=torch.manual_seed(1))}
    window = torch.hann_window(400)
    unsteady = {}
    for name, noise in noises.items():
        power = short_time_spectrum(noise, 400, 100, window)[0, 4:-4, 1:-1].abs().square()
        bands = power[:, :192].unflatten(1, (12, 16)).mean(2)
        assert float(bands.mean(0).std() / bands.mean()) < 0.06, f"{name} noise is not white"
        unsteady[name] = float((bands.std(0) / bands.mean(0)).mean())
    assert unsteady["steady"] < 0.6 * unsteady["gaussian"]
