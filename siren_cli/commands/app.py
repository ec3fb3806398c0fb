"""The command line: its commands, their help, and how a wrong one is refused."""

from __future__ import annotations

from typing import Annotated

import typer

from siren_cli import __version__
from siren_cli.commands.decode import decode
from siren_cli.commands.encode import encode
from siren_cli.commands.eval import evaluate
from siren_cli.commands.roundtrip import roundtrip
from siren_cli.commands.tokens import tokens
from siren_cli.commands.train import train_app
from siren_cli.commands.trim import trim
from siren_cli.commands.verify import verify
from siren_cli.commands.voice import voice_app
from siren_cli.errors import ExitStatus, UsageError
from siren_cli.terminal.options import ModelOption

_EPILOG = (
    "Exit statuses: 0 done; 1 unexpected error; 2 wrong usage; 3 not a readable .srn file (damaged or "
    "unsupported); 4 weights missing or other than the file's; 5 audio unreadable; 6 output exists; "
    "7 output cannot be written; 8 voice missing, damaged or of another model; 9 decoded with --ignore-damage, and "
    "part of it is lost; 130 interrupted."
)

# Newer Typers carry a Click of their own, older ones import the real one; this is the UsageError of either.
_CommandLineError: type[Exception] = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="siren",
    help="SIREN: speech in very few bytes, about 68 bits a second.",
    epilog=_EPILOG,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"siren {__version__}")
        raise typer.Exit


@app.callback()
def _global_options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and end."),
    ] = False,
) -> None:
    # Typer reads the options from the signature; `_show_version` does the work.
    del version


app.command()(encode)
app.command()(decode)
app.command()(roundtrip)
app.command()(trim)
app.command()(verify)
app.command()(tokens)
app.add_typer(train_app, name="train")
app.add_typer(voice_app, name="voice")
app.command("eval")(evaluate)


@app.command()
def info(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files, or - for standard input.")],
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Folders too: a line for each file in them, and totals.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no notes.")] = False,
    bits: Annotated[
        bool, typer.Option("--bits", help="Tell where the bits went: by stage, digit and second; needs the model.")
    ] = False,
    packets: Annotated[
        bool,
        typer.Option("--packets", help="Tell the cost of a file as packets: bytes and time on air; needs the model."),
    ] = False,
    model: ModelOption = None,
) -> None:
    """Tell what .srn files say of themselves and what they cost. Needs no torch."""
    from siren_cli.commands.info import run_info

    if recursive and (bits or packets):
        raise UsageError("--bits and --packets are about single files, --recursive about many; give one of them")
    raise typer.Exit(
        run_info(files, as_json=as_json, quiet=quiet, recursive=recursive, bits=bits, packets=packets, model=model)
    )


def run_command_line(arguments: list[str]) -> int:
    """Runs one command.

    Args:
        arguments: The words after `siren`.

    Returns:
        The exit status.

    Raises:
        UsageError: If the words are not a command with its options.
        SirenError: Whatever the command raises.
    """
    command = typer.main.get_command(app)
    try:
        with command.make_context("siren", arguments) as context:
            command.invoke(context)
    except typer.Exit as wanted:
        return wanted.exit_code
    except _CommandLineError as error:
        raise UsageError(_in_one_line(error)) from error
    return ExitStatus.OK


def _in_one_line(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    path = "siren" if context is None else context.command_path
    message = str(getattr(error, "format_message", error.__str__)()).rstrip(".")
    return f"{message[:1].lower()}{message[1:]}; see '{path} --help'"
