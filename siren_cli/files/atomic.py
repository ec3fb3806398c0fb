"""The temporary file that a result is written to: its name, how it takes the final one, what killed processes left.

Standard library only.
"""

from __future__ import annotations

import os
import stat
import time

_FIRST, _LAST = ".siren-", ".tmp"
_RANDOM_DIGITS = 12
_ABANDONED_S = 3_600


def temporary_sibling(target: str) -> str:
    """A new path beside another, which `remove_leftovers` knows for a temporary one.

    Args:
        target: Path.

    Returns:
        The other path.
    """
    name = f"{_FIRST}{os.urandom(_RANDOM_DIGITS // 2).hex()}{_LAST}"
    return os.path.join(os.path.dirname(target), name)


def give_name(temporary: str, target: str, *, replace: bool) -> None:
    """Gives a file its final name, at once and as a whole.

    Args:
        temporary: Its name so far, which it may keep beside the new one; the caller removes it.
        target: Its final name.
        replace: Whether a file that has that name is replaced. If not, the name must be new, which renaming cannot
            promise and a hard link can; where there are no links, a file of the last moment is replaced.

    Raises:
        FileExistsError: If the name is taken and `replace` is false.
        OSError: If the name cannot be given.
    """
    if not replace:
        try:
            os.link(temporary, target)
        except FileExistsError:
            raise
        except OSError:  # no hard links on this file system
            if os.path.lexists(target):
                raise FileExistsError(target) from None
        else:
            return
    os.replace(temporary, target)


def keep_mode_and_owner(temporary: str, target: str) -> None:
    """Gives a temporary file mode and owner of the file that it is to replace, as far as this user may.

    Args:
        temporary: Path of the temporary file.
        target: Path of the file, which may be missing.
    """
    try:
        status = os.stat(target)
    except OSError:
        return
    own = os.stat(temporary)
    try:
        if (own.st_uid, own.st_gid) != (status.st_uid, status.st_gid):
            os.chown(temporary, status.st_uid, status.st_gid)
    except (OSError, AttributeError):  # not ours to give away, or a system without owners
        pass
    os.chmod(temporary, stat.S_IMODE(status.st_mode))


def remove_leftovers(folder: str) -> int:
    """Removes temporary files that nobody has written to for an hour.

    Args:
        folder: Path of a folder that files are written to; its subfolders are not looked at.

    Returns:
        How many were removed.
    """
    removed = 0
    try:
        with os.scandir(folder) as entries:
            paths = [entry.path for entry in entries if _is_temporary(entry.name)]
    except OSError:
        return 0
    for path in paths:
        try:
            if time.time() - os.lstat(path).st_mtime > _ABANDONED_S:
                os.remove(path)
                removed += 1
        except OSError:  # gone by now, or not ours to remove
            continue
    return removed


def _is_temporary(name: str) -> bool:
    length = len(_FIRST) + _RANDOM_DIGITS + len(_LAST)
    return len(name) == length and name.startswith(_FIRST) and name.endswith(_LAST)
