"""Memory between the chunks of a long recording."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any


def give_back_memory() -> None:
    """Gives freed memory back to the system, where the C library (glibc) would keep it.

    Networks free hundreds of megabytes after every chunk, in blocks that the next chunk cuts up otherwise: kept, they
    add up to a peak that differs by a quarter from run to run.
    """
    if trim := _malloc_trim():
        trim(0)


@cache
def _malloc_trim() -> Any:
    """`malloc_trim(3)`, None where there is none."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
