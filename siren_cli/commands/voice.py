"""`siren voice`: the voice as a file of its own. Only recordings need the model's networks, and torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from siren_cli.errors import UsageError
from siren_cli.files.streams import STREAM, require_writable, write_bytes
from siren_cli.terminal.console import Rows, note, show_json, show_line, show_rows, working
from siren_cli.terminal.options import (
    Device,
    DeviceOption,
    ForceOption,
    JsonOption,
    ModelOption,
    QuietOption,
    ThreadsOption,
    default_output,
    is_report_talk,
)

if TYPE_CHECKING:
    from siren_cli.codec import Codec
    from siren_cli.registry.weights import ModelFiles
    from siren_cli.voices.library import Voices

voice_app = typer.Typer(
    help="Make, look at and mix voices: files of one line that say who speaks.",
    no_args_is_help=False,
    rich_markup_mode=None,
)

_WHOSE = "a .voice file, its text, a packaged voice's name, a recording or a .srn file"
_SHOWN_LIKE = 12

VoiceOutput = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--output", "-o", metavar="OUT.voice", help="Where to write, - to print the voice's text."),
]


@voice_app.command()
def extract(
    sources: Annotated[
        list[str], typer.Argument(metavar="IN...", help="Recordings (- for standard input) or .srn files, to average.")
    ],
    output: VoiceOutput = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    model: ModelOption = None,
) -> None:
    """Hear who speaks in one recording or several, and write the voice: one line of 44 characters."""
    if output is None and len(sources) > 1:
        raise UsageError(f"{len(sources)} recordings give one voice; name its file with -o OUT.voice")
    destination = default_output(sources[0], ".voice") if output is None else output
    as_talk = _require_output(destination, force=force, as_json=as_json)
    for source in sources if destination != STREAM else []:
        require_writable(destination, force=True, source=source)

    from siren_cli.voices.mixing import average, heard_s

    with working("listening", quiet=quiet):
        voices = _voices(model, device.value, threads, quiet=quiet)
        heard = [voices.hear(source) for source in sources]
    voice = average(heard)
    facts = {"inputs": sources, "heard_s": heard_s(heard), **_write(voices, voice, destination, force=force)}
    rows = [("heard", f"{facts['heard_s']:.1f} s of {len(heard)} recording{'s' * (len(heard) > 1)}")]
    _report(facts, [*rows, *_written_rows(facts)], as_json=as_json, as_talk=as_talk, quiet=quiet)


@voice_app.command()
def show(
    source: Annotated[str, typer.Argument(metavar="VOICE", help=f"A voice: {_WHOSE}; - for standard input.")],
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    model: ModelOption = None,
) -> None:
    """Tell what a voice says: its bits, its name, and which packaged voices it is like."""
    from siren_cli.voices.mixing import likeness

    voices = _voices(model, device.value, threads, quiet=quiet)
    voice = voices.find(source)
    if voice is None:
        raise UsageError("the default voice is part of the model and has no bits; name another voice")
    packaged = voices.packaged()
    facts: dict[str, Any] = {
        "voice": source,
        **_facts(voices, voice),
        "likeness": {name: likeness(voice, other, voices.fine) for name, other in packaged.items()},
    }
    digits = "".join(map(str, facts["digits"]))
    nearest = sorted(facts["likeness"].items(), key=lambda pair: -pair[1])[:_SHOWN_LIKE]
    rows = [
        ("voice", source),
        ("text", facts["text"]),
        ("name", facts["voice_id"]),
        ("model", facts["model_id"]),
        ("level", f"{facts['level_db']:.1f} dBFS"),
        ("digits", " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))),
        ("bits", _bits_text(facts)),
        *((f"like {name}", f"{value:.2f}") for name, value in nearest),
    ]
    if as_json:
        show_json(facts)
    else:
        show_rows(rows)


@voice_app.command("list")
def list_voices(as_json: JsonOption = False, model: ModelOption = None) -> None:
    """List the voices that come with the model."""
    from siren_cli.voices.library import packaged_notes

    voices = _voices(model, Device.CPU.value, None, quiet=True)
    notes = packaged_notes()
    found = []
    for name, voice in voices.packaged().items():
        known = notes.get(name, {})
        found.append({"voice": name, **_facts(voices, voice), **{key: known.get(key) for key in ("about", "pitch_hz")}})
    if not found:
        raise UsageError(f"model {voices.model_id.hex()} has no packaged voices; make one with 'siren voice extract'")
    if as_json:
        for facts in found:
            show_json(facts)
    else:
        rows: Rows = [(facts["voice"], f"{facts['voice_id']}  {facts['about'] or ''}".rstrip()) for facts in found]
        show_rows(rows)


@voice_app.command("blend")
def blend_voices(
    first: Annotated[str, typer.Argument(metavar="A", help=f"First voice: {_WHOSE}.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Second voice, likewise.")],
    mix: Annotated[float, typer.Option("--mix", metavar="0..1", help="How much of the second voice.")] = 0.5,
    output: VoiceOutput = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    model: ModelOption = None,
) -> None:
    """Write a voice between two."""
    if output is None:
        raise UsageError("blend makes a new voice; name its file with -o OUT.voice, or give -o -")
    as_talk = _require_output(output, force=force, as_json=as_json)

    from siren_cli.voices.mixing import blend, likeness

    voices = _voices(model, device.value, threads, quiet=quiet)
    pair = [voices.find(source) for source in (first, second)]
    if pair[0] is None or pair[1] is None:
        raise UsageError("the default voice is part of the model and cannot be blended; name two other voices")
    voice = blend(pair[0], pair[1], mix, voices.fine)
    like = [likeness(voice, one, voices.fine) for one in pair if one is not None]
    facts = {"inputs": [first, second], "mix": mix, "likeness": like, **_write(voices, voice, output, force=force)}
    rows = [(f"like {source}", f"{value:.2f}") for source, value in zip((first, second), like, strict=True)]
    _report(facts, [*rows, *_written_rows(facts)], as_json=as_json, as_talk=as_talk, quiet=quiet)


@voice_app.command()
def strip(
    source: Annotated[str, typer.Argument(metavar="IN.srn", help="File to take the voice out of, or -.")],
    output: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--output", "-o", metavar="OUT.srn", help="Where to write, - for standard output."),
    ] = None,
    voice_ref: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--voice-ref",
            metavar="VOICE",
            help="Name this voice instead (2 bytes): a .voice file, its text or a packaged voice's name.",
        ),
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    model: ModelOption = None,
) -> None:
    """Take the voice out of a .srn file: it will be heard in the default voice. Needs no torch."""
    from dataclasses import replace

    from siren_cli.srn.file import cost_rows, facts_of, voice_text
    from siren_cli.srn.rewrite import take_apart

    if output is None:
        raise UsageError("strip writes a file beside the one it reads; name it with -o OUT.srn, or give -o -")
    as_talk = is_report_talk([output], as_json=as_json)
    require_writable(output, force=force, source=source)
    file = take_apart(source, model)
    name = None if voice_ref is None else _voices_of(file.files, _no_codec, quiet=quiet).reference(voice_ref)
    stripped = file.put_together(replace(file.stream, voice=None, voice_id=name))
    write_bytes(output, stripped, force=force)

    facts = facts_of(stripped)
    if as_json:
        show_json({"input": source, "output": output, "input_bytes": file.facts["file_bytes"], **facts})
    elif not quiet:
        voice_row = ("voice", f"{voice_text(facts)}; was {voice_text(file.facts)}")
        show_rows([voice_row, *cost_rows(facts)], as_talk=as_talk)


def _voices(model: str | None, device: str, threads: int | None, *, quiet: bool) -> Voices:
    from siren_cli.registry.weights import find_model

    def codec() -> Codec:
        from siren_cli.codec import load_codec

        return load_codec(model, device=device, threads=threads)

    return _voices_of(find_model(model), codec, quiet=quiet)


def _voices_of(files: ModelFiles, codec: Callable[[], Codec], *, quiet: bool) -> Voices:
    from functools import lru_cache

    from siren_cli.voices.library import Voices

    return Voices(files, lru_cache(maxsize=1)(codec), lambda text: note(text, quiet=quiet))


def _no_codec() -> Codec:
    raise UsageError("strip listens to no recording; extract the voice first")


def _require_output(destination: str, *, force: bool, as_json: bool) -> bool:
    """Refuses an output that cannot be written; returns whether the report is talk. Text may go to a terminal."""
    as_talk = is_report_talk([destination], as_json=as_json)
    if destination != STREAM:
        require_writable(destination, force=force)
    return as_talk


def _write(voices: Voices, voice: bytes, destination: str, *, force: bool) -> dict[str, Any]:
    from siren_format.voice_file import VoiceFile

    file = VoiceFile(voices.model_id, voice)
    if destination == STREAM:
        show_line(file.to_text())
    else:
        write_bytes(destination, file.to_bytes(), force=force)
    return {"output": destination, "file_bytes": len(file.to_bytes()), **_facts(voices, voice)}


def _facts(voices: Voices, voice: bytes) -> dict[str, Any]:
    from siren_format.voice import voice_digits, voice_level_db
    from siren_format.voice_file import VoiceFile, voice_id

    return {
        "text": VoiceFile(voices.model_id, voice).to_text(),
        "voice_id": voice_id(voices.model_id, voice).hex(),
        "model_id": voices.model_id.hex(),
        "level_db": voice_level_db(voice),
        "digits": list(voice_digits(voice)),
        "coded_bits": voices.coded_bits(voice),
    }


def _bits_text(facts: dict[str, Any]) -> str:
    plain = "56 of timbre and 8 of level"
    return plain if facts["coded_bits"] is None else f"{plain}; {facts['coded_bits']:.1f} as the model codes them"


def _written_rows(facts: dict[str, Any]) -> Rows:
    return [("voice", f"{facts['output']}, {facts['file_bytes']} bytes, name {facts['voice_id']}"),
            ("text", facts["text"])]  # fmt: skip


def _report(facts: dict[str, Any], rows: Rows, *, as_json: bool, as_talk: bool, quiet: bool) -> None:
    if as_json:
        show_json(facts)
    elif not quiet:
        show_rows(rows, as_talk=as_talk)
