"""Reads the fields of packets as ``PACKET1.md`` describes them, sharing no code with ``siren_format``."""

from __future__ import annotations


def crc8(data: bytes) -> int:
    """CRC-8 of polynomial 2f, all bits 1 at first, bit by bit."""
    register = 0xFF
    for bit in (byte >> shift & 1 for byte in data for shift in range(7, -1, -1)):
        carry = (register >> 7) ^ bit
        register = (register << 1) & 0xFF
        if carry:
            register ^= 0x2F
    return register


def crc16(data: bytes) -> int:
    """CRC-16 of polynomial 1021, all bits 1 at first, bit by bit."""
    register = 0xFFFF
    for bit in (byte >> shift & 1 for byte in data for shift in range(7, -1, -1)):
        carry = (register >> 15) ^ bit
        register = (register << 1) & 0xFFFF
        if carry:
            register ^= 0x1021
    return register


def read_fields(packet: bytes) -> dict[str, int]:
    """The fields before a packet's payload, and the length of what follows.

    Raises:
        ValueError: If the check is wrong or an option is reserved.
    """
    head = packet[0] + 256 * packet[1]
    rest = packet[2:]
    options = 0
    if head & 0x200:
        options, rest = rest[0], rest[1:]
        if options == 0 or options % 4 == 3:
            raise ValueError("reserved options")
    size = options % 4
    check, rest = rest[:size], rest[size:]
    covered = packet[:2] + (bytes((options,)) if options else b"") + rest
    expected = {0: b"", 1: bytes((crc8(covered),)), 2: crc16(covered).to_bytes(2, "little")}[size]
    if check != expected:
        raise ValueError("wrong check")
    copied, whole = 0, 0
    if options & 4:
        copied, whole = rest[0] % 128 + 1, rest[0] // 128
        body = rest[1] + 256 * rest[2]
        rest = rest[3:]
    else:
        body = len(rest)
    return {
        "frames": head % 128 + 1,
        "has_voice": head >> 7 & 1,
        "stages": (head >> 8 & 1) + 1,
        "is_last": head >> 10 & 1,
        "number": head >> 11,
        "recording": options >> 3,
        "check_bytes": size,
        "copied_frames": copied,
        "is_copy_whole": whole,
        "body_bytes": body,
        "copy_bytes": len(rest) - body,
    }
