"""The program's entry point: hands the command line on, turns an error into one line and an exit status."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from types import FrameType

from siren_cli.errors import ExitStatus, SirenError, is_out_of_memory

_NO_MEMORY = "out of memory; free some or split the recording"
_STANDARD_STREAMS = ("/dev/stdin", "/dev/stdout", "/dev/fd/0", "/dev/fd/1", "/proc/self/fd/0", "/proc/self/fd/1")
_DEBUG_VARIABLE = "SIREN_DEBUG"
_INFO_OPTIONS = ("--json", "-q", "--quiet", "-r", "--recursive")


def main(arguments: list[str] | None = None) -> int:
    """Runs one command line.

    Args:
        arguments: The words after `siren`; None for those of the process.

    Returns:
        The exit status.
    """
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A file's name may hold bytes that are no text; printing it must not fail.
            stream.reconfigure(errors="backslashreplace")
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except SirenError as error:
        return _fail(str(error), error.exit_status)
    except KeyboardInterrupt:
        return _fail("interrupted; nothing was written", ExitStatus.INTERRUPTED)
    except BrokenPipeError:  # whoever read standard output has gone; there is nobody to tell
        _drop_output()
        return ExitStatus.OUTPUT_UNWRITABLE
    except MemoryError:
        return _fail(_NO_MEMORY, ExitStatus.UNEXPECTED)
    except Exception as error:  # noqa: BLE001 - the one place where all that nobody foresaw ends
        return _fail_unforeseen(error)


def _run(arguments: list[str]) -> int:
    if _is_plain_info(arguments):
        from siren_cli.commands.info import run_info

        return run_info(
            [word for word in arguments[1:] if word not in _INFO_OPTIONS],
            as_json="--json" in arguments,
            quiet="-q" in arguments or "--quiet" in arguments,
            recursive="-r" in arguments or "--recursive" in arguments,
        )

    import signal

    from siren_cli.commands.app import run_command_line

    signal.signal(signal.SIGTERM, _interrupt)
    hang_up = getattr(signal, "SIGHUP", None)  # Windows has none
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:  # as nohup has it
        signal.signal(hang_up, _interrupt)
    if os.name == "nt":
        from siren_cli.files.finding import expand_patterns

        arguments = expand_patterns(arguments)
    return run_command_line(["-" if word in _STANDARD_STREAMS else word for word in arguments])


def _open_closed_streams() -> None:
    """Gives standard streams that were closed (`2>&-`) a place that takes everything and keeps nothing.

    Their numbers are taken too, or the next file that is opened would become standard error.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, this one
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8")


def _is_plain_info(arguments: list[str]) -> bool:
    """Whether this is an `info` with plain options: importing Typer takes longer than running it."""
    words = arguments[1:]
    files = [word for word in words if word == "-" or not word.startswith("-")]
    options = [word for word in words if word in _INFO_OPTIONS]
    return arguments[:1] == ["info"] and len(files) > 0 and len(files) + len(options) == len(words)


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    """Treats a request to end like Ctrl-C, so that temporary files are removed."""
    raise KeyboardInterrupt


def _fail_unforeseen(error: Exception) -> int:
    from siren_format.errors import FormatError, OtherModel

    if isinstance(error, OtherModel):
        return _fail(str(error), ExitStatus.WEIGHTS)
    if isinstance(error, FormatError):
        return _fail(str(error), ExitStatus.BAD_FILE)
    if is_out_of_memory(error):
        return _fail(_NO_MEMORY, ExitStatus.UNEXPECTED)
    message = f"unexpected error: {type(error).__name__}: {error}; please report it"
    return _fail(message, ExitStatus.UNEXPECTED)


def _fail(message: str, status: int) -> int:
    from siren_cli.terminal.console import error

    if os.environ.get(_DEBUG_VARIABLE) == "1":
        import traceback

        traceback.print_exc()
    if status == ExitStatus.OUTPUT_UNWRITABLE:
        _drop_output()
    error(message)
    return status


def _drop_output() -> None:
    """Lets go of standard output that could not be written: the interpreter would try again at its end."""
    if sys.stdout is sys.__stdout__ and sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
