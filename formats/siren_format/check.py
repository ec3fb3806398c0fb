"""The two check bytes of a group: 15 bits of a CRC and one of parity. Standard library only."""

from __future__ import annotations

import zlib

CRC_MASK = 0x7FFF


def is_parity_even(*parts: bytes) -> bool:
    """Tell whether the number of one bits is even.

    A single flipped bit always makes it odd, so a file whose check has this property refuses every one of
    them, with nothing but the bytes at hand: no model, no prior.

    Args:
        parts: Bytes to count in.

    Returns:
        True if the parts together have an even number of one bits.
    """
    return sum(int.from_bytes(part, "little").bit_count() for part in parts) % 2 == 0


def check_value(header: bytes, group_number: int | None, record: bytes, indices: bytes) -> int:
    """Compute the check of a group.

    Args:
        header: All bytes of the file before the first group, the voice included.
        group_number: Number of the group from 0, or None if the file is not grouped.
        record: Bytes of the group before its check.
        indices: Decoded indices as little-endian 16-bit integers, frame by frame, stage by stage.

    Returns:
        The check, 0..65535: the low 15 bits of the CRC-32 of ISO 3309 (``zlib.crc32``), and in bit 15 what
        makes the number of one bits in header, record and check even.
    """
    number = b"" if group_number is None else group_number.to_bytes(4, "little")
    crc = zlib.crc32(header + number + record + indices) & CRC_MASK
    if is_parity_even(header, record, crc.to_bytes(2, "little")):
        return crc
    return crc | (CRC_MASK + 1)
