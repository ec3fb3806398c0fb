"""Cost of a coded recording as packets: bytes and time on air for the payloads of common links. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from siren_cli.registry.manifest import model_for
from siren_cli.registry.weights import find_model, read_prior
from siren_cli.terminal.console import Rows
from siren_format.header import parse_header
from siren_format.packet_split import split_into_packets
from siren_format.stream import bytes_to_stream

LINKS = (
    ("LoRaWAN at its slowest", 51),
    ("88 bytes", 88),
    ("SMS", 140),
    ("MeshCore", 184),
    ("Meshtastic", 233),
    ("Reticulum", 500),
)
"""Links and the bytes that one of their packets carries."""

LORA_MOST_BYTES = 255


@dataclass(frozen=True)
class LoraSetting:
    """Setting of a LoRa modem; coding rate 4/5, explicit header, CRC, as is common.

    Attributes:
        spreading_factor: 7 to 12.
        bandwidth_hz: Bandwidth.
        preamble_symbols: Symbols of the preamble, but for the 4.25 that every modem adds.
    """

    spreading_factor: int
    bandwidth_hz: int
    preamble_symbols: int = 8

    @property
    def name(self) -> str:
        """Name for a person."""
        return f"SF{self.spreading_factor} {self.bandwidth_hz // 1000} kHz"

    def airtime_s(self, payload_bytes: int) -> float:
        """Computes the time on air by the formula of Semtech (AN1200.13, section 4).

        Args:
            payload_bytes: Bytes that the modem sends, the headers of the link included; up to 255.

        Returns:
            Seconds.
        """
        symbol_s = 2**self.spreading_factor / self.bandwidth_hz
        is_slow = symbol_s >= 0.016  # the modem then sends two bits less a symbol
        bits = 8 * payload_bytes - 4 * self.spreading_factor + 28 + 16
        blocks = max(0, math.ceil(bits / (4 * (self.spreading_factor - 2 * is_slow))))
        return (self.preamble_symbols + 4.25 + 8 + 5 * blocks) * symbol_s


LORA_SETTINGS = (LoraSetting(7, 125_000), LoraSetting(9, 125_000), LoraSetting(12, 125_000), LoraSetting(11, 250_000))


def packet_cost_facts(data: bytes, model: str | None) -> list[dict[str, Any]]:
    """Cuts a file's indices into packets for every link.

    Args:
        data: A `.srn` file.
        model: Name or path given with `--model`; None for the packaged model that the file names.

    Returns:
        For every link and number of stages: names, packets, bytes, and seconds on air by setting; None for packets
        that are longer than a LoRa modem sends. Headers of the link are not in it.

    Raises:
        FormatError: If the file is damaged or needs another model.
        WeightsMissing: If the model is not there.
    """
    files = find_model(model_for(parse_header(data)[0].model_id.hex(), model))
    prior = read_prior(files.weights_path)
    stream = bytes_to_stream(data, files.model_id, prior)
    found = []
    for link, most_bytes in LINKS:
        for stages in range(1, stream.indices.shape[1] + 1):
            packets = split_into_packets(
                stream.indices[:, :stages], stream.voice, prior, most_bytes, voice_in_each=True
            )
            sizes = [len(packet) for packet in packets]
            is_lora = max(sizes) <= LORA_MOST_BYTES
            airtime_s = {own.name: sum(map(own.airtime_s, sizes)) if is_lora else None for own in LORA_SETTINGS}
            found.append(
                {"link": link, "most_bytes": most_bytes, "stages": stages, "packets": len(sizes),
                 "bytes": sum(sizes), "airtime_s": airtime_s}
            )  # fmt: skip
    return found


def packet_cost_rows(facts: list[dict[str, Any]]) -> Rows:
    """Formats the same for a person.

    Args:
        facts: Facts of `packet_cost_facts`.

    Returns:
        Names and values, in the order to print them.
    """
    rows = []
    for fact in facts:
        times = [f"{name} {time_s:.1f} s" for name, time_s in fact["airtime_s"].items() if time_s is not None]
        stages = "1 stage" if fact["stages"] == 1 else "2 stages"
        name = f"{fact['link']}, {fact['most_bytes']}" if str(fact["most_bytes"]) not in fact["link"] else fact["link"]
        plural = "" if fact["packets"] == 1 else "s"
        said = [f"{stages}: {fact['packets']} packet{plural}, {fact['bytes']} bytes", *times]
        rows.append((name, "; ".join(said)))
    return rows
