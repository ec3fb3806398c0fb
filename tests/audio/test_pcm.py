"""Bare samples and WAV streams, compared with what libsndfile reads and writes."""

from __future__ import annotations

import struct
from io import BytesIO

import numpy as np
import pytest
import soundfile

from siren_cli.audio.pcm import FORMATS, S16LE, RawAudio, bytes_to_samples, parse_pcm, parse_raw, samples_to_bytes
from siren_cli.audio.wav_header import HEADER_BYTES, read_wav_header, wav_header
from siren_cli.errors import UsageError

SUBTYPES = {
    "u8": ("PCM_U8", "FILE"), "s16le": ("PCM_16", "LITTLE"), "s16be": ("PCM_16", "BIG"), "s24le": ("PCM_24", "LITTLE"),
    "s32le": ("PCM_32", "LITTLE"), "f32le": ("FLOAT", "LITTLE"), "f64le": ("DOUBLE", "LITTLE"),
}  # fmt: skip
WAV = (np.random.default_rng(1).standard_normal(3_000) * 0.4).astype(np.float32)
WAV[:8] = (1, -1, 2, -2, 0, 1e-9, -1e-9, 0.999999)


@pytest.mark.parametrize("name", FORMATS)
def test_samples_are_read_and_written_as_libsndfile_does(name: str) -> None:
    subtype, endian = SUBTYPES[name]
    stream = BytesIO()
    soundfile.write(stream, WAV, 16_000, format="RAW", subtype=subtype, endian=endian)
    data = samples_to_bytes(WAV, FORMATS[name])
    assert data == stream.getvalue()
    read, _ = soundfile.read(
        BytesIO(data), dtype="float32", format="RAW", subtype=subtype, endian=endian, channels=1, samplerate=16_000
    )
    assert np.array_equal(bytes_to_samples(data, FORMATS[name]), read)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("16000", RawAudio(16_000, S16LE, 1)),
        ("48000:f32le", RawAudio(48_000, FORMATS["f32le"], 1)),
        ("44100:s24le:2", RawAudio(44_100, FORMATS["s24le"], 2)),
        ("8000::2", RawAudio(8_000, S16LE, 2)),
    ],
)
def test_raw_is_described_in_a_word(text: str, expected: RawAudio) -> None:
    assert parse_raw(text) == expected


@pytest.mark.parametrize("text", ["", "fast", "-1", "16000:s16le:0", "16000:s16le:65", "16000:s16le:1:1", "1e4", "²"])
def test_what_describes_nothing_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected RATE\[:FORMAT\[:CHANNELS\]\]"):
        parse_raw(text)


def test_unknown_formats_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match="names the format 'mp3', expected u8, s16le"):
        parse_raw("16000:mp3")
    with pytest.raises(UsageError, match="'S16'"):
        parse_pcm("S16")


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("file_format", ["WAV", "WAVEX"])
def test_headers_of_libsndfile_are_read(subtype: str, file_format: str) -> None:
    stream = BytesIO()
    soundfile.write(stream, np.stack([WAV, -WAV], axis=1), 22_050, format=file_format, subtype=subtype)
    stream.seek(0)
    found = read_wav_header(stream.read)
    assert found is not None
    assert (found.audio.rate_hz, found.audio.channels) == (22_050, 2)
    assert found.data_bytes == 2 * len(WAV) * found.audio.pcm.size_bytes
    samples = bytes_to_samples(stream.read(found.data_bytes), found.audio.pcm).reshape(-1, 2)
    stream.seek(0)
    assert np.array_equal(samples, soundfile.read(stream, dtype="float32")[0])


def test_our_header_is_that_of_libsndfile() -> None:
    stream = BytesIO()
    soundfile.write(stream, WAV, 16_000, format="WAV", subtype="PCM_16")
    assert wav_header(16_000, 2 * len(WAV)) + samples_to_bytes(WAV, S16LE) == stream.getvalue()
    assert len(wav_header(16_000, 0)) == HEADER_BYTES


@pytest.mark.parametrize("size", [0, 2**31 - 2**12, 2**31, 2**32 - 2**16, 2**32 - 1])
def test_sizes_that_stand_for_an_unknown_length(size: int) -> None:
    header = bytearray(wav_header(16_000, None))
    header[40:44] = struct.pack("<I", size)
    found = read_wav_header(BytesIO(bytes(header)).read)
    assert found is not None and found.data_bytes is None


@pytest.mark.parametrize("data_bytes", [None, 2**32])
def test_a_header_that_cannot_say_the_length_says_so(data_bytes: int | None) -> None:
    header = wav_header(16_000, data_bytes)
    assert header[4:8] == header[40:44] == b"\xff\xff\xff\xff"
    # What players make of it: everything up to the end of the stream.
    assert soundfile.info(BytesIO(header + samples_to_bytes(WAV, S16LE))).frames == len(WAV)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        b"fLaC" + bytes(100),
        wav_header(16_000, 10)[:30],
        wav_header(16_000, 10).replace(b"WAVE", b"AVI "),
        wav_header(16_000, 10).replace(b"data", b"junk"),
        wav_header(16_000, 10).replace(b"fmt ", b"tmf "),
        wav_header(16_000, 10).replace(b"\x01\x00\x01\x00", b"\x11\x00\x01\x00"),
        wav_header(16_000, 10).replace(b"fmt \x10", b"fmt \x02"),
        b"RIFF\xff\xff\xff\xffWAVEjunk\xff\xff\xff\x7f",
    ],
)
def test_what_is_no_wav_header_is_left_to_others(data: bytes) -> None:
    assert read_wav_header(BytesIO(data).read) is None


def test_other_chunks_are_skipped() -> None:
    header = wav_header(16_000, 10)
    found = read_wav_header(BytesIO(header[:12] + b"LIST\x03\0\0\0abc\0" + header[12:]).read)
    assert found is not None and found.data_bytes == 10
