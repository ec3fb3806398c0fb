"""Packets in texts, and the order of file names."""

from __future__ import annotations

import base64

import pytest

from siren_cli.errors import SrnUnreadable
from siren_cli.packets.files import by_number, is_packets, read_packets
from siren_cli.packets.texts import require_texts, text_to_packets
from siren_format.packet_file import packets_to_file

PACKETS = [bytes.fromhex("82064d634d575f9ad1269c0c"), bytes.fromhex("040a7e4e21233dc1")]


@pytest.mark.parametrize(
    "write",
    [
        lambda data: data.hex(),
        lambda data: data.hex().upper(),
        lambda data: "0x" + data.hex(),
        lambda data: data.hex(" "),
        lambda data: data.hex(":"),
        lambda data: data.hex(" ", 2),
        lambda data: ", ".join(f"0x{byte:02x}" for byte in data),
        lambda data: f"[12:03] {data.hex(' ')}",
        lambda data: f"Zoë, 12:03: {data.hex()} over",
    ],
)
def test_hexadecimal_out_of_a_chat(write: object) -> None:
    text = "\r\n".join(write(data) for data in PACKETS) + "\n"  # type: ignore[operator]
    assert text_to_packets(text.encode(), None) == PACKETS
    assert read_packets("-", text.encode()) == (None, PACKETS)
    assert is_packets("-", text.encode())


def test_base64_out_of_a_chat() -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        lines = [encode(data).decode() for data in PACKETS]
        assert text_to_packets("\n".join(lines).encode(), None) == PACKETS
        assert text_to_packets("\n".join(line.rstrip("=") for line in lines).encode(), "base64") == PACKETS
    said = f"Anna: {base64.b64encode(PACKETS[0]).decode()}"
    assert text_to_packets(said.encode(), None) == PACKETS[:1]


def test_a_packet_file_as_wrapped_text() -> None:
    data = packets_to_file(PACKETS * 9, b"\xa1\xb2")
    assert read_packets("-", base64.encodebytes(data)) == (b"\xa1\xb2", PACKETS * 9)
    dump = "\n".join(data[start : start + 16].hex(" ") for start in range(0, len(data), 16))
    assert read_packets("-", dump.encode()) == (b"\xa1\xb2", PACKETS * 9)


def test_what_is_no_packet() -> None:
    for text in ("a facade of words", "Where are you? At half past nine.", "", "\n"):
        assert text_to_packets(text.encode(), None) is None
    assert not is_packets("-", b"RIFF" + bytes(2_000))
    assert not is_packets("note.txt", PACKETS[0])
    with pytest.raises(SrnUnreadable, match="no packet in hex, expected one a line"):
        require_texts("-", b"hello", "hex")


def test_a_bare_packet_on_standard_input() -> None:
    assert is_packets("-", PACKETS[0]) and read_packets("-", PACKETS[0]) == (None, PACKETS[:1])


def test_names_sort_as_numbers() -> None:
    names = ["p10", "p9", "p8", "p11", "p008b"]
    assert sorted(names, key=by_number) == ["p8", "p008b", "p9", "p10", "p11"]
