"""The packet file, version 1 (``PACKET1.md``): the packets of a recording one after another. Standard library only."""

from __future__ import annotations

from siren_format.errors import LimitExceeded, NotSirenFile
from siren_format.header import ByteReader
from siren_format.limits import MODEL_ID_BYTES
from siren_format.packet_head import MAX_PACKET_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PACKET_FILE_MAGIC = b"\xd3sp1"
MODEL_ID_OFFSET = 4
PACKET_SUFFIX = ".pkt"
"""Of the name of a file that holds a single packet, without a header; nothing else tells it from noise."""
MAX_PACKETS = 4_096
_SECOND_BYTE = 0x80


def packets_to_file(packets: Sequence[bytes], model_id: bytes) -> bytes:
    """Write a packet file.

    Args:
        packets: The packets, 1..500 bytes each.
        model_id: Leading 2 bytes of the sha256 of the model's weights file.

    Returns:
        The file.

    Raises:
        ValueError: There are more than 4096 packets, or one is empty or too long.
    """
    if len(packets) > MAX_PACKETS or any(not 1 <= len(packet) <= MAX_PACKET_BYTES for packet in packets):
        raise ValueError(
            f"a packet file holds up to {MAX_PACKETS} packets of 1..{MAX_PACKET_BYTES} bytes; split the recording"
        )
    return PACKET_FILE_MAGIC + model_id + b"".join(_length_to_bytes(len(packet)) + packet for packet in packets)


def _length_to_bytes(length: int) -> bytes:
    return bytes((length,)) if length < _SECOND_BYTE else bytes((length & 0x7F | _SECOND_BYTE, length >> 7))


def file_to_packets(data: bytes) -> tuple[bytes, list[bytes]]:
    """Read a packet file.

    Args:
        data: The file.

    Returns:
        The model id and the packets.

    Raises:
        NotSirenFile: The magic is not there.
        LimitExceeded: It holds more than 4096 packets, or one that is empty or longer than 500 bytes.
        TruncatedFile: It ends within a packet, or has none.
    """
    if not data.startswith(PACKET_FILE_MAGIC):
        raise NotSirenFile(
            f"this is not a packet file: it starts with '{data[:4].hex()}', expected '{PACKET_FILE_MAGIC.hex()}'; "
            "give a file that siren encode --profile packet wrote",
            offset=0,
            field="magic",
        )
    reader = ByteReader(data, len(PACKET_FILE_MAGIC))
    model_id = reader.take(MODEL_ID_BYTES, "model id")
    packets: list[bytes] = []
    while reader.position < len(data) or not packets:
        start = reader.position
        length = reader.take_int(1, "packet length")
        if length >= _SECOND_BYTE:
            high = reader.take_int(1, "packet length")
            length = length & 0x7F | high << 7 if high else 0  # the longer form of a short length is no length
        if not 1 <= length <= MAX_PACKET_BYTES or len(packets) == MAX_PACKETS:
            raise LimitExceeded(
                f"packet {len(packets)} of {length} bytes, expected at most {MAX_PACKETS} packets of "
                f"1..{MAX_PACKET_BYTES} bytes; the file is damaged, fetch it again",
                offset=start,
                field="packet length",
            )
        packets.append(reader.take(length, "packet"))
    return model_id, packets
