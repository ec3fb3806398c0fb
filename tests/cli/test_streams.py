"""Long recordings, pipes that stall, bare samples, and damaged files, through the command line."""

from __future__ import annotations

import io
import json
import os
import selectors
import subprocess
import sys
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from siren_cli.__main__ import main
from siren_cli.audio.pcm import FORMATS, bytes_to_samples, samples_to_bytes
from siren_cli.audio.reading import read_audio
from siren_cli.audio.writing import write_audio
from siren_cli.codec import Codec
from siren_cli.errors import OutputUnwritable
from siren_cli.files.streams import Output
from siren_format.layout import parse_layout
from tests.cli.conftest import Siren, environment, voice_like

SECONDS = 130
PATIENCE_S = 120


@pytest.fixture(scope="module")
def long_wav(demo_clip: Path) -> NDArray[np.float32]:
    """130 s of real speech, as 16-bit samples hold it."""
    clip = soundfile.read(demo_clip, dtype="float32")[0]
    return np.tile(clip, 13)[: SECONDS * 16_000]


@pytest.fixture(scope="module")
def long_srn(codec: Codec, long_wav: NDArray[np.float32]) -> bytes:
    return codec.encode(long_wav, 16_000).to_bytes()


@pytest.fixture(scope="module")
def long_decoded(codec: Codec, long_srn: bytes) -> bytes:
    """What it decodes to, as 16-bit samples."""
    return samples_to_bytes(codec.decode(long_srn), FORMATS["s16le"])


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Puts a pipe with the bytes in it in place of standard input."""

    def put(data: bytes) -> None:
        ours, theirs = os.pipe()

        def pour() -> None:
            with os.fdopen(theirs, "wb") as pipe:
                pipe.write(data)

        threading.Thread(target=pour, daemon=True).start()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(os.fdopen(ours, "rb")))

    return put


def test_a_long_file_is_what_the_codec_makes_of_it(
    siren: Siren, one_codec: Codec, long_wav: NDArray[np.float32], long_srn: bytes, long_decoded: bytes, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "long.flac", long_wav, 16_000)
    outcome = siren("encode", tmp_path / "long.flac")
    assert outcome.status == 0
    assert outcome.out.startswith("duration     130.000 s\nbytes")
    assert (tmp_path / "long.srn").read_bytes() == long_srn
    assert siren("decode", tmp_path / "long.srn").status == 0
    assert (tmp_path / "long.wav").read_bytes()[44:] == long_decoded
    assert soundfile.info(tmp_path / "long.wav").frames == SECONDS * 16_000


@pytest.mark.slow
def test_a_redirected_file_is_read_as_a_file(
    siren: Siren, one_codec: Codec, long_wav: NDArray[np.float32], long_srn: bytes, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    # The second minute is louder: only who can hear the recording twice finds its level.
    wav = long_wav * np.repeat(np.float32([0.1, 1.0]), [60 * 16_000, 70 * 16_000])
    soundfile.write(tmp_path / "in.flac", wav, 16_000)
    assert siren("encode", tmp_path / "in.flac", "-o", tmp_path / "named.srn").status == 0
    with open(tmp_path / "in.flac") as redirected:
        monkeypatch.setattr("sys.stdin", redirected)
        assert siren("encode", "-", "-o", tmp_path / "redirected.srn").status == 0
    assert (tmp_path / "redirected.srn").read_bytes() == (tmp_path / "named.srn").read_bytes()


@pytest.mark.slow
def test_output_begins_while_the_input_stalls(tiny_model: Path, long_wav: NDArray[np.float32], codec: Codec) -> None:
    data = samples_to_bytes(long_wav, FORMATS["s16le"])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # here and in the commands: with another number, sums round another way
    streamed = b"".join(codec.encode_stream([bytes_to_samples(data, FORMATS["s16le"])], 16_000))
    expected = samples_to_bytes(codec.decode(streamed), FORMATS["s16le"])
    torch.set_num_threads(threads)
    alone = ["--threads", "1", "-q"]
    words = [sys.executable, "-m", "siren_cli"]
    pipes = {"stdout": subprocess.PIPE, "env": environment(tiny_model)}
    with (
        subprocess.Popen([*words, "encode", "-", "--raw", "16000", *alone], stdin=subprocess.PIPE, **pipes) as encoder,
        subprocess.Popen([*words, "decode", "-", *alone], stdin=encoder.stdout, **pipes) as decoder,
    ):
        assert encoder.stdin and encoder.stdout and decoder.stdout
        encoder.stdout.close()
        # Seventy seconds, and then nothing more for now; the pipe stays open.
        encoder.stdin.write(data[: 70 * 32_000])
        encoder.stdin.flush()
        early = read_patiently(decoder.stdout.fileno(), 44 + 45 * 32_000)
        encoder.stdin.write(data[70 * 32_000 :])
        encoder.stdin.close()
        late = decoder.stdout.read()
    assert (encoder.returncode, decoder.returncode) == (0, 0)
    assert early[:4] == b"RIFF" and early[40:44] == b"\xff\xff\xff\xff"
    assert (early + late)[44:] == expected
    assert soundfile.info(BytesIO(early + late)).frames == len(long_wav)


def read_patiently(pipe: int, count: int) -> bytes:
    """That many bytes of a pipe, which must come although nobody closes it."""
    data = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while len(data) < count:
            assert selector.select(PATIENCE_S), f"only {len(data)} of {count} bytes came in {PATIENCE_S} s"
            data += os.read(pipe, count - len(data))
    return data


def test_a_wav_stream_of_unknown_length(
    siren: Siren, one_codec: Codec, feed: Callable[[bytes], None], tmp_path: Path
) -> None:
    stream = BytesIO()
    soundfile.write(stream, np.stack([voice_like(30_000), voice_like(30_000)], axis=1), 44_100, format="WAV")
    data = bytearray(stream.getvalue())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    feed(bytes(data) + b"\x01")  # whoever made it was stopped in the middle of a sample
    outcome = siren("encode", "-", "-o", tmp_path / "out.srn", "-q")
    assert (outcome.status, outcome.err) == (0, "")
    expected = one_codec.encode(soundfile.read(BytesIO(stream.getvalue()), dtype="float32")[0], 44_100)
    assert (tmp_path / "out.srn").read_bytes() == expected.to_bytes()


def test_a_named_pipe_is_read_and_what_follows_the_samples_is_not(
    siren: Siren, one_codec: Codec, recording: Path, srn: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(
        target=lambda: (tmp_path / "pipe").write_bytes(recording.read_bytes() + b"LIST\4\0\0\0abcd"), daemon=True
    )
    writer.start()
    assert siren("encode", tmp_path / "pipe", "-o", tmp_path / "out.srn").status == 0
    writer.join()
    assert (tmp_path / "out.srn").read_bytes() == srn.read_bytes()


@pytest.mark.parametrize("name", FORMATS)
def test_bare_samples_in_and_out(siren: Siren, one_codec: Codec, srn: Path, tmp_path: Path, name: str) -> None:
    assert siren("decode", srn, "--raw", name, "-o", tmp_path / "out.raw").status == 0
    samples = bytes_to_samples((tmp_path / "out.raw").read_bytes(), FORMATS[name])
    np.testing.assert_allclose(samples, one_codec.decode(srn.read_bytes()), atol=1 / 120)
    soundfile.write(tmp_path / "same.wav", samples, 16_000, subtype="DOUBLE")
    assert siren("encode", tmp_path / "out.raw", "--raw", f"16000:{name}").status == 0
    assert siren("encode", tmp_path / "same.wav").status == 0
    assert (tmp_path / "out.srn").read_bytes() == (tmp_path / "same.srn").read_bytes()


def test_bare_samples_of_several_channels_from_a_pipe(
    siren: Siren, one_codec: Codec, feed: Callable[[bytes], None], tmp_path: Path
) -> None:
    stereo = np.stack([voice_like(20_000), 0.5 * voice_like(20_000)], axis=1).astype(np.float32)
    feed(samples_to_bytes(stereo.reshape(-1), FORMATS["f32le"]))
    outcome = siren("encode", "-", "--raw", "8000:f32le:2", "-o", tmp_path / "out.srn")
    assert outcome.status == 0
    assert outcome.err == (
        "siren: note: 2 channels are mixed down to one\nsiren: note: resampled from 8000 Hz to 16000 Hz\n"
    )
    assert (tmp_path / "out.srn").read_bytes() == one_codec.encode(stereo, 8_000).to_bytes()


def test_packets_take_bare_samples_too(siren: Siren, one_codec: Codec, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "in.raw").write_bytes(recording.read_bytes()[44:])
    assert siren("encode", recording, "--profile", "packet").status == 0
    assert siren("encode", tmp_path / "in.raw", "--raw", "16000", "--profile", "packet", "-f").status == 0
    assert siren("decode", recording.with_suffix(".srp"), "-o", tmp_path / "out", "--raw", "s16le").status == 0
    assert (tmp_path / "out").stat().st_size == 2 * 8 * 2_560


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["encode", "{wav}", "--raw", "fast"], 2, "--raw is 'fast', expected RATE[:FORMAT[:CHANNELS]]"),
        (["encode", "{wav}", "--raw", "16000:mp3"], 2, "--raw names the format 'mp3', expected u8, s16le"),
        (["encode", "{wav}", "--raw", "999"], 5, "sample rate of 999 Hz, expected 1000..768000"),
        (["decode", "{srn}", "--raw", "16000"], 2, "--raw names the format '16000', expected u8, s16le"),
    ],
)
def test_wrong_descriptions_of_samples(
    siren: Siren, recording: Path, srn: Path, words: list[str], status: int, message: str
) -> None:
    outcome = siren(*(word.format(wav=recording, srn=srn) for word in words), "-o", recording.with_name("out"))
    assert outcome.status == status
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert not recording.with_name("out").exists()


def test_a_raw_file_with_nothing_in_it(siren: Siren, tmp_path: Path) -> None:
    (tmp_path / "one.raw").write_bytes(b"\0")
    outcome = siren("encode", tmp_path / "one.raw", "--raw", "16000")
    assert outcome.status == 5
    assert outcome.err.endswith("one.raw: holds no samples, expected at least one; check what wrote it\n")


def test_a_pipe_that_turns_out_to_be_damaged(
    siren: Siren, one_codec: Codec, feed: Callable[[bytes], None], long_srn: bytes, tmp_path: Path
) -> None:
    feed(long_srn[:-1])
    outcome = siren("decode", "-", "-o", tmp_path / "out.wav")
    assert outcome.status == 3
    assert outcome.err.startswith("siren: error: -: the file ends within its check")
    assert list(tmp_path.glob("out*")) + list(tmp_path.glob(".siren*")) == []


def damaged(data: bytes) -> bytes:
    """The file with a byte of its second minute changed."""
    place = parse_layout(data).records[1].payload_start + 7
    return data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :]


def test_damage_is_refused_unless_it_is_to_be_ignored(
    siren: Siren, one_codec: Codec, long_srn: bytes, long_decoded: bytes, tmp_path: Path
) -> None:
    (tmp_path / "bad.srn").write_bytes(damaged(long_srn))
    refused = siren("decode", tmp_path / "bad.srn")
    assert refused.status == 3
    assert not (tmp_path / "bad.wav").exists()

    outcome = siren("decode", tmp_path / "bad.srn", "--ignore-damage")
    assert (outcome.status, outcome.err) == (9, "")
    lines = outcome.out.splitlines()
    assert lines[0] == "duration  130.000 s, 2080000 samples at 16000 Hz"
    assert lines[1].startswith("lost      60.000 s to 120.000 s, silent: ")
    data = (tmp_path / "bad.wav").read_bytes()[44:]
    assert len(data) == len(long_decoded)
    assert data[: 40 * 32_000] == long_decoded[: 40 * 32_000]
    assert not any(data[60 * 32_000 : 120 * 32_000]) and any(data[120 * 32_000 :])


def test_what_is_lost_is_listed_as_json_at_any_rate(
    siren: Siren, one_codec: Codec, feed: Callable[[bytes], None], long_srn: bytes, tmp_path: Path
) -> None:
    feed(damaged(long_srn)[:-20])
    outcome = siren("decode", "-", "--ignore-damage", "--sample-rate", "8000", "-o", tmp_path / "out.flac", "--json")
    assert outcome.status == 9
    facts = json.loads(outcome.out)
    assert facts["lost_s"] == 70.0
    # A minute that is damaged and ten seconds that are cut off, of which the head still says how many they were.
    assert [(lost["start_s"], lost["end_s"]) for lost in facts["lost"]] == [(60.0, 130.0)]
    assert facts["is_end_missing"] is True
    assert facts["output_samples"] == soundfile.info(tmp_path / "out.flac").frames == 130 * 8_000


def test_ignoring_damage_where_there_is_none(
    siren: Siren, one_codec: Codec, srn: Path, long_srn: bytes, tmp_path: Path
) -> None:
    outcome = siren("decode", srn, "--ignore-damage")
    assert outcome.status == 0
    assert "\nlost      nothing\n" in outcome.out
    srn.write_bytes(srn.read_bytes()[:-1])
    outcome = siren("decode", srn, "--ignore-damage", "-f")
    assert outcome.status == 3
    assert outcome.err.count("\n") == 1
    (tmp_path / "bad").write_bytes(b"not a file of ours, whatever else")
    assert siren("decode", tmp_path / "bad", "--ignore-damage").status == 3


def test_a_full_disk_is_said_in_one_line(siren: Siren, one_codec: Codec, srn: Path) -> None:
    for command in (["decode", srn], ["encode", srn.with_name("in.wav")]):
        outcome = siren(*command, "-o", "/dev/full")
        assert outcome.status == 7
        assert outcome.err == (
            "siren: error: /dev/full: cannot be written (no space left on device); write elsewhere\n"
        )


def test_a_disk_that_fills_up_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write = Output.write

    def fail_late(self: Output, data: bytes) -> int:
        if self.is_seekable and self.tell() > 1_000:
            raise OutputUnwritable("full")
        return write(self, data)

    monkeypatch.setattr(Output, "write", fail_late)
    noise = np.random.default_rng(0).standard_normal(50_000).astype(np.float32)
    for suffix in (".flac", ".ogg"):
        with pytest.raises(OutputUnwritable, match="full"):
            write_audio(str(tmp_path / f"out{suffix}"), noise, 16_000)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == ""


def test_a_header_is_corrected_where_standard_output_is_a_file(
    one_codec: Codec, feed: Callable[[bytes], None], long_srn: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for mode, claimed in (("w", SECONDS * 32_000), ("a", 2**32 - 1)):
        feed(long_srn)
        with open(tmp_path / "out.wav", mode) as redirected:
            monkeypatch.setattr("sys.stdout", redirected)
            assert main(["decode", "-", "-q"]) == 0
        data = (tmp_path / "out.wav").read_bytes()
        assert int.from_bytes(data[40:44], "little") == claimed
        (tmp_path / "out.wav").unlink()
    assert len(data) == 44 + SECONDS * 32_000
    (tmp_path / "again.wav").write_bytes(data)
    assert len(read_audio(str(tmp_path / "again.wav"))[0]) == SECONDS * 16_000
