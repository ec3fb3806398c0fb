"""One named error per way of being wrong, and the exit status each one ends the program with.

Every message is one line that says what was found, what was expected and what to do about it.
"""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit statuses of the `siren` program (documented in docs/command-line.md)."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    BAD_FILE = 3
    WEIGHTS = 4
    AUDIO = 5
    OUTPUT_EXISTS = 6
    OUTPUT_UNWRITABLE = 7
    VOICE = 8
    PARTLY_LOST = 9
    INTERRUPTED = 130


_NO_MEMORY = ("allocate memory", "not enough memory", "out of memory", "failed to map segment", "start new thread")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, of torch or of a library that could not be loaded says that memory ran out.

    Args:
        error: The error.
    """
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, (RuntimeError, OSError, ImportError)) and any(words in text for words in _NO_MEMORY)
    )


class SirenError(Exception):
    """Base of the errors that SIREN raises on purpose."""

    exit_status = ExitStatus.UNEXPECTED


class UsageError(SirenError):
    """The command line asks for something that makes no sense."""

    exit_status = ExitStatus.USAGE


class ConfigError(SirenError):
    """A model or training configuration has an unknown key or an impossible value."""

    exit_status = ExitStatus.USAGE


class SrnUnreadable(SirenError):
    """The input is missing or is not a `.srn` file that this program can read."""

    exit_status = ExitStatus.BAD_FILE


class WeightsMissing(SirenError):
    """No model lies where one was looked for."""

    exit_status = ExitStatus.WEIGHTS


class WeightsDamaged(SirenError):
    """The model's files are not what its manifest or its config promise."""

    exit_status = ExitStatus.WEIGHTS


class AudioUnreadable(SirenError):
    """The input is missing or is not audio that soundfile can read."""

    exit_status = ExitStatus.AUDIO


class AudioEmpty(SirenError):
    """The input holds no samples."""

    exit_status = ExitStatus.AUDIO


class AudioInvalid(SirenError):
    """The samples or the sample rate cannot be coded (NaN, infinity, rate out of range)."""

    exit_status = ExitStatus.AUDIO


class VoiceMissing(SirenError):
    """A voice is not where it was looked for, or a recording names one that nobody has."""

    exit_status = ExitStatus.VOICE


class VoiceUnusable(SirenError):
    """A voice is damaged, of another version or of another model."""

    exit_status = ExitStatus.VOICE


class DataError(SirenError):
    """Training data is missing or unusable."""

    exit_status = ExitStatus.AUDIO


class OutputExists(SirenError):
    """The output is there already and --force was not given."""

    exit_status = ExitStatus.OUTPUT_EXISTS


class OutputUnwritable(SirenError):
    """The output cannot be written."""

    exit_status = ExitStatus.OUTPUT_UNWRITABLE
