"""Odd files, made here: formats × headers × damage. Each is read to the sample or refused in one line."""

from __future__ import annotations

import struct
import sys
import threading
from dataclasses import dataclass
from io import BytesIO, FileIO
from os import fdopen, pipe
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from siren_cli.audio.reading import open_audio
from siren_cli.errors import AudioEmpty, AudioUnreadable, SirenError

FORMATS = {
    "wav": "PCM_U8 PCM_16 PCM_24 PCM_32 FLOAT DOUBLE ULAW ALAW",
    "wavex": "PCM_16 PCM_24 FLOAT",
    "rf64": "PCM_16 PCM_24 FLOAT",
    "w64": "PCM_16 PCM_24 FLOAT",
    "au": "PCM_S8 PCM_16 PCM_24 PCM_32 FLOAT ULAW",
    "aiff": "PCM_16 PCM_24 PCM_32 FLOAT",
    "caf": "PCM_16 PCM_24 PCM_32 FLOAT",
    "flac": "PCM_16 PCM_24",
    "ogg": "VORBIS OPUS",
    "mp3": "MPEG_LAYER_III",
}
KINDS = [(name, subtype) for name, subtypes in FORMATS.items() for subtype in subtypes.split()]
SAMPLES = 9_602
RATE_HZ = 16_000


@dataclass(frozen=True)
class Made:
    """A sound file, and its samples as libsndfile reads them from the undamaged file."""

    data: bytes
    samples: NDArray[np.float32]


def make(name: str, subtype: str, channels: int = 1) -> Made:
    noise = 0.1 * np.random.default_rng(5).standard_normal((SAMPLES, channels))
    wav = 0.3 * np.sin(0.05 * np.arange(SAMPLES))[:, None] + noise
    stream = BytesIO()
    soundfile.write(stream, wav, RATE_HZ, format=name.upper(), subtype=subtype)
    stream.seek(0)
    return Made(stream.getvalue(), soundfile.read(stream, dtype="float32", always_2d=True)[0])


def with_size(made: Made, name: str, *, unknown: bool) -> bytes:
    """The file with a size of 0, or of all ones, in its header."""
    data = bytearray(made.data)
    fill = b"\xff" if unknown else b"\0"

    def put(place: int, count: int) -> None:
        data[place : place + count] = fill * count

    if name in ("wav", "wavex"):
        put(4, 4)
        put(data.index(b"data") + 4, 4)
    elif name == "rf64":
        put(data.index(b"ds64") + 8, 24)
    elif name == "w64":
        put(16, 8)
        put(data.index(b"data\xf3\xac") + 16, 8)
    elif name == "au":
        put(8, 4)
    elif name == "aiff":
        put(data.index(b"SSND") + 4, 4)
    elif name == "caf":
        put(data.index(b"data") + 4, 8)
    else:  # FLAC: the number of samples, of which 0 is the unknown
        data[21] &= 0xF0
        data[22:26] = bytes(4)
    return bytes(data)


def read(path: Path) -> tuple[NDArray[np.float32], list[str]]:
    with open_audio(str(path)) as recording:
        first = recording.whole()
        assert np.array_equal(first, recording.whole())
        return first, recording.notes


def refusal_of(path: Path) -> SirenError | None:
    try:
        read(path)
    except SirenError as error:
        return error
    return None


def assert_equal(samples: NDArray[np.float32], wanted: NDArray[np.float32], name: str) -> None:
    """MPEG is decoded in blocks of other sizes here, which rounds differently."""
    np.testing.assert_allclose(samples, wanted, rtol=0, atol=1e-6 if name == "mp3" else 0)


def assert_one_line(error: SirenError) -> None:
    assert "\n" not in str(error) and "; " in str(error)


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "odd"
    path.write_bytes(data)
    return path


HAVE_SIZES = [kind for kind in KINDS if kind[0] not in ("ogg", "mp3")]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("name", "subtype"), KINDS)
def test_whole(tmp_path: Path, name: str, subtype: str, channels: int) -> None:
    made = make(name, subtype, channels)
    samples, notes = read(written(tmp_path, made.data))
    assert_equal(samples, made.samples, name)
    assert notes == (["2 channels are mixed down to one"] if channels == 2 else [])


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize(("name", "subtype"), HAVE_SIZES)
def test_sizes_that_nobody_wrote(tmp_path: Path, name: str, subtype: str, unknown: bool) -> None:
    made = make(name, subtype)
    samples, notes = read(written(tmp_path, with_size(made, name, unknown=unknown)))
    np.testing.assert_array_equal(samples, made.samples)
    assert notes == []


@pytest.mark.parametrize(("name", "subtype"), KINDS)
def test_two_recordings_one_behind_another(tmp_path: Path, name: str, subtype: str) -> None:
    made = make(name, subtype)
    samples, notes = read(written(tmp_path, made.data + made.data))
    assert_equal(samples, np.concatenate([made.samples, made.samples]), name)
    assert notes == []


@pytest.mark.parametrize("kept", [0.3, 0.9])
@pytest.mark.parametrize(("name", "subtype"), KINDS)
def test_cut_short(tmp_path: Path, name: str, subtype: str, kept: float) -> None:
    made = make(name, subtype)
    path = written(tmp_path, made.data[: int(kept * len(made.data))])
    if name in ("flac", "ogg") and (refused := refusal_of(path)) is not None:
        assert_one_line(refused)
        return
    samples, notes = read(path)
    assert 0 < len(samples) < SAMPLES
    if name not in ("ogg", "mp3"):
        np.testing.assert_array_equal(samples, made.samples[: len(samples)])
    (note,) = notes
    assert note.startswith(f"ends after {len(samples) / RATE_HZ:.3f} s ")
    if name != "ogg":
        assert note.endswith(f"of the {SAMPLES / RATE_HZ:.3f} s that its header promises")


@pytest.mark.parametrize("place", [0, 8, 24, 2_000])
@pytest.mark.parametrize(("name", "subtype"), KINDS)
def test_bytes_overwritten(
    tmp_path: Path, name: str, subtype: str, place: int, capfd: pytest.CaptureFixture[str]
) -> None:
    made = make(name, subtype)
    data = bytearray(made.data)
    data[place : place + 8] = b"\xa5" * 8
    path = written(tmp_path, bytes(data))
    if (refused := refusal_of(path)) is not None:
        assert_one_line(refused)
    else:
        samples, notes = read(path)
        assert len(samples) >= SAMPLES - 3 * 1_152 or any("promises" in note for note in notes)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("name", "subtype"), HAVE_SIZES)
def test_no_samples(tmp_path: Path, name: str, subtype: str) -> None:
    stream = BytesIO()
    soundfile.write(stream, np.zeros((0, 1)), RATE_HZ, format=name.upper(), subtype=subtype)
    with pytest.raises((AudioEmpty, AudioUnreadable)) as caught:
        read(written(tmp_path, stream.getvalue()))
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x20ftypM4A \0\0\0\0", "MP4"),
        (b"#!AMR\n\x3c", "AMR"),
        (b"#!AMR-WB\n\x3c", "AMR"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01", "WebM"),
        (b"\xff\xf1\x50\x80\x2e\x7f\xfc", "AAC"),
    ],
)
def test_containers_that_are_not_read_are_named(tmp_path: Path, head: bytes, kind: str) -> None:
    path = written(tmp_path, head + bytes(2_000))
    with pytest.raises(AudioUnreadable, match=kind) as caught:
        read(path)
    assert f"convert it: ffmpeg -i '{path}' 'odd.wav'" in str(caught.value)


def test_a_damaged_flac_is_not_told_to_become_flac(tmp_path: Path) -> None:
    data = make("flac", "PCM_16").data
    with pytest.raises(AudioUnreadable, match="damaged or cut short: copy it again"):
        read(written(tmp_path, data[: len(data) // 2]))


def test_a_second_recording_of_another_rate_is_said(tmp_path: Path) -> None:
    first = make("wav", "PCM_16")
    stream = BytesIO()
    soundfile.write(stream, np.zeros(99), 8_000, format="WAV", subtype="PCM_16")
    samples, notes = read(written(tmp_path, first.data + stream.getvalue()))
    np.testing.assert_array_equal(samples, first.samples)
    assert notes == [f"another recording of other rate or channels begins at byte {len(first.data)}; split it"]


def test_text_behind_the_samples_is_no_sound(tmp_path: Path) -> None:
    made = make("wav", "PCM_16")
    samples, notes = read(written(tmp_path, made.data + b"LIST" + struct.pack("<I", 4) + b"INFO"))
    np.testing.assert_array_equal(samples, made.samples)
    assert notes == []


@pytest.mark.parametrize(
    ("name", "subtype"),
    [("wav", "PCM_16"), ("au", "PCM_16"), ("rf64", "PCM_16"), ("caf", "PCM_24"), ("flac", "PCM_16")],
)
@pytest.mark.parametrize("unknown", [False, True])
def test_pipes_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, subtype: str, unknown: bool
) -> None:
    made = make(name, subtype)
    reader, writer = pipe()

    def feed() -> None:
        with fdopen(writer, "wb") as stream:
            stream.write(with_size(made, name, unknown=unknown))

    class Stdin:
        buffer = FileIO(reader)

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr(sys, "stdin", Stdin())
    thread = threading.Thread(target=feed)
    thread.start()
    with open_audio("-") as recording:
        samples = recording.whole()
    thread.join()
    Stdin.buffer.close()
    np.testing.assert_array_equal(samples, made.samples)
