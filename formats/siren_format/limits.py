"""The numbers of the ``.srn`` format, version 1: sizes, limits, codes. Standard library only."""

from __future__ import annotations

from enum import IntEnum

MAGIC_BYTE = 0xD3
VERSION = 1

SAMPLE_RATE_HZ = 16_000
FRAME_SAMPLES = 2_560
LEVELS = (8, 5, 5, 5)
INDEX_COUNT = 1_000
FREQUENCY_TOTAL = 65_536
"""The frequencies of the values of a digit, or of a level, sum to this."""
MAX_STAGES = 2

MODEL_ID_BYTES = 2
VOICE_BYTES = 8
VOICE_ID_BYTES = 2
CHECK_BYTES = 2

MAX_GROUP_SAMPLES = 960_000
MAX_GROUPS = 20_000
MAX_GROUP_PAYLOAD_BYTES = 1_024
MAX_SOURCE_RATE_HZ = 1_000_000

MAX_HEADER_BYTES = 19
"""Bytes after which a header has surely ended: 4, a sample count of 3, a source rate of 4 and a voice of 8."""

# The code of a rate is its position, counted from 1; code 0 announces a rate that is not in this list.
SOURCE_RATES_HZ = (
    8_000, 11_025, 12_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000,
)  # fmt: skip


class Coder(IntEnum):
    """How a payload is coded; the number is the one in the file, of which 1 and 3 are reserved."""

    PACKED = 0
    NEURAL = 2


def frames_for(sample_count: int) -> int:
    """Count the frames that hold a number of samples.

    Args:
        sample_count: Samples at 16 kHz.

    Returns:
        Frames, the last one possibly not full.
    """
    return -(-sample_count // FRAME_SAMPLES)


_packed_sizes_bytes: dict[int, int] = {}  # every group of a long file asks for the same one


def packed_size_bytes(index_count: int) -> int:
    """Size of a packed payload: the bytes that the largest number of ``index_count`` digits to base 1000
    needs.

    Args:
        index_count: Frames times stages, at most 750 in a valid file.

    Returns:
        Size in bytes, computed with integers, so exactly.
    """
    if index_count not in _packed_sizes_bytes:
        largest: int = INDEX_COUNT**index_count - 1
        _packed_sizes_bytes[index_count] = (largest.bit_length() + 7) // 8
    return _packed_sizes_bytes[index_count]
