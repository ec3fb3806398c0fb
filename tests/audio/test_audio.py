"""Samples: reading, mixing, resampling, writing."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from siren_cli.audio.channels import mix_down
from siren_cli.audio.reading import open_audio, read_audio
from siren_cli.audio.resampling import resample, resampled_count
from siren_cli.audio.writing import write_audio
from siren_cli.errors import AudioInvalid, AudioUnreadable, OutputExists, OutputUnwritable, UsageError


def sine(sample_count: int, rate_hz: int, pitch_hz: float = 300.0) -> NDArray[np.float32]:
    return np.asarray(0.5 * np.sin(2 * np.pi * pitch_hz * np.arange(sample_count) / rate_hz), np.float32)


@pytest.mark.parametrize(
    ("suffix", "subtype"),
    [(".wav", "PCM_16"), (".wav", "PCM_24"), (".wav", "FLOAT"), (".flac", "PCM_16"), (".aiff", "PCM_16")],
)
def test_reads_every_channel_and_the_rate(tmp_path: Path, suffix: str, subtype: str) -> None:
    path = tmp_path / f"in{suffix}"
    written = np.stack([sine(600_000, 22_050), -sine(600_000, 22_050), sine(600_000, 22_050, 50.0)], axis=1)
    soundfile.write(path, written, 22_050, subtype=subtype)
    wav, rate_hz = read_audio(str(path))
    assert rate_hz == 22_050
    assert wav.dtype == np.float32
    np.testing.assert_allclose(wav, written, atol=2 / 32_768)


def test_a_header_that_claims_more_than_there_is(tmp_path: Path) -> None:
    path = tmp_path / "piped.wav"
    soundfile.write(path, sine(1_000, 16_000), 16_000, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    position = data.index(b"data") + 4
    data[4:8] = data[position : position + 4] = b"\xff\xff\xff\xff"  # what programs write that cannot seek back
    path.write_bytes(data)
    assert len(read_audio(str(path))[0]) == 1_000


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_a_flac_cut_short_is_refused(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, sine(100_000, 16_000), 16_000)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(AudioUnreadable, match="not readable as audio"):
        read_audio(str(path))


def test_longer_than_a_file_can_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros((700_000, 1), np.float32), 16_000)
    monkeypatch.setattr("siren_cli.audio.reading.MAX_DURATION_S", 30)
    with pytest.raises(AudioInvalid) as caught:
        read_audio(str(path))
    assert str(caught.value) == f"{path}: longer than the 30 s that a file can hold; split it"


def test_mix_down_is_the_mean() -> None:
    wav = np.array([[1.0, 0.0, -0.25], [0.5, 0.5, 0.5]], np.float32)
    np.testing.assert_array_equal(mix_down(wav), np.array([0.25, 0.5], np.float32))
    np.testing.assert_array_equal(mix_down(wav[:, :1]), wav[:, 0])
    np.testing.assert_array_equal(mix_down(wav[:, 0]), wav[:, 0])


@given(
    sample_count=st.integers(1, 3_000),
    from_hz=st.sampled_from([1_000, 8_000, 11_025, 16_000, 44_100, 48_000, 768_000]),
    to_hz=st.sampled_from([8_000, 16_000, 44_100]),
)
def test_resampling_keeps_the_duration_exactly(sample_count: int, from_hz: int, to_hz: int) -> None:
    found = resample(sine(sample_count, from_hz), from_hz, to_hz)
    wanted = max(1, round(sample_count * to_hz / from_hz + 1e-9))
    assert len(found) == resampled_count(sample_count, from_hz, to_hz) == wanted
    assert found.dtype == np.float32


@pytest.mark.parametrize("from_hz", [8_000, 11_025, 44_100, 48_000])
def test_resampling_keeps_the_sound(from_hz: int) -> None:
    found = resample(sine(2 * from_hz, from_hz), from_hz, 16_000)
    np.testing.assert_allclose(found[1_000:-1_000], sine(32_000, 16_000)[1_000:-1_000], atol=1e-3)


def test_overflow_in_the_filter_is_said() -> None:
    wav = np.where(np.arange(4_000) % 2, 1.0, -1.0).astype(np.float32) * np.float32(3.4e38)
    with pytest.raises(AudioInvalid, match="overflow when resampled"):
        resample(np.roll(np.sign(sine(4_000, 8_000)) * np.abs(wav), 1), 8_000, 16_000)


@pytest.mark.parametrize(
    ("channels", "rate_hz", "notes"),
    [(1, 16_000, []), (6, 8_000, ["6 channels are mixed down to one", "resampled from 8000 Hz to 16000 Hz"])],
)
def test_notes_say_what_is_done(tmp_path: Path, channels: int, rate_hz: int, notes: list[str]) -> None:
    path = tmp_path / "in.wav"
    soundfile.write(path, np.tile(sine(900, rate_hz)[:, None], channels), rate_hz)
    with open_audio(str(path)) as recording:
        assert recording.notes == notes


@pytest.mark.parametrize("suffix", [".wav", ".WAV", ".flac"])
def test_writes_and_reads_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    wav = sine(300_000, 24_000)
    write_audio(str(path), wav, 24_000)
    found, rate_hz = read_audio(str(path))
    assert rate_hz == 24_000
    np.testing.assert_allclose(found[:, 0], wav, atol=1 / 32_768)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_loud_samples_are_clipped_not_wrapped(tmp_path: Path) -> None:
    write_audio(str(tmp_path / "out.wav"), np.array([2.0, -2.0], np.float32), 16_000)
    found, _ = read_audio(str(tmp_path / "out.wav"))
    np.testing.assert_allclose(found[:, 0], [1.0, -1.0], atol=1 / 32_000)


def test_refuses_to_replace(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    write_audio(str(path), sine(100, 16_000), 16_000)
    with pytest.raises(OutputExists):
        write_audio(str(path), sine(200, 16_000), 16_000)
    write_audio(str(path), sine(200, 16_000), 16_000, force=True)
    assert soundfile.info(path).frames == 200


def test_refuses_what_the_format_cannot_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="suffix names no known format"):
        write_audio(str(tmp_path / "out.txt"), sine(100, 16_000), 16_000)
    with pytest.raises(OutputUnwritable, match="FLAC cannot hold 768000 Hz"):
        write_audio(str(tmp_path / "out.flac"), sine(100, 16_000), 768_000)
    monkeypatch.setattr("siren_cli.audio.writing.MAX_DATA_BYTES", 198)
    with pytest.raises(OutputUnwritable, match="more than WAV holds"):
        write_audio(str(tmp_path / "out.wav"), sine(100, 16_000), 16_000)
    assert list(tmp_path.iterdir()) == []


def test_a_named_pipe_takes_wav(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out.flac")
    reader = os.open(tmp_path / "out.flac", os.O_RDONLY | os.O_NONBLOCK)
    write_audio(str(tmp_path / "out.flac"), sine(100, 16_000), 16_000)
    assert soundfile.info(BytesIO(os.read(reader, 1_000))).format == "WAV"
    os.close(reader)
