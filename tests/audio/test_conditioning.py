"""What is done to every recording: channels, offset and rumble, level; however it is cut into blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from siren_cli.audio.channels import ChannelChoice
from siren_cli.audio.high_pass import HighPass
from siren_cli.audio.level import speech_level_db
from siren_cli.audio.reading import open_audio
from siren_cli.audio.resampling import Intake, mono_16_khz

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def speech(demo_clip: Path) -> NDArray[np.float32]:
    return np.asarray(soundfile.read(demo_clip, dtype="float32")[0])


def _taken(wav: NDArray[np.float32], size: int, rate_hz: int = RATE_HZ) -> NDArray[np.float32]:
    intake = Intake(rate_hz)
    pieces = [intake.push(wav[start : start + size]) for start in range(0, len(wav), size)]
    return np.concatenate([*pieces, intake.finish()])


@pytest.mark.parametrize("size", [1_013, 16_000])
@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_blocks_make_no_difference(speech: NDArray[np.float32], size: int, rate_hz: int) -> None:
    wav = np.stack([speech[:60_000], -0.9 * speech[:60_000]], axis=1)
    np.testing.assert_array_equal(_taken(wav, size, rate_hz), mono_16_khz(wav, rate_hz))


@pytest.mark.parametrize("count", [1, 2, 999, 1_000, 1_001, 2_000, 8_192, 8_193, 30_000])
def test_as_many_samples_as_before_and_no_offset(count: int) -> None:
    high_pass = HighPass()
    found = np.concatenate([high_pass.push(np.full(count, 0.25, np.float32)), high_pass.finish()])
    assert len(found) == count
    np.testing.assert_allclose(found, 0.0, atol=1e-6)


@pytest.mark.parametrize(
    ("pitch_hz", "kept"), [(5, 0.0), (20, 0.0), (28, 0.0), (60, 1.0), (90, 1.0), (120, 1.0), (4_000, 1.0)]
)
def test_rumble_goes_and_speech_stays(pitch_hz: float, kept: float) -> None:
    tone = (0.3 * np.sin(2 * np.pi * pitch_hz * np.arange(32_000) / RATE_HZ)).astype(np.float32)
    high_pass = HighPass()
    found = np.concatenate([high_pass.push(tone), high_pass.finish()])
    np.testing.assert_allclose(found[2_000:-2_000], kept * tone[2_000:-2_000], atol=0.012)


def test_offset_and_rumble_do_not_count_as_level(speech: NDArray[np.float32]) -> None:
    level_db = speech_level_db(mono_16_khz(speech, RATE_HZ))
    rumble = 0.05 + 0.05 * np.sin(2 * np.pi * 20 * np.arange(len(speech)) / RATE_HZ)
    soft = (0.1 * speech + rumble).astype(np.float32)
    assert speech_level_db(mono_16_khz(soft, RATE_HZ)) == pytest.approx(level_db - 20.0, abs=0.3)


@pytest.mark.parametrize("seconds", [20, 600])
def test_silence_of_any_length_does_not_count_for_the_level(speech: NDArray[np.float32], seconds: int) -> None:
    silence = np.zeros(seconds * RATE_HZ, np.float32)
    level_db = speech_level_db(speech)
    assert speech_level_db(np.concatenate([silence, speech[:48_000], silence])) == pytest.approx(level_db, abs=1.5)


@pytest.mark.parametrize(
    ("gains", "channel"),
    [((1, -1), 0), ((-0.5, 1, -0.5), 1), ((1, 1), None), ((1, 0), None), ((0.3, 1), None), ((1,), None)],
)
def test_channels_that_cancel_out_give_way_to_the_loudest(
    speech: NDArray[np.float32], tmp_path: Path, gains: tuple[float, ...], channel: int | None
) -> None:
    silence = np.zeros((3 * RATE_HZ, len(gains)), np.float32)
    wav = np.concatenate([silence, speech[:, None] * np.asarray(gains, np.float32)])
    choice = ChannelChoice(RATE_HZ, len(gains))
    choice.add(wav)
    choice.settle()
    assert choice.channel == channel
    level_db = speech_level_db(mono_16_khz(wav, RATE_HZ))
    wanted = np.mean(gains) if channel is None else gains[channel]
    assert level_db == pytest.approx(speech_level_db(speech) + 20 * np.log10(abs(wanted)), abs=0.3)
    soundfile.write(tmp_path / "in.wav", wav, RATE_HZ, subtype="FLOAT")
    with open_audio(str(tmp_path / "in.wav")) as recording:
        np.testing.assert_array_equal(mono_16_khz(recording.mono(), RATE_HZ), mono_16_khz(wav, RATE_HZ))
        said = f"{len(gains)} channels cancel each other out; channel {(channel or 0) + 1}, the loudest, is used alone"
        assert (said in recording.notes) == (channel is not None)


def test_samples_far_above_full_scale_are_said(speech: NDArray[np.float32], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", 32_768 * speech, RATE_HZ, subtype="FLOAT")
    with open_audio(str(tmp_path / "in.wav")) as recording:
        recording.mono()
        (note,) = recording.notes
    assert "times full scale, expected -1..1" in note
