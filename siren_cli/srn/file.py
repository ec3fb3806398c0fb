"""What the commands say about a `.srn` file: its facts, its cost, why it is refused. No torch, no NumPy."""

from __future__ import annotations

from typing import Any

from siren_cli.errors import SirenError, SrnUnreadable, WeightsMissing
from siren_cli.files.streams import read_bytes
from siren_cli.registry.manifest import model_release_of
from siren_cli.terminal.console import Rows
from siren_format.errors import FormatError, OtherModel
from siren_format.header import Header
from siren_format.layout import parse_layout
from siren_format.limits import FRAME_SAMPLES, SAMPLE_RATE_HZ, VERSION
from siren_format.voice import voice_level_db

_FRAME_MS = 1_000 * FRAME_SAMPLES // SAMPLE_RATE_HZ

# 20,000 groups of 1,032 bytes are the most that version 1 allows; more is not worth reading into memory.
MAX_FILE_BYTES = 32 * 2**20


def read_srn(source: str) -> bytes:
    """Reads a `.srn` file, or standard input, without looking into it.

    Args:
        source: Path, or `-`.

    Returns:
        The bytes.

    Raises:
        SrnUnreadable: If there is no such file or it cannot be read.
        UsageError: If the source is standard input and that is a terminal.
    """
    return read_bytes(source, SrnUnreadable, limit_bytes=MAX_FILE_BYTES)


def facts_of(data: bytes) -> dict[str, Any]:
    """Everything that a file says of itself, and what it costs.

    Args:
        data: The file.

    Returns:
        Plain values by name, units in the names; `siren info --json` prints them as they are.

    Raises:
        FormatError: If the file is not a readable `.srn`.
        WeightsDamaged: If the list of packaged models cannot be read.
    """
    layout = parse_layout(data)
    said = header_facts(layout.header)
    return {
        "format_version": said.pop("format_version"),
        "duration_s": layout.duration_s,
        "sample_count": layout.sample_count,
        "frames": layout.frames,
        "groups": len(layout.records),
        "stages": said.pop("stages"),
        "coder": "+".join(sorted({record.coder.name.lower() for record in layout.records})),
        **said,
        "header_bytes": layout.header_bytes,
        "voice_bytes": layout.voice_bytes,
        "payload_bytes": layout.payload_bytes,
        "check_bytes": layout.check_bytes,
        "file_bytes": layout.file_bytes,
        "payload_bps": layout.payload_bps,
        "file_bps": layout.file_bps,
    }


def header_facts(header: Header) -> dict[str, Any]:
    """What the header of a file says.

    Args:
        header: The header.

    Returns:
        Plain values by name, units in the names: the part of `facts_of` that the header knows.

    Raises:
        WeightsDamaged: If the list of packaged models cannot be read.
    """
    packaged = model_release_of(header.model_id)
    name, release = (None, None) if packaged is None else packaged
    return {
        "format_version": VERSION,
        "stages": header.stages,
        "voice": _voice_kind(header),
        "voice_level_db": None if header.voice is None else voice_level_db(header.voice),
        "voice_id": None if header.voice_id is None else header.voice_id.hex(),
        "model_id": header.model_id.hex(),
        "model_name": name,
        "model_release": release,
        "source_rate_hz": header.source_rate_hz,
    }


def rows_of(facts: dict[str, Any]) -> Rows:
    """The facts for a person.

    Args:
        facts: What `facts_of` returned.

    Returns:
        Names and values, in the order to print them.
    """
    model = "not in this installation"
    if facts["model_name"] is not None:
        model = f"{facts['model_name']}, release {facts['model_release']}"
    return [
        ("duration", f"{facts['duration_s']:.3f} s, {facts['frames']} frames of {_FRAME_MS} ms"),
        ("stages", f"{facts['stages']}"),
        ("coder", f"{facts['coder']}"),
        ("voice", voice_text(facts)),
        ("model", f"{facts['model_id']} ({model})"),
        ("source rate", f"{facts['source_rate_hz']} Hz"),
        *cost_rows(facts),
    ]


def cost_rows(facts: dict[str, Any]) -> Rows:
    """What the file costs, for a person.

    Args:
        facts: What `facts_of` returned.

    Returns:
        Names and values, in the order to print them.
    """
    parts = ", ".join(f"{part} {facts[f'{part}_bytes']}" for part in ("header", "voice", "payload", "check"))
    return [
        ("bytes", f"{facts['file_bytes']}: {parts}"),
        ("payload bps", f"{facts['payload_bps']:.1f}"),
        ("file bps", f"{facts['file_bps']:.1f}"),
    ]


def voice_text(facts: dict[str, Any]) -> str:
    """The voice in words.

    Args:
        facts: What `facts_of` returned.

    Returns:
        Where the voice comes from, and the level of the recording if the file says it.
    """
    if facts["voice"] == "none":
        return "none (default voice)"
    if facts["voice"] == "coded":
        return "coded with the payload"
    if facts["voice"] == "named":
        return f"named {facts['voice_id']}, not in the file"
    return f"inline, level {facts['voice_level_db']:.1f} dBFS"


def _voice_kind(header: Header) -> str:
    if header.voice_id is not None:
        return "named"
    return "inline" if header.voice is not None else "coded" if header.has_coded_voice else "none"


def refusal(source: str, error: FormatError) -> SirenError:
    """The error to end a command with when a file is refused.

    Args:
        source: Path of the file, or `-`.
        error: Why it is refused.

    Returns:
        `WeightsMissing` if the file needs another model, else `SrnUnreadable`; the message names the file.
    """
    if not isinstance(error, OtherModel):
        return SrnUnreadable(f"{source}: {error}")
    packaged = model_release_of(error.found)
    if packaged is None:
        where = "not in this installation; give its folder with --model or install the release that has it"
    else:
        where = f"{packaged[0]} of release {packaged[1]}, give --model {packaged[0]}"
    return WeightsMissing(
        f"{source}: needs model {error.found.hex()}, the weights at hand are model {error.expected.hex()}; "
        f"{error.found.hex()} is {where}"
    )
