"""Measures of signals: known answers, silence, and a second implementation where there is one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from siren_cli.evaluation.metrics.recogniser import MEL_BINS, log_mel, mel_filterbank
from siren_cli.evaluation.metrics.signal import (
    intelligibility,
    low_pass,
    mel_distance_db,
    pesq_wide_band,
    pitch_likeness,
    si_sdr_db,
)

RATE_HZ = 16_000


def noisy(wav: np.ndarray, snr_db: float) -> np.ndarray:
    """`wav` with noise that is uncorrelated with it, at an exact ratio."""
    noise = np.random.default_rng(0).standard_normal(len(wav))
    noise -= (noise @ wav) / (wav @ wav) * wav
    noise *= np.sqrt((wav @ wav) / (noise @ noise)) * 10 ** (-snr_db / 20)
    return (wav + noise).astype(np.float32)


@pytest.mark.parametrize("snr_db", [-10.0, 0.0, 20.0])
def test_si_sdr_is_the_ratio_that_was_mixed_whatever_the_gain(speech: np.ndarray, snr_db: float) -> None:
    assert si_sdr_db(speech, 0.3 * noisy(speech, snr_db)) == pytest.approx(snr_db, abs=0.01)


def test_si_sdr_is_that_of_a_least_squares_fit(speech: np.ndarray) -> None:
    estimate = noisy(speech, 3.0) + 0.2 * np.roll(speech, 5)
    gain, residue, *_ = np.linalg.lstsq(speech[:, None].astype(np.float64), estimate.astype(np.float64), rcond=None)
    expected = 10 * np.log10(gain[0] ** 2 * (speech.astype(np.float64) @ speech) / residue[0])
    assert si_sdr_db(speech, estimate) == pytest.approx(expected, abs=1e-3)


def test_identical_signals_get_the_best_of_everything(speech: np.ndarray) -> None:
    assert si_sdr_db(speech, speech) == 100.0
    assert mel_distance_db(speech, speech) == 0.0
    assert intelligibility(speech, speech) == pytest.approx({"stoi": 1.0, "estoi": 1.0}, abs=1e-6)
    assert pesq_wide_band(speech, speech) == pytest.approx(4.644, abs=0.001)
    assert pitch_likeness(speech, speech) == pytest.approx({"f0_correlation": 1.0, "voicing_error": 0.0}, abs=1e-6)


def test_more_noise_is_worse(speech: np.ndarray) -> None:
    mild, harsh = noisy(speech, 15.0), noisy(speech, 0.0)
    assert mel_distance_db(speech, mild) < mel_distance_db(speech, harsh)
    assert intelligibility(speech, mild)["stoi"] > intelligibility(speech, harsh)["stoi"]
    assert intelligibility(speech, mild)["estoi"] > intelligibility(speech, harsh)["estoi"]
    assert pesq_wide_band(speech, mild) > pesq_wide_band(speech, harsh)


def test_silence_has_no_figures_and_breaks_nothing(speech: np.ndarray) -> None:
    silence = np.zeros_like(speech)
    assert si_sdr_db(silence, speech) is None
    assert si_sdr_db(speech, silence) is None
    assert pesq_wide_band(speech, silence) is None
    assert intelligibility(silence, speech) == {"stoi": None, "estoi": None}
    assert np.isfinite(mel_distance_db(speech, silence))
    assert pitch_likeness(speech, silence)["f0_correlation"] is None


def test_too_little_speech_has_no_stoi_and_no_pesq(speech: np.ndarray) -> None:
    short = speech[8_000:12_000]
    assert intelligibility(short, short) == {"stoi": None, "estoi": None}
    assert pesq_wide_band(short[:2_000], short[:2_000]) is None


def test_pesq_of_a_long_recording_is_the_mean_of_its_pieces(speech: np.ndarray) -> None:
    rough = noisy(speech, 10.0)
    long, rough_long = np.tile(speech, 8), np.tile(rough, 8)
    halves = [pesq_wide_band(a, b) for a, b in zip(np.array_split(long, 2), np.array_split(rough_long, 2), strict=True)]
    assert pesq_wide_band(long, rough_long) == pytest.approx(np.mean(halves))


def test_mel_distance_does_not_mind_the_level(speech: np.ndarray) -> None:
    assert mel_distance_db(speech, 0.25 * speech) < 0.05


def tone(frequency_hz: np.ndarray) -> np.ndarray:
    """A buzz with a given frequency at every sample."""
    phase = 2 * np.pi * np.cumsum(frequency_hz) / RATE_HZ
    return (0.1 * sum(np.sin(k * phase) / k for k in range(1, 9))).astype(np.float32)


def test_pitch_that_moves_the_other_way_correlates_negatively() -> None:
    rising = np.linspace(100.0, 200.0, 2 * RATE_HZ)
    found = pitch_likeness(tone(rising), tone(rising[::-1]))
    assert found["f0_correlation"] < -0.95
    assert found["voicing_error"] < 0.05


def test_low_passing_takes_the_upper_half_away(speech: np.ndarray) -> None:
    narrow = low_pass(speech, 4_000)
    assert narrow.shape == speech.shape
    power = np.abs(np.fft.rfft(narrow)) ** 2
    middle = len(power) // 2
    assert power[middle + middle // 10 :].sum() < 1e-6 * power.sum()


def test_the_filterbank_is_torchaudios() -> None:
    import torchaudio.functional

    other = torchaudio.functional.melscale_fbanks(
        n_freqs=513, f_min=0.0, f_max=8_000.0, n_mels=MEL_BINS, sample_rate=RATE_HZ, norm="slaney", mel_scale="slaney"
    )
    assert torch.allclose(mel_filterbank(), other, atol=1e-6)


def test_log_mel_has_a_frame_every_10_ms_and_an_even_number(speech: np.ndarray) -> None:
    assert log_mel(speech).shape == (2 * -(-len(speech) // 320), MEL_BINS)
