"""The numbers of the ``.srn`` format, version 1 (sizes, limits, codes), and ``Record``, which holds facts made of
them. Standard library only.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

MAGIC_BYTE = 0xD3
VERSION = 1

SAMPLE_RATE_HZ = 16_000
FRAME_SAMPLES = 2_560
LEVELS = (8, 5, 5, 5)
INDEX_COUNT = 1_000
MAX_STAGES = 2

MODEL_ID_BYTES = 2
VOICE_BYTES = 8
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


# `siren info` starts with these modules. Importing `dataclasses`, `enum` or `typing` would take it longer than all
# the rest, so the two classes below do by hand the little that is needed of them.


class Coder(int):
    """How a payload is coded: a number, 0..2, that knows its name.

    Raises:
        ValueError: There is no coder of this number.
    """

    PACKED: Coder
    TABLES: Coder
    NEURAL: Coder

    def __new__(cls, code: int) -> Coder:
        """Name a number that is in a file."""
        if not 0 <= code < len(_CODER_NAMES):
            raise ValueError(f"coder {code}, expected 0..{len(_CODER_NAMES) - 1}; correct the number")
        return super().__new__(cls, code)

    @property
    def name(self) -> str:
        """The coder's name, in capital letters."""
        return _CODER_NAMES[self]

    def __repr__(self) -> str:
        return f"<Coder.{self.name}: {self}>"

    def __str__(self) -> str:
        return int.__repr__(self)


_CODER_NAMES = ("PACKED", "TABLES", "NEURAL")
Coder.PACKED, Coder.TABLES, Coder.NEURAL = Coder(0), Coder(1), Coder(2)


class Record:
    """Named values that do not change; two records of one class are equal if all their values are."""

    def _keep(self, **values: object) -> None:
        """Take the values; to be called once, by ``__init__``."""
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name!r} of a {type(self).__name__} cannot be set; make a new {type(self).__name__}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name!r} of a {type(self).__name__} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == other.__dict__ if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self.__dict__.values()))

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({values})"


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
