"""Recordings as packets for radio links: what `siren encode --profile packet` writes (formats/PACKET1.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from siren_cli.errors import UsageError
from siren_cli.streaming.rate_control import fitted
from siren_cli.terminal.console import Rows
from siren_format.packet_file import MAX_PACKETS
from siren_format.packet_split import MAX_MAX_BYTES, MIN_MAX_BYTES, split_into_packets

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from siren_cli.codec import Codec
    from siren_cli.coded import Coded

AUTO_STAGES = 0
"""For as many stages as fit."""
VOICE_CHOICES = ("each", "once", "none")


@dataclass(frozen=True)
class PacketOptions:
    """Options of packets: voice, check, id, copies.

    Attributes:
        voice: `each` packet carries the voice, the first `once`, or `none`.
        check_bytes: Bytes of the check, 0 to 2.
        recording: Id of the recording, 1 to 31; 0 for none.
        has_copies: Whether each packet carries the first stage of the one before it.
    """

    voice: str = "each"
    check_bytes: int = 0
    recording: int = 0
    has_copies: bool = False


def encode_packets(
    codec: Codec,
    wav: ArrayLike,
    sample_rate_hz: int,
    *,
    stages: int,
    max_bytes: int,
    voice: str,
    max_packets: int | None = None,
    options: PacketOptions | None = None,
) -> list[bytes]:
    """Encodes a recording as packets.

    Args:
        codec: The model.
        wav: Samples [T] or [T, C], full scale at 1.
        sample_rate_hz: Their rate.
        stages: 1 or 2; 0 for two if they fit into as many packets as one stage, or else one.
        max_bytes: Largest packet, 16..500 bytes.
        voice: `each` packet carries the voice, the first `once`, or `none`.
        max_packets: How many packets it must fit into, as faithfully as it can be; None for as many as it takes.
        options: What they carry beside the recording, but for the voice; nothing if None.

    Returns:
        The packets.

    Raises:
        UsageError: If a setting is out of range, or the recording needs too many packets.
        AudioEmpty: If there are no samples.
        AudioInvalid: If a sample is not finite or the shape is neither [T] nor [T, C].
    """
    if not MIN_MAX_BYTES <= max_bytes <= MAX_MAX_BYTES:
        raise UsageError(f"--max-bytes is {max_bytes}, expected {MIN_MAX_BYTES}..{MAX_MAX_BYTES}; give one of them")
    if voice not in VOICE_CHOICES:
        raise UsageError(f"--voice is {voice!r}, expected {', '.join(VOICE_CHOICES)}; give one of them")
    own = replace(options or PacketOptions(), voice=voice)

    def encode(codec: Codec, count: int) -> list[bytes]:
        coded = codec.encode(wav, sample_rate_hz, stages=count)
        return split(codec, coded, max_bytes, own)

    def fit(count: int) -> list[bytes]:
        if max_packets is None:
            return encode(codec, count)
        return fitted(codec, lambda thrifty: encode(thrifty, count), len, max_packets, "packets")

    if stages == AUTO_STAGES:
        packets = fit(1)
        if codec.stages > 1 and len(both := encode(codec, 2)) <= (max_packets or len(packets)):
            packets = both
    else:
        packets = fit(stages)
    if len(packets) > MAX_PACKETS:
        raise UsageError(f"the recording needs {len(packets)} packets, expected at most {MAX_PACKETS}; split it")
    return packets


def split(codec: Codec, coded: Coded, max_bytes: int, options: PacketOptions) -> list[bytes]:
    """Cuts an encoded recording into packets.

    Args:
        codec: The model.
        coded: The recording.
        max_bytes: Largest packet, 16..500 bytes.
        options: What packets carry.

    Returns:
        The packets.
    """
    return split_into_packets(
        coded.indices, None if options.voice == "none" else coded.voice, codec.packet_source, max_bytes,
        voice_in_each=options.voice == "each", recording=options.recording, check_bytes=options.check_bytes,
        has_copies=options.has_copies,
    )  # fmt: skip


def packet_facts(packets: Sequence[bytes], duration_s: float) -> dict[str, Any]:
    """Counts the cost of packets.

    Args:
        packets: The packets.
        duration_s: Duration of the recording, s.

    Returns:
        Plain values by name; the packets themselves in hexadecimal.
    """
    packet_bytes = [len(packet) for packet in packets]
    return {
        "duration_s": duration_s,
        "packet_count": len(packets),
        "packet_bytes": packet_bytes,
        "packet_bps": 8 * sum(packet_bytes) / duration_s,
        "packets": [packet.hex() for packet in packets],
    }


def packet_rows(facts: dict[str, Any]) -> Rows:
    """Formats the cost of packets for a person.

    Args:
        facts: What `packet_facts` returned.

    Returns:
        Names and values, in the order to print them.
    """
    sizes = facts["packet_bytes"]
    return [
        ("packets", f"{len(sizes)}, the largest of {max(sizes)} bytes, {sum(sizes)} bytes in all"),
        ("packet bps", f"{facts['packet_bps']:.1f}"),
    ]
