"""Packets in files: one a file in a folder, or all in one `.srp`, and what they say of themselves. No torch, no NumPy.

What a packet says can be read without its model; whether it is sound cannot.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from siren_cli.config import FRAME_SAMPLES, SAMPLE_RATE_HZ
from siren_cli.errors import OutputExists, OutputUnwritable, SrnUnreadable, UsageError
from siren_cli.files.streams import STREAM, read_bytes, reason_of
from siren_cli.packets.texts import LEAST_PACKET_BYTES, is_text, require_texts, text_to_packets
from siren_cli.registry.manifest import model_release_of
from siren_cli.terminal.console import Rows
from siren_format.errors import FormatError
from siren_format.limits import MAGIC_BYTE
from siren_format.packet_file import MAX_PACKETS, PACKET_FILE_MAGIC, PACKET_SUFFIX, file_to_packets
from siren_format.packet_head import MAX_PACKET_BYTES, PacketHead, parse_parts
from siren_format.packet_order import Gap, PacketOrder, Taken

_MOST_LINES = 40
_MOST_TEXT_BYTES = 2**24


def is_packets(source: str, data: bytes) -> bool:
    """Tells if a source holds packets rather than a `.srn` file.

    Args:
        source: Path, or `-`.
        data: What it holds; nothing if it is a folder.

    Returns:
        True for a folder; for a `.srp` by its first bytes; for a single packet by the suffix of its name, or on
        standard input by its length; and for a text with packets in it.
    """
    if not data:
        return os.path.isdir(source)
    if data.startswith(PACKET_FILE_MAGIC) or source.endswith(PACKET_SUFFIX):
        return True
    if data[0] == MAGIC_BYTE:
        return False
    if len(data) <= _MOST_TEXT_BYTES and text_to_packets(data, None) is not None:
        return True
    return source == STREAM and LEAST_PACKET_BYTES <= len(data) <= MAX_PACKET_BYTES and not is_text(data)


def read_packets(source: str, data: bytes, kind: str | None = None) -> tuple[bytes | None, list[bytes]]:
    """Takes packets out of what `is_packets` said holds some.

    Args:
        source: Path, or `-`.
        data: What it holds; nothing if it is a folder.
        kind: `hex` or `base64` if the user says that it is a text; None to find out.

    Returns:
        The model id if the source names one, and the packets.

    Raises:
        SrnUnreadable: If a folder or a text holds no packets, or one cannot be read or is longer than a packet can be.
        FormatError: If a `.srp` is damaged.
    """
    if not data and kind is None:
        return None, _read_folder(source)
    if kind is None and (data.startswith(PACKET_FILE_MAGIC) or source.endswith(PACKET_SUFFIX)):
        return file_to_packets(data) if data.startswith(PACKET_FILE_MAGIC) else (None, [data])
    texts = text_to_packets(data, None) if kind is None else require_texts(source, data, kind)
    if texts is None:
        return None, [data]
    if texts[0].startswith(PACKET_FILE_MAGIC):
        return file_to_packets(texts[0])
    if len(texts) > MAX_PACKETS or max(map(len, texts)) > MAX_PACKET_BYTES:
        raise SrnUnreadable(
            f"{source}: {len(texts)} packets of up to {max(map(len, texts))} bytes, expected up to {MAX_PACKETS} of "
            f"{MAX_PACKET_BYTES}; copy one packet a line"
        )
    return None, texts


def by_number(name: str) -> list[tuple[int, int, str]]:
    """Key that sorts names as people do, numbers in them by their value: p9 comes before p10.

    Args:
        name: Name of a file.

    Returns:
        The key.
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def _read_folder(folder: str) -> list[bytes]:
    """The files of a folder in the order of their names; hidden ones are left out."""
    try:
        names = sorted((name for name in os.listdir(folder) if not name.startswith(".")), key=by_number)
    except OSError as error:
        raise SrnUnreadable(f"{folder}: cannot be read ({reason_of(error)}); check its permissions") from error
    if not 1 <= len(names) <= MAX_PACKETS:
        raise SrnUnreadable(f"{folder}: {len(names)} files, expected 1..{MAX_PACKETS} packets; name another folder")
    if any(name.endswith((".srn", ".srp")) for name in names):
        raise SrnUnreadable(f"{folder}: is a folder of .srn files, expected packets; give --recursive to list it")
    for path in (os.path.join(folder, name) for name in names):
        if os.path.isdir(path) or os.path.isfile(path) and os.path.getsize(path) > MAX_PACKET_BYTES:
            raise SrnUnreadable(f"{folder}: holds no .srn file, and {path} is no packet; name a folder of either")
    return [read_bytes(os.path.join(folder, name), SrnUnreadable, limit_bytes=MAX_PACKET_BYTES) for name in names]


def destinations_of(destination: str, count: int) -> list[str]:
    """Names an output for each of several recordings that arrived together.

    Args:
        destination: Path of the first, or `-`.
        count: How many there are.

    Returns:
        Paths; those after the first with -2, -3 and so on before the suffix.

    Raises:
        UsageError: If several are to go to standard output.
    """
    if count > 1 and destination == STREAM:
        raise UsageError(f"{count} recordings arrived, standard output holds one; give -o PATH")
    stem, suffix = os.path.splitext(destination)
    return [destination, *(f"{stem}-{number}{suffix}" for number in range(2, count + 1))]


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


def packet_file_facts(source: str, data: bytes, kind: str | None = None) -> dict[str, Any]:
    """Reads the facts that packets state, without a model.

    Args:
        source: Path, or `-`.
        data: What it holds; nothing if it is a folder.
        kind: `hex` or `base64` if the user says that it is a text; None to find out.

    Returns:
        Plain values by name, units in the names.

    Raises:
        SrnUnreadable: If they cannot be read.
        FormatError: If a `.srp` is damaged.
    """
    model_id, packets = read_packets(source, data, kind)
    parts, order, refused = [], PacketOrder[PacketHead](), []
    for number, packet in enumerate(packets):
        try:
            own = parse_parts(packet)
        except FormatError as error:
            refused.append(f"packet {number}: {error}")
            continue
        if order.take(own.head, packet) is Taken.NEW:
            parts.append((own, len(packet)))
    if not parts:
        raise SrnUnreadable(f"{source}: {refused[0]}")
    frames = sum(own.head.frames for own, _ in parts)
    duration_s = frames * FRAME_SAMPLES / SAMPLE_RATE_HZ
    packaged = None if model_id is None else model_release_of(model_id)
    # A single packet out of its recording says nothing about the others.
    gaps = [gap for own in order.recordings for gap in own.in_order() if isinstance(gap, Gap)]
    return {
        "packet_count": len(packets),
        "packet_bytes": [size for _, size in parts],
        "duration_s": duration_s,
        "frames": frames,
        "stages": max(own.head.stages for own, _ in parts),
        "recordings": [own.recording for own in order.recordings],
        "repeated": order.repeated,
        "refused": refused,
        "with_voice": sum(own.head.has_voice for own, _ in parts),
        "coded": sum(own.is_coded for own, _ in parts),
        "missing": [[gap.first_number, gap.packets] for gap in gaps] if len(packets) > 1 else [],
        "model_id": None if model_id is None else model_id.hex(),
        "model_name": None if packaged is None else packaged[0],
        "packet_bps": 8 * sum(size for _, size in parts) / duration_s,
        "each": [
            {"number": own.head.number, "frames": own.head.frames, "has_voice": own.head.has_voice,
             "is_coded": own.is_coded, "is_last": own.head.is_last, "recording": own.head.recording,
             "check_bytes": own.head.check_bytes, "copied_frames": own.head.copied_frames, "bytes": size}
            for own, size in parts
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
    if facts["repeated"]:
        rows.append(("repeated", f"{facts['repeated']}"))
    if len(facts["recordings"]) > 1:
        rows.append(("recordings", ", ".join(str(own) for own in facts["recordings"])))
    rows += [("refused", text) for text in facts["refused"]]
    for packet in facts["each"][:_MOST_LINES]:
        said = [f"{packet['frames']} frames", "coded" if packet["is_coded"] else "packed"]
        said += ["voice"] * packet["has_voice"] + ["the last"] * packet["is_last"]
        said += [f"check of {packet['check_bytes']} bytes"] * bool(packet["check_bytes"])
        said += [f"copy of {packet['copied_frames']} frames"] * bool(packet["copied_frames"])
        said += [f"recording {packet['recording']}"] * bool(packet["recording"])
        rows.append((f"number {packet['number']}", f"{packet['bytes']} bytes: {', '.join(said)}"))
    left_out = len(sizes) - _MOST_LINES
    return [*rows, ("and", f"{left_out} more")] if left_out > 0 else rows


def refuse_bits(source: str) -> UsageError:
    """The error for `siren info --bits` and `--packets` of packets."""
    return UsageError(f"{source}: holds packets, --bits and --packets are about .srn files; leave them out")
