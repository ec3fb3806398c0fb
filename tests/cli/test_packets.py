"""`siren encode --profile packet` and what `siren decode` makes of packets that arrive, and of those that do not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from siren_cli.codec import Codec
from siren_cli.packets.conceal import FADING_FRAMES, HELD_FRAMES, decode_packets
from siren_format.packet import Packet, parse_packet
from siren_format.packet_file import file_to_packets, packets_to_file
from siren_format.voice import voice_to_bytes
from tests.cli.conftest import Siren, voice_like


@pytest.fixture
def long_recording(tmp_path: Path) -> Path:
    path = tmp_path / "long.wav"
    soundfile.write(path, voice_like(4 * 16_000), 16_000, subtype="PCM_16")
    return path


@pytest.fixture
def packets(codec: Codec) -> list[bytes]:
    """Four packets of five frames, the voice in the first."""
    rng = np.random.default_rng(1)
    voice = voice_to_bytes(-20.0, [1] * 28)
    indices = rng.integers(0, 1000, (20, 1), dtype=np.int16)
    return [
        Packet(k, k == 3, indices[5 * k : 5 * k + 5], voice if k == 0 else None).to_bytes(codec.packet_source)
        for k in range(4)
    ]


def test_a_recording_goes_through_packets(siren: Siren, long_recording: Path, codec: Codec) -> None:
    outcome = siren("encode", "--profile", "packet", "--max-bytes", "20", long_recording)
    assert (outcome.status, outcome.err) == (0, "")
    srp = long_recording.with_suffix(".srp")
    model_id, packets = file_to_packets(srp.read_bytes())
    assert model_id == codec.model_id and max(map(len, packets)) <= 20
    total = sum(map(len, packets))
    assert outcome.untimed == (
        "duration    4.000 s\n"
        f"packets     {len(packets)}, the largest of {max(map(len, packets))} bytes, {total} bytes in all\n"
        f"packet bps  {8 * total / 4:.1f}\n"
        "encoding    . s, . times real time\n"
    )
    wav, _ = soundfile.read(long_recording, dtype="float32")
    coded = codec.encode(wav, 16_000)
    parsed = [parse_packet(packet, codec.packet_source) for packet in packets]
    assert np.array_equal(np.concatenate([packet.indices for packet in parsed]), coded.indices)
    assert {packet.voice for packet in parsed} == {coded.voice}

    decoded = siren("decode", srp, "-o", srp.with_suffix(".flac"))
    assert decoded.out == f"duration  4.000 s\npackets   {len(packets)}\nvoice     inline\n"
    again, _ = soundfile.read(srp.with_suffix(".flac"), dtype="float32")
    np.testing.assert_allclose(again, codec.decode(coded), atol=1 / 32_768)


@pytest.mark.parametrize(("voice", "expected"), [("each", 1.0), ("once", 0.0), ("none", 0.0)])
def test_which_packets_carry_the_voice(
    siren: Siren, long_recording: Path, codec: Codec, voice: str, expected: float
) -> None:
    outcome = siren("encode", "--json", "--profile", "packet", "--max-bytes", "16", "--voice", voice, long_recording)
    facts = json.loads(outcome.out)
    parsed = [parse_packet(bytes.fromhex(text), codec.packet_source) for text in facts["packets"]]
    assert facts["packet_bytes"] == [len(text) // 2 for text in facts["packets"]]
    assert len(parsed) == facts["packet_count"] > 1
    assert (parsed[0].voice is None) == (voice == "none")
    assert np.mean([packet.voice is not None for packet in parsed[1:]]) == expected


def test_missing_packets_are_concealed_and_said(
    siren: Siren, codec: Codec, packets: list[bytes], tmp_path: Path
) -> None:
    (tmp_path / "gap.srp").write_bytes(packets_to_file([packets[0], packets[3]], codec.model_id))
    outcome = siren("decode", "--json", tmp_path / "gap.srp")
    facts = json.loads(outcome.out)
    assert facts["missing"] == [{"first_packet": 1, "packets": 2, "from_s": 0.8, "to_s": 2.4}]
    assert (facts["packets"], facts["output_samples"], facts["duration_s"]) == (2, 15 * 2560 + 5 * 2560, 3.2)
    wav, _ = soundfile.read(tmp_path / "gap.wav", dtype="float32")
    # Speech goes on for 480 ms and fades, then there is silence, then the next packet fades in.
    held, rest = np.split(wav[5 * 2560 : 15 * 2560], [(HELD_FRAMES + FADING_FRAMES) * 2560])
    assert np.abs(held[:2560]).max() > 0 and np.abs(held[-100:]).max() < 1e-3 * max(1.0, np.abs(held).max())
    assert np.abs(rest).max() == 0.0
    assert np.abs(wav[15 * 2560 :]).max() > 0 and abs(wav[15 * 2560]) < 1e-4
    lines = siren("decode", "--force", tmp_path / "gap.srp").out.splitlines()
    assert lines[-1] == "missing   2 from number 1, concealed from 0.80 to 2.40 s"


def test_a_gap_shorter_than_what_is_held(codec: Codec) -> None:
    frame = np.full((1, 1), 7, np.int16)
    sent = [Packet(number, number == 2, frame, None).to_bytes(codec.packet_source) for number in range(3)]
    speech = decode_packets(codec, [sent[0], sent[2]])
    assert len(speech.wav) == 3 * 2560
    assert speech.missing == [{"first_packet": 1, "packets": 1, "from_s": 0.16, "to_s": 0.32}]


def test_the_voice_goes_on_after_a_gap_and_back_before_the_first(codec: Codec, packets: list[bytes]) -> None:
    whole = decode_packets(codec, packets)
    assert whole.missing == [] and whole.has_voice
    # The first packet is lost, and with it the voice: the default voice speaks.
    rest = decode_packets(codec, packets[1:])
    assert not rest.has_voice and rest.missing[0]["to_s"] == 0.8
    tail = decode_packets(codec, [packets[0], packets[2], packets[3]])
    assert len(tail.wav) == len(whole.wav) and [gap["packets"] for gap in tail.missing] == [1]
    end = decode_packets(codec, packets[:3])
    assert end.missing == [{"first_packet": 3, "packets": 1, "from_s": 2.4, "to_s": 3.2}]


def test_a_folder_of_packets(siren: Siren, codec: Codec, packets: list[bytes], tmp_path: Path) -> None:
    folder = tmp_path / "arrived"
    folder.mkdir()
    (folder / ".hidden").write_bytes(b"no packet")
    for number, packet in enumerate(packets):
        (folder / f"{number:03}.bin").write_bytes(packet)
    outcome = siren("decode", f"{folder}/")
    assert (outcome.status, outcome.err) == (0, "")
    assert soundfile.info(tmp_path / "arrived.wav").frames == 20 * 2560
    # One that the link let through damaged is left out and said.
    (folder / "001.bin").write_bytes(packets[1] + b"\0")
    outcome = siren("decode", folder, "-o", tmp_path / "less.wav")
    assert outcome.status == 9
    assert outcome.err.startswith("siren: note: left out packet 1 of 4: ") and outcome.err.count("\n") == 1
    assert "missing   1 from number 1" in outcome.out


def test_packets_as_files_of_their_own(siren: Siren, long_recording: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sent"
    words = ["encode", "--profile", "packet", "--max-bytes", "20", "--packet-folder", folder, long_recording]
    assert siren(*words).status == 0
    srp = long_recording.with_suffix(".srp")
    _, packets = file_to_packets(srp.read_bytes())
    assert [path.name for path in sorted(folder.iterdir())] == [f"{number:04}.pkt" for number in range(len(packets))]
    assert [path.read_bytes() for path in sorted(folder.iterdir())] == packets
    for source in (srp, folder):
        assert siren("decode", source, "-o", tmp_path / f"{source.name}.wav").status == 0
    assert (tmp_path / "sent.wav").read_bytes() == (tmp_path / f"{srp.name}.wav").read_bytes()
    # What is there is replaced only if asked for, and packets of another recording do not stay among the new ones.
    (folder / "9999.pkt").write_bytes(packets[0])
    assert (siren(*words).status, siren(*words, "--force").status) == (6, 0)
    assert len(list(folder.iterdir())) == len(packets)
    outcome = siren(*words, "-o", folder / "all.srp")
    assert outcome.status == 2 and "lies in the packet folder" in outcome.err
    (folder / "notes.txt").write_text("mine")
    outcome = siren(*words, "--force")
    assert outcome.status == 7 and "holds notes.txt, expected nothing but packets" in outcome.err
    assert (folder / "notes.txt").exists() and not list(tmp_path.glob(".siren-*"))


def test_info_of_packets(siren: Siren, codec: Codec, packets: list[bytes], tmp_path: Path) -> None:
    srp, folder = tmp_path / "gap.srp", tmp_path / "arrived"
    srp.write_bytes(packets_to_file([packets[0], packets[3]], codec.model_id))
    folder.mkdir()
    for number in (0, 3):
        (folder / f"{number}.pkt").write_bytes(packets[number])
    sizes = [len(packets[0]), len(packets[3])]
    facts = json.loads(siren("info", "--json", srp).out)
    assert (facts["packet_count"], facts["frames"], facts["duration_s"]) == (2, 10, 1.6)
    assert (facts["packet_bytes"], facts["with_voice"], facts["missing"]) == (sizes, 1, [[1, 2]])
    assert (facts["model_id"], facts["packet_bps"]) == (codec.model_id.hex(), 8 * sum(sizes) / 1.6)
    assert [packet["number"] for packet in facts["each"]] == [0, 3]
    text = siren("info", folder).out
    assert "missing     2 from number 1\n" in text and "model       not named" in text
    assert f"number 3    {sizes[1]} bytes: 5 frames, " in text and text.rstrip().endswith("the last")
    assert json.loads(siren("info", "--json", folder / "3.pkt").out)["missing"] == []
    assert siren("decode", folder / "3.pkt", "-o", tmp_path / "one.wav").status == 0
    outcome = siren("info", "--bits", srp)
    assert (outcome.status, outcome.out) == (2, "") and "--bits and --packets are about .srn files" in outcome.err
    (tmp_path / "long.pkt").write_bytes(packets[0] + bytes(20))
    outcome = siren("info", tmp_path / "long.pkt")
    assert (outcome.status, outcome.out) == (3, "") and "packet 0: the packet has" in outcome.err


def test_what_is_refused(siren: Siren, codec: Codec, packets: list[bytes], recording: Path, tmp_path: Path) -> None:
    (tmp_path / "other.srp").write_bytes(packets_to_file(packets, b"\0\0"))
    (tmp_path / "bad.srp").write_bytes(packets_to_file([b"\xff"], codec.model_id))
    (tmp_path / "cut.srp").write_bytes(packets_to_file(packets, codec.model_id)[:-1])
    (tmp_path / "empty").mkdir()
    packet_words = ["encode", "--profile", "packet", recording]
    for words, status, said in (
        (["decode", tmp_path / "other.srp"], 4, "needs model 0000"),
        (["decode", tmp_path / "bad.srp"], 3, "bad.srp: the packet has 1 bytes"),
        (["decode", tmp_path / "cut.srp"], 3, "within its packet"),
        (["decode", tmp_path / "empty"], 3, "0 files, expected 1..4096 packets"),
        (["decode", tmp_path / "cut.srp", "--sample-rate", "loud"], 2, "expected model, source or a number"),
        (["encode", recording, "--max-packets", "1"], 2, "give --profile packet as well"),
        (["encode", recording, "--packet-folder", tmp_path / "p"], 2, "give --profile packet as well"),
        ([*packet_words, "--packet-folder", recording], 7, "is a file, expected a folder"),
        ([*packet_words, "--packet-folder", tmp_path / "no" / "such"], 7, "missing or not writable"),
        ([*packet_words, "--max-bytes", "9"], 2, "--max-bytes is 9, expected 16..500"),
        ([*packet_words, "--voice", "soft"], 2, "--voice is 'soft', expected each, once, none"),
    ):
        outcome = siren(*words)
        assert (outcome.status, outcome.out) == (status, ""), words
        assert said in outcome.err and outcome.err.count("\n") == 1


def test_packets_as_text_and_in_any_order(siren: Siren, one_codec: Codec, packets: list[bytes], tmp_path: Path) -> None:
    chat, folder = tmp_path / "chat.txt", tmp_path / "arrived"
    lines = [f"[12:03] Anna: {packet.hex()}" for packet in [*packets[::-1], packets[1]]]
    chat.write_text("\n".join(lines), encoding="utf-8")
    folder.mkdir()
    for name, packet in zip(("p8", "p9", "p10", "p11"), packets, strict=True):
        (folder / name).write_bytes(packet)
    facts = json.loads(siren("decode", "--json", chat, "-o", tmp_path / "chat.wav").out)
    assert (facts["packets"], facts["repeated"], facts["missing"], facts["lost_s"]) == (4, 1, [], 0)
    for words in (["--hex", chat], [folder]):
        assert siren("decode", *words, "-o", tmp_path / "same.wav", "--force").status == 0
        assert (tmp_path / "same.wav").read_bytes() == (tmp_path / "chat.wav").read_bytes()
    outcome = siren("decode", "--base64", chat, "-o", tmp_path / "no.wav")
    assert (outcome.status, outcome.out) == (3, "")
    assert siren("decode", "--hex", folder, "-o", tmp_path / "no.wav").status == 2


def test_two_recordings_and_a_damaged_packet(siren: Siren, one_codec: Codec, tmp_path: Path) -> None:
    indices = np.random.default_rng(3).integers(0, 1000, (10, 1), dtype=np.int16)
    sent = [
        Packet(number, number == 1, indices[5 * number : 5 * number + 5], None, recording, 2).to_bytes(
            one_codec.packet_source
        )
        for number in (0, 1)
        for recording in (4, 9)
    ]
    damaged = bytes((*sent[3][:-1], sent[3][-1] ^ 1))
    (tmp_path / "two.srp").write_bytes(packets_to_file([*sent[:3], damaged], one_codec.model_id))
    outcome = siren("decode", "--json", tmp_path / "two.srp")
    first, second = map(json.loads, outcome.out.splitlines())
    assert outcome.status == 9 and "the check of the packet does not match" in outcome.err
    assert (first["recording"], first["missing"], first["duration_s"]) == (4, [], 1.6)
    assert (second["recording"], second["output"]) == (9, str(tmp_path / "two-2.wav"))
    assert second["missing"] == [{"first_packet": 1, "packets": 1, "from_s": 0.8, "to_s": 1.6}]
    outcome = siren("decode", "--json", "--force", "--ignore-damage", tmp_path / "two.srp")
    second = json.loads(outcome.out.splitlines()[1])
    assert outcome.status == 9 and [item["packet"] for item in second["damaged"]] == [1]
    assert siren("decode", tmp_path / "two.srp", "-o", "-").status == 2
