"""The check of a packet (``PACKET1.md``, section 1.4): 1 or 2 bytes for links that have none. Standard library only."""

from __future__ import annotations

import binascii

_CRC16_START = 0xFFFF
_CRC8_POLYNOMIAL = 0x2F
_CRC8_START = 0xFF


def packet_check(data: bytes, check_bytes: int) -> bytes:
    """Compute the check of a packet.

    Args:
        data: The packet without its check.
        check_bytes: 0, 1 or 2.

    Returns:
        Nothing; the CRC-8 of polynomial 2f; or the CRC-16 of polynomial 1021, little-endian. Both start with all
        bits 1.
    """
    if check_bytes == 0:
        return b""
    if check_bytes == 2:
        return binascii.crc_hqx(data, _CRC16_START).to_bytes(2, "little")
    crc = _CRC8_START
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (_CRC8_POLYNOMIAL if crc & 0x80 else 0)) & 0xFF
    return bytes((crc,))
