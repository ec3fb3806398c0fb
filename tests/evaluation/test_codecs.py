"""What is measured: every system gives back as many samples as it got and leaves a real file."""

from __future__ import annotations

import shutil
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from siren_cli.codec import Codec
from siren_cli.config import DEFAULT_EFFORT, ModelConfig
from siren_cli.errors import DataError, UsageError
from siren_cli.evaluation.codecs.damage import Damage, damaged_codec2, damaged_siren, gap_gain, gaps_of, transmit
from siren_cli.evaluation.codecs.under_test import (
    BASELINES,
    CodecOutput,
    CodecUnderTest,
    baseline,
    label_of,
    noise_anchor,
    ogg_payload_bytes,
    original,
    siren,
    wrong_voice,
)
from siren_cli.evaluation.metrics.recogniser import log_mel
from siren_cli.evaluation.metrics.signal import intelligibility, mel_distance_db
from siren_cli.evaluation.workers.result_cache import ResultCache, digest_of_model
from siren_cli.packets.conceal import decode_packets
from siren_cli.packets.packetize import encode_packets
from siren_format.layout import parse_layout
from siren_format.voice import voice_digits, voice_level_db, voice_to_bytes

PROGRAMS = {"opus": ("opusenc", "opus-tools"), "code": ("c2enc", "codec2")}
BITS_A_SECOND = {"opus6": 6_000, "codec2-3200": 3_200, "codec2-1300": 1_300, "codec2-700C": 700, "codec2-450": 450}


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_codes_real_files_or_names_its_package(name: str, speech: np.ndarray, tmp_path: Path) -> None:
    program, package = PROGRAMS[name[:4]]
    if shutil.which(program) is None:
        with pytest.raises(DataError, match=f"{program} is not on the PATH; install the package {package}"):
            baseline(name)
        return
    system = baseline(name)
    file = tmp_path / f"coded{system.suffix}"
    made = system.run(speech, file, None)
    assert made.wav.shape == speech.shape
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    size_bytes = file.stat().st_size
    payload_bps = 8 * made.payload_bytes / (len(speech) / 16_000)
    assert 0.85 * BITS_A_SECOND[name] < payload_bps < 1.45 * BITS_A_SECOND[name]
    assert 7 <= size_bytes - made.payload_bytes < 1_500
    assert intelligibility(speech, made.wav)["stoi"] > 0.6
    # The decoder's delay is made up for: no other shift by 10 ms fits better.
    shifted = [mel_distance_db(speech, np.roll(made.wav, shift)) for shift in (-160, 0, 160)]
    assert np.argmin(shifted) == 1


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match=r"c2enc is not on the PATH; install the package codec2"):
        baseline("codec2-700C")
    with pytest.raises(DataError, match=r"opusenc is not on the PATH; install the package opus-tools"):
        baseline("opus6")


@pytest.mark.parametrize("name", ["opus", "opus5", "codec2", "codec2-9600", "mp3"])
def test_unknown_baselines_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is not known; give some of opus6"):
        baseline(name)


def test_labels_are_for_people() -> None:
    assert label_of("codec2-700C ber 0.01") == "Codec 2 700C, ber 0.01"
    assert label_of("opus12") == "Opus 12 kbps"
    assert label_of("siren-2") == "SIREN, 2 stages, effort 0"
    assert label_of(f"siren-1-effort-{DEFAULT_EFFORT}") == "SIREN, 1 stage"
    assert label_of(f"siren-2-effort-{DEFAULT_EFFORT} drop 0.1") == "SIREN, 2 stages, drop 0.1"


def ogg_page(*packets: bytes) -> bytes:
    table = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
    return b"OggS" + bytes(22) + struct.pack("B", len(table)) + table + b"".join(packets)


def test_the_payload_of_ogg_is_what_follows_the_two_headers() -> None:
    data = ogg_page(b"OpusHead") + ogg_page(b"OpusTags" * 50) + ogg_page(b"a" * 300, b"b" * 10) + ogg_page(b"c")
    assert ogg_payload_bytes(data) == 311


def test_the_original_is_itself_and_the_floor_has_its_spectrum_but_no_words(speech: np.ndarray, tmp_path: Path) -> None:
    same = original().run(speech, tmp_path / "a.wav", None)
    assert np.array_equal(same.wav, speech)
    assert same.payload_bytes == (tmp_path / "a.wav").stat().st_size - 44
    noise = noise_anchor().run(speech, tmp_path / "none", None).wav
    assert not (tmp_path / "none").exists()
    assert 10 * np.log10((noise @ noise) / (speech @ speech)) == pytest.approx(0.0, abs=1.0)
    assert intelligibility(speech, noise)["stoi"] < 0.5
    assert float(log_mel(noise).std(dim=0).mean()) < 0.5 * float(log_mel(speech).std(dim=0).mean())


def test_siren_writes_the_file_that_it_decodes(codec: Codec, speech: np.ndarray, tmp_path: Path) -> None:
    made = siren(codec, "weights", 2).run(speech, tmp_path / "a.srn", None)
    data = (tmp_path / "a.srn").read_bytes()
    assert np.array_equal(made.wav, codec.decode(data))
    assert made.payload_bytes == parse_layout(data).payload_bytes


def test_a_wrong_voice_changes_the_voice_and_nothing_else(
    codec: Codec, speech: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The voices of a random model are all alike, so the other speaker's is put there.
    other_voice = voice_to_bytes(-20.0, [3, 0] * 14)
    right = codec.encode(speech, 16_000)
    monkeypatch.setattr(Codec, "encode", lambda *_, **__: replace(right, voice=other_voice))
    system = wrong_voice(codec, "weights", lambda wav: right.to_bytes())
    system.run(speech, tmp_path / "wrong.srn", speech[:32_000])
    wrong = codec.from_bytes((tmp_path / "wrong.srn").read_bytes())
    assert np.array_equal(right.indices, wrong.indices)
    assert right.voice is not None
    assert wrong.voice is not None
    assert voice_digits(wrong.voice) == voice_digits(other_voice) != voice_digits(right.voice)
    assert voice_level_db(wrong.voice) == voice_level_db(right.voice)
    with pytest.raises(DataError, match="needs a clip of another speaker"):
        system.run(speech, tmp_path / "b.srn", None)


def test_a_bad_link_flips_and_loses_as_much_as_asked_for() -> None:
    packets = [bytes(50)] * 400
    flipped = transmit(packets, Damage("ber", 0.05), 1)
    assert 0.04 < np.unpackbits(np.frombuffer(b"".join(packet or b"" for packet in flipped), np.uint8)).mean() < 0.06
    assert flipped == transmit(packets, Damage("ber", 0.05), 1) != transmit(packets, Damage("ber", 0.05), 2)
    arrived = transmit(packets, Damage("drop", 0.2), 1)
    assert 50 < arrived.count(None) < 110
    assert arrived.count(packets[0]) == 400 - arrived.count(None)


def test_a_whole_link_carries_the_packets_that_encode_writes(codec: Codec, speech: np.ndarray, tmp_path: Path) -> None:
    sent = encode_packets(codec, speech, 16_000, stages=1, max_bytes=20, voice="each")
    made = damaged_siren(codec, "weights", 1, Damage("drop", 1e-12), 20).run(speech, tmp_path / "a.packets", None)
    assert (tmp_path / "a.packets").read_bytes() == b"".join(sent)
    assert made.payload_bytes == sum(map(len, sent)) - 2 * len(sent)
    assert np.array_equal(made.wav, decode_packets(codec, sent).wav[: len(speech)])


def test_gaps_are_found_and_fade_and_end_softly() -> None:
    assert gaps_of(np.array([True, True, False, True, False])) == [(0, 2), (3, 4)]
    assert gaps_of(np.array([False])) == []
    gain = gap_gain([(0, 1_000), (5_000, 12_000)], 5_120, 20_000)
    assert not gain[:1_000].any()
    assert gain[1_000] == 0.0 < gain[1_080] < gain[1_159] == 1.0 == gain[4_999]
    assert gain[5_000] == 1.0
    assert gain[5_000 + 2_560] == pytest.approx(0.5, abs=0.001)
    assert gain[5_000 + 5_119 : 12_000].max() < 1e-6
    assert gain[12_160:].tolist() == [1.0] * 7_840


def test_a_lost_packet_fades_and_is_silent_where_it_was(codec: Codec, speech: np.ndarray, tmp_path: Path) -> None:
    sent = encode_packets(codec, speech, 16_000, stages=1, max_bytes=20, voice="each")
    damage = Damage("drop", 0.4)
    is_lost = [packet is None for packet in transmit(sent, damage, zlib.crc32(speech.tobytes()))]
    assert 0 < sum(is_lost) < len(sent)
    made = damaged_siren(codec, "weights", 1, damage, 20).run(speech, tmp_path / "a.packets", None)
    silent_s = float((made.wav == 0.0).sum()) / 16_000
    lost_s = sum(is_lost) * len(speech) / 16_000 / len(sent)
    assert 0.2 * lost_s < silent_s < 1.1 * lost_s


def test_all_packets_lost_or_unreadable_is_silence_of_the_right_length(
    codec: Codec, speech: np.ndarray, tmp_path: Path
) -> None:
    for damage in (Damage("drop", 1.0), Damage("ber", 0.5)):
        made = damaged_siren(codec, "weights", 1, damage, 51).run(speech, tmp_path / "a.packets", None)
        assert made.wav.shape == speech.shape
    assert (
        not damaged_siren(codec, "weights", 1, Damage("drop", 1.0), 51)
        .run(speech, tmp_path / "b.packets", None)
        .wav.any()
    )


def test_damage_to_codec_2_leaves_the_length_and_hurts_or_names_the_package(speech: np.ndarray, tmp_path: Path) -> None:
    if shutil.which("c2enc") is None:
        with pytest.raises(DataError, match="install the package codec2"):
            damaged_codec2("codec2-700C", Damage("ber", 0.1), 51)
        return
    whole = baseline("codec2-700C").run(speech, tmp_path / "a.c2", None)
    hurt = damaged_codec2("codec2-700C", Damage("ber", 0.1), 51).run(speech, tmp_path / "b.packets", None)
    unhurt = damaged_codec2("codec2-700C", Damage("ber", 1e-12), 51).run(speech, tmp_path / "c.packets", None)
    frames = (whole.payload_bytes) // 4  # a frame of 28 bits takes 4 bytes in a file, 14 of them 49 in a packet
    full, rest = divmod(frames, 14)
    assert (tmp_path / "c.packets").stat().st_size == 49 * full + -(-28 * rest // 8)
    assert np.allclose(unhurt.wav, whole.wav)
    assert mel_distance_db(speech, hurt.wav) > mel_distance_db(speech, whole.wav) + 0.5
    gone = damaged_codec2("codec2-700C", Damage("drop", 0.5), 51).run(speech, tmp_path / "d.packets", None)
    assert 0.05 < (gone.wav == 0.0).mean() < 0.9


def test_the_store_codes_once_and_again_when_something_changed(speech: np.ndarray, tmp_path: Path) -> None:
    calls = []

    def run(wav: np.ndarray, file: Path, other_speaker: np.ndarray | None) -> CodecOutput:
        calls.append(len(wav))
        file.write_bytes(b"12345")
        return CodecOutput(wav * 2, 3)

    results = ResultCache(tmp_path)
    system = CodecUnderTest("x", ".x", "1", run)
    for _ in range(2):
        decoded, summary = results.coded(system, speech, None)
        assert (summary["file_bytes"], summary["payload_bytes"]) == (5, 3)
        assert Path(summary["file"]).read_bytes() == b"12345"
        assert np.allclose(decoded, np.clip(speech * 2, -1, 1), atol=1e-4)
        assert np.array_equal(soundfile.read(summary["decoded"], dtype="float32")[0], decoded)
    assert len(calls) == 1
    results.coded(CodecUnderTest("x", ".x", "2", run), speech, None)
    results.coded(system, speech[1:], None)
    results.coded(system, speech, speech[1:])
    assert len(calls) == 3
    results.coded(CodecUnderTest("x", ".x", "1", run, needs_other_speaker=True), speech, speech[1:])
    assert len(calls) == 4


def test_another_config_is_another_model_to_what_was_measured_before(tiny_model: Path, tmp_path: Path) -> None:
    sharper = shutil.copytree(tiny_model, tmp_path / "sharper")
    assert digest_of_model(str(sharper)) == digest_of_model(str(tiny_model))
    config = ModelConfig.from_json(sharper / "config.json")
    (sharper / "config.json").write_text(replace(config, postfilter=(0.2, 0.2)).to_json(), encoding="utf-8")
    assert digest_of_model(str(sharper)) != digest_of_model(str(tiny_model))
