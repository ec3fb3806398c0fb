"""Packets in files: one a file in a folder, or all in one `.srp`, and what they say of themselves. No torch, no NumPy.

What a packet says can be read without its model; whether it is sound cannot.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from siren_cli.config import FRAME_SAMPLES, SAMPLE_RATE_HZ
from siren_cli.errors import OutputExists, OutputUnwritable, SrnUnreadable, UsageError
from siren_cli.files.streams import read_bytes, reason_of
from siren_cli.registry.manifest import model_release_of
from siren_cli.terminal.console import Rows
from siren_format.errors import FormatError
from siren_format.packet_file import MAX_PACKETS, PACKET_FILE_MAGIC, PACKET_SUFFIX, file_to_packets
from siren_format.packet_head import Gap, PacketHead, in_order, parse_head

_MAX_PACKET_BYTES = 255
_MOST_LINES = 40


def is_packets(source: str, data: bytes) -> bool:
    """Whether a source holds packets rather than a `.srn` file.

    Args:
        source: Path, or `-`.
        data: What it holds; nothing if it is a folder.

    Returns:
        True for a folder, for a `.srp` by its first bytes, and for a single packet by the suffix of its name.
    """
    if not data:
        return os.path.isdir(source)
    return data.startswith(PACKET_FILE_MAGIC) or source.endswith(PACKET_SUFFIX)


def read_packets(source: str, data: bytes) -> tuple[bytes | None, list[bytes]]:
    """Takes packets out of what `is_packets` said holds some.

    Args:
        source: Path, or `-`.
        data: What it holds; nothing if it is a folder.

    Returns:
        The model id if the source names one, and the packets.

    Raises:
        SrnUnreadable: If a folder holds no packets, or one cannot be read or is longer than a packet can be.
        FormatError: If a `.srp` is damaged.
    """
    if not data:
        return None, _read_folder(source)
    if data.startswith(PACKET_FILE_MAGIC):
        return file_to_packets(data)
    return None, [data]


def _read_folder(folder: str) -> list[bytes]:
    """The files of a folder in the order of their names; hidden ones are left out."""
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise SrnUnreadable(f"{folder}: cannot be read ({reason_of(error)}); check its permissions") from error
    if not 1 <= len(names) <= MAX_PACKETS:
        raise SrnUnreadable(f"{folder}: {len(names)} files, expected 1..{MAX_PACKETS} packets; name another folder")
    if any(name.endswith((".srn", ".srp")) for name in names):
        raise SrnUnreadable(f"{folder}: is a folder of .srn files, expected packets; give --recursive to list it")
    for path in (os.path.join(folder, name) for name in names):
        if os.path.isdir(path) or os.path.isfile(path) and os.path.getsize(path) > _MAX_PACKET_BYTES:
            raise SrnUnreadable(f"{folder}: holds no .srn file, and {path} is no packet; name a folder of either")
    return [read_bytes(os.path.join(folder, name), SrnUnreadable, limit_bytes=_MAX_PACKET_BYTES) for name in names]


def require_packet_folder(folder: str, *, force: bool) -> None:
    """Refuses, before any work is done, a folder that packets could not or must not be written to.

    Args:
        folder: Path.
        force: Whether packets that are there may be replaced.

    Raises:
        OutputExists: If it holds packets and `force` is false.
        OutputUnwritable: If it holds anything else, is a file, or lies in a folder that is missing or closed to us.
    """
    target = os.path.realpath(folder)
    parent = os.path.dirname(target)
    if os.path.lexists(target) and not os.path.isdir(target):
        raise OutputUnwritable(f"{folder}: is a file, expected a folder for packets; name another")
    if not os.path.isdir(parent) or not os.access(parent, os.W_OK | os.X_OK):
        raise OutputUnwritable(f"{folder}: the folder {parent} is missing or not writable; make it or write elsewhere")
    names = sorted(os.listdir(target)) if os.path.isdir(target) else []
    others = [name for name in names if not name.endswith(PACKET_SUFFIX)]
    if others:
        raise OutputUnwritable(f"{folder}: holds {others[0]}, expected nothing but packets; name another folder")
    if names and not force:
        raise OutputExists(f"{folder}: holds {len(names)} packets already; give --force to replace them")


def write_packet_folder(folder: str, packets: Sequence[bytes], *, force: bool) -> None:
    """Writes every packet as a file of its own, `0000.pkt` and on.

    A new folder appears as a whole or not at all; in one that is there the packets that it held go first.

    Args:
        folder: Path; packets that are there are replaced with `force`.
        packets: The packets.
        force: Whether they may be replaced.

    Raises:
        OutputExists: If it holds packets and `force` is false.
        OutputUnwritable: If it cannot be written.
    """
    require_packet_folder(folder, force=force)
    target = os.path.realpath(folder)
    temporary = os.path.join(os.path.dirname(target), f".siren-{os.urandom(6).hex()}.tmp")
    try:
        try:
            os.mkdir(temporary)
            for number, packet in enumerate(packets):
                with open(os.path.join(temporary, f"{number:04}{PACKET_SUFFIX}"), "xb") as file:
                    file.write(packet)
            if os.path.isdir(target):
                _empty(target)
                for name in sorted(os.listdir(temporary)):
                    os.replace(os.path.join(temporary, name), os.path.join(target, name))
            else:
                os.rename(temporary, target)
        finally:  # an interruption, too, must leave no temporary folder
            if os.path.isdir(temporary):
                _empty(temporary)
                os.rmdir(temporary)
    except OSError as error:
        raise OutputUnwritable(f"{folder}: cannot be written ({reason_of(error)}); write elsewhere") from error


def _empty(folder: str) -> None:
    """Removes the packets of a folder."""
    for name in os.listdir(folder):
        os.remove(os.path.join(folder, name))


def packet_file_facts(source: str, data: bytes) -> dict[str, Any]:
    """What packets say of themselves, read without a model.

    Args:
        source: Path, or `-`.
        data: What it holds; nothing if it is a folder.

    Returns:
        Plain values by name, units in the names.

    Raises:
        SrnUnreadable: If they cannot be read.
        FormatError: If a `.srp` or a packet in it is damaged.
    """
    model_id, packets = read_packets(source, data)
    heads = [_head(source, number, packet) for number, packet in enumerate(packets)]
    duration_s = sum(head.frames for head in heads) * FRAME_SAMPLES / SAMPLE_RATE_HZ
    packaged = None if model_id is None else model_release_of(model_id)
    # A single packet out of its recording says nothing about the others.
    in_recording = in_order(heads) if len(heads) > 1 else ()
    return {
        "packet_count": len(packets),
        "packet_bytes": [len(packet) for packet in packets],
        "duration_s": duration_s,
        "frames": sum(head.frames for head in heads),
        "stages": max(head.stages for head in heads),
        "with_voice": sum(head.has_voice for head in heads),
        "coded": sum(head.is_coded for head in heads),
        "missing": [[gap.first_number, gap.packets] for gap in in_recording if isinstance(gap, Gap)],
        "model_id": None if model_id is None else model_id.hex(),
        "model_name": None if packaged is None else packaged[0],
        "packet_bps": 8 * sum(map(len, packets)) / duration_s,
        "each": [
            {"number": head.number, "frames": head.frames, "has_voice": head.has_voice, "is_coded": head.is_coded,
             "is_last": head.is_last, "bytes": len(packet)}
            for head, packet in zip(heads, packets, strict=True)
        ],
    }  # fmt: skip


def packet_file_rows(facts: dict[str, Any]) -> Rows:
    """The facts for a person.

    Args:
        facts: What `packet_file_facts` returned.

    Returns:
        Names and values, in the order to print them; one line for each of the first packets.
    """
    sizes = facts["packet_bytes"]
    model = "not named: sender and receiver agree on it"
    if facts["model_id"] is not None:
        model = f"{facts['model_id']} ({facts['model_name'] or 'not in this installation'})"
    missing = ", ".join(f"{count} from number {first}" for first, count in facts["missing"])
    rows = [
        ("duration", f"{facts['duration_s']:.3f} s, {facts['frames']} frames"),
        ("stages", f"{facts['stages']}"),
        ("packets", f"{len(sizes)}, the largest of {max(sizes)} bytes, {sum(sizes)} bytes in all"),
        ("packet bps", f"{facts['packet_bps']:.1f}"),
        ("model", model),
        ("missing", missing or "none"),
    ]
    for packet in facts["each"][:_MOST_LINES]:
        said = [f"{packet['frames']} frames", "coded" if packet["is_coded"] else "packed"]
        said += ["voice"] * packet["has_voice"] + ["the last"] * packet["is_last"]
        rows.append((f"number {packet['number']}", f"{packet['bytes']} bytes: {', '.join(said)}"))
    left_out = len(sizes) - _MOST_LINES
    return [*rows, ("and", f"{left_out} more")] if left_out > 0 else rows


def refuse_bits(source: str) -> UsageError:
    """The error for `siren info --bits` of packets."""
    return UsageError(f"{source}: holds packets, --bits is about .srn files; leave it out")


def _head(source: str, number: int, packet: bytes) -> PacketHead:
    try:
        return parse_head(packet)
    except FormatError as error:
        raise SrnUnreadable(f"{source}: packet {number}: {error}") from error
