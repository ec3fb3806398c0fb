"""Outputs that are no plain files: devices, pipes, files that only grow. Standard library only."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO


def is_device(path: str) -> bool:
    """Whether a path leads to a device or a pipe, such as `/dev/null` and what a shell makes of `>(command)`."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def is_rewritable(stream: BinaryIO) -> bool:
    """Whether a stream is a file that does not send every byte to its end."""
    try:
        import fcntl

        number = stream.fileno()
        return stat.S_ISREG(os.fstat(number).st_mode) and not fcntl.fcntl(number, fcntl.F_GETFL) & os.O_APPEND
    except (ImportError, OSError):  # no Unix, or no file at all
        return False
