"""The packet profile: vectors, limits, losses, damage."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siren_format import errors
from siren_format.packet import Packet, parse_packet
from siren_format.packet_file import file_to_packets, packets_to_file
from siren_format.packet_head import MAX_PACKET_FRAMES
from siren_format.packet_order import Gap, RecordingOrder
from siren_format.packet_split import split_into_packets
from siren_format.prior import NeuralPrior
from tests.formats.vector_material import (
    MODEL_ID,
    UNLIKELY_VOICE,
    VECTORS,
    VOICE,
    likely_to_prior,
    likely_voice_to_prior,
    noise_indices,
    vector_prior,
)

PACKETS: dict[str, dict[str, Any]] = json.loads((VECTORS / "MANIFEST.json").read_text())["packets"]
HOSTILE: dict[str, str] = json.loads((VECTORS / "MANIFEST.json").read_text())["invalid-packets"]
PRIOR = vector_prior()
SOURCES = [PRIOR, None]


@pytest.mark.parametrize("name", PACKETS)
def test_vector_says_what_the_manifest_says(name: str, prior: NeuralPrior) -> None:
    model_id, packets = file_to_packets((VECTORS / "packets" / f"{name}.srp").read_bytes())
    parsed = [parse_packet(packet, prior) for packet in packets]
    assert model_id == MODEL_ID
    indices = np.concatenate([packet.indices for packet in parsed])
    assert PACKETS[name] == {
        "packet_bytes": [len(packet) for packet in packets],
        "numbers": [packet.number for packet in parsed],
        "frames": [len(packet.indices) for packet in parsed],
        "voices": [packet.voice and packet.voice.hex() for packet in parsed],
        "missing": [[gap.first_number, gap.packets] for gap in ordered(parsed) if isinstance(gap, Gap)],
        "indices_sha256": hashlib.sha256(indices.astype("<u2").tobytes()).hexdigest(),
    }


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_vector_is_refused(name: str) -> None:
    _, (packet,) = file_to_packets((VECTORS / "invalid-packets" / f"{name}.srp").read_bytes())
    with pytest.raises(getattr(errors, HOSTILE[name])):
        parse_packet(packet, PRIOR)


def test_example_of_the_document_is_the_vector() -> None:
    text = (VECTORS.parent / "PACKET1.md").read_text(encoding="utf-8")
    block = text.split("vectors/packets/worked-example.srp; a test compares them -->\n```\n")[1].split("```")[0]
    hex_bytes = " ".join(re.split(r"\s{2,}", line)[0] for line in block.splitlines())
    assert bytes.fromhex(hex_bytes) == (VECTORS / "packets" / "worked-example.srp").read_bytes()


@settings(max_examples=30)
@given(
    frames=st.integers(1, 150), stages=st.integers(1, 2), max_bytes=st.integers(16, 255),
    source=st.sampled_from(SOURCES), voice=st.sampled_from([None, VOICE, UNLIKELY_VOICE]), in_each=st.booleans(),
    noise_every=st.integers(1, 5),
)  # fmt: skip
def test_packets_fit_and_say_everything(
    frames: int,
    stages: int,
    max_bytes: int,
    source: NeuralPrior | None,
    voice: bytes | None,
    in_each: bool,
    noise_every: int,
) -> None:
    indices = likely_to_prior(PRIOR, frames, stages, noise_every=noise_every)
    packets = split_into_packets(indices, voice, source, max_bytes, voice_in_each=in_each)
    assert max(map(len, packets)) <= max_bytes
    parsed = [parse_packet(packet, source) for packet in packets]
    np.testing.assert_array_equal(np.concatenate([packet.indices for packet in parsed]), indices)
    assert [packet.number for packet in parsed] == [number % 32 for number in range(len(packets))]
    assert [packet.is_last for packet in parsed] == [False] * (len(packets) - 1) + [True]
    voices = [packet.voice for packet in parsed]
    assert voices == ([voice] * len(packets) if in_each else [voice] + [None] * (len(packets) - 1))
    assert ordered(parsed) == parsed


def test_packets_are_filled() -> None:
    indices = likely_to_prior(PRIOR, 120, 1, noise_every=2)
    packets = split_into_packets(indices, None, PRIOR, 51, voice_in_each=True)
    for packet, after in zip(packets, packets[1:], strict=False):
        parsed, following = parse_packet(packet, PRIOR), parse_packet(after, PRIOR)
        longer = np.concatenate([parsed.indices, following.indices[:1]])
        assert len(Packet(0, False, longer, None).to_bytes(PRIOR)) > 51


def ordered(packets: list[Packet]) -> list[Packet | Gap]:
    order: RecordingOrder[Packet] = RecordingOrder(0)
    for packet in packets:
        order.take(packet, packet.to_bytes(None))
    return list(order.in_order())


def gaps(numbers: list[int], last: int | None) -> list[tuple[int, int]]:
    packets = [Packet(number % 32, number == last, np.full((1, 1), number, np.int16), None) for number in numbers]
    return [(item.first_number, item.packets) for item in ordered(packets) if isinstance(item, Gap)]


def test_gaps() -> None:
    assert gaps([0, 1, 2], 2) == []
    assert gaps([1, 2], 2) == [(0, 1)]
    assert gaps([0, 3, 4, 9], 9) == [(1, 2), (5, 4)]
    assert gaps([0, 1], None) == [(2, 1)]
    assert gaps([*range(40), 45], 45) == [(40, 5)]
    assert gaps([0, 0, 1, 1, 2], 2) == []  # sent twice
    assert gaps([31], 31) == [(0, 31)]


@pytest.mark.parametrize("source", SOURCES)
def test_damaged_packets_are_refused_or_say_something_else(source: NeuralPrior | None) -> None:
    data = Packet(3, False, noise_indices(1, 6, 2), VOICE).to_bytes(source)
    original = parse_packet(data, source)
    for changed in [data[:0], data[:1], data + b"\x00", data + bytes(300)]:
        with pytest.raises(errors.FormatError):
            parse_packet(changed, source)
    checked = Packet(3, False, noise_indices(1, 6, 2), VOICE, 1, 2).to_bytes(source)
    for length in range(len(checked)):
        with pytest.raises(errors.FormatError):
            parse_packet(checked[:length], source)
    # The link checks; a packet that is read all the same has one form, and no other packet has that form.
    for bit in range(8 * len(data)):
        changed = (int.from_bytes(data, "little") ^ 1 << bit).to_bytes(len(data), "little")
        try:
            packet = parse_packet(changed, source)
        except errors.FormatError:
            continue
        assert packet.to_bytes(source) == changed
        assert (packet.number, packet.is_last, packet.voice, packet.indices.tolist()) != (
            original.number, original.is_last, original.voice, original.indices.tolist(),
        )  # fmt: skip


def test_a_packet_that_is_packed_without_need_is_refused() -> None:
    indices = likely_to_prior(PRIOR, 10, 1, noise_every=9)
    packed = Packet(0, True, indices, None).to_bytes(None)
    assert parse_packet(packed, None).indices.tolist() == indices.tolist()
    with pytest.raises(errors.BadPayload, match="packed although coding is shorter"):
        parse_packet(packed, PRIOR)
    with pytest.raises(errors.NeedsPrior, match="has no prior"):
        parse_packet(Packet(0, True, indices, None).to_bytes(PRIOR), None)


def test_what_cannot_be_split() -> None:
    indices = noise_indices(1, 4, 1)
    for max_bytes in (15, 501):
        with pytest.raises(ValueError, match=r"expected 16\.\.500"):
            split_into_packets(indices, None, None, max_bytes, voice_in_each=True)
    with pytest.raises(ValueError, match="without frames"):
        split_into_packets(indices[:0], None, None, 51, voice_in_each=True)
    with pytest.raises(ValueError, match="found 129 of 1"):
        Packet(0, True, np.zeros((MAX_PACKET_FRAMES + 1, 1), np.int16), None).to_bytes(None)


def test_the_smallest_packet_holds_a_voice_and_a_frame() -> None:
    for voice in (UNLIKELY_VOICE, likely_voice_to_prior(PRIOR)):
        for source in SOURCES:
            for packet in split_into_packets(noise_indices(2, 9, 2), voice, source, 16, voice_in_each=True):
                assert len(packet) <= 16


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"d351", errors.NotSirenFile, "starts with '64333531'"),
        (b"\xd3sp1\xa1", errors.TruncatedFile, "model id"),
        (b"\xd3sp1\xa1\xb2", errors.TruncatedFile, "packet length"),
        (b"\xd3sp1\xa1\xb2\x03ab", errors.TruncatedFile, "within its packet"),
        (b"\xd3sp1\xa1\xb2\x01a\x00", errors.LimitExceeded, "packet 1 of 0 bytes"),
        (b"\xd3sp1\xa1\xb2" + 4_097 * b"\x01a", errors.LimitExceeded, "packet 4096 of 1 bytes"),
    ],
)
def test_bad_packet_files(data: bytes, error: type[errors.FormatError], message: str) -> None:
    with pytest.raises(error, match=message):
        file_to_packets(data)


def test_packet_files_that_cannot_be_written() -> None:
    assert file_to_packets(packets_to_file([b"ab", b"c"], MODEL_ID)) == (MODEL_ID, [b"ab", b"c"])
    for packets in ([b""], [bytes(501)], [b"a"] * 4_097):
        with pytest.raises(ValueError, match="up to 4096 packets"):
            packets_to_file(packets, MODEL_ID)
