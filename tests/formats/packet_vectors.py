"""Packet files: recordings cut for the payloads of LoRaWAN and SMS, whole and with packets missing."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from siren_format.packet import Packet, parse_packet
from siren_format.packet_file import packets_to_file
from siren_format.packet_order import Gap, RecordingOrder
from siren_format.packet_split import split_into_packets
from siren_format.prior import NeuralPrior
from tests.formats.vector_material import (
    MODEL_ID,
    UNLIKELY_VOICE,
    likely_to_prior,
    likely_voice_to_prior,
    noise_indices,
)


def packet_vectors(prior: NeuralPrior) -> dict[str, tuple[bytes, dict[str, Any]]]:
    """Make the packet files.

    Args:
        prior: Neural prior of the vectors.

    Returns:
        By name, the file and what the manifest says of it.
    """
    voice = likely_voice_to_prior(prior)
    indices = likely_to_prior(prior, 70, 1, noise_every=2)
    both = likely_to_prior(prior, 12, 2, noise_every=2)
    example = split_into_packets(indices[:3], voice, prior, 51, voice_in_each=True)
    lorawan = split_into_packets(indices, voice, prior, 51, voice_in_each=True)
    files = {
        "worked-example": example,
        "lorawan-51": lorawan,
        "lorawan-51-second-missing": lorawan[:1] + lorawan[2:],
        "lorawan-51-last-missing": lorawan[:-1],
        "sms-140-voice-once": split_into_packets(np.tile(indices, (3, 1)), voice, prior, 140, voice_in_each=False),
        "both-stages-without-voice": split_into_packets(both, None, prior, 24, voice_in_each=True),
        "check-and-recording": split_into_packets(
            indices, voice, prior, 51, voice_in_each=True, recording=21, check_bytes=2
        ),
        "short-check": split_into_packets(indices[:20], voice, prior, 51, voice_in_each=True, check_bytes=1),
        "copies": split_into_packets(both, voice, prior, 40, voice_in_each=True, has_copies=True),
        "long": split_into_packets(
            likely_to_prior(prior, 120, 2, noise_every=1), None, prior, 500, voice_in_each=False
        ),
        "packed": split_into_packets(noise_indices(3, 20, 1), UNLIKELY_VOICE, prior, 60, voice_in_each=True),
    }
    return {name: (packets_to_file(packets, MODEL_ID), _facts(packets, prior)) for name, packets in files.items()}


def hostile_packets(prior: NeuralPrior) -> dict[str, tuple[bytes, str]]:
    """Make packets that every reader refuses, each alone in a packet file.

    Args:
        prior: Neural prior of the vectors.

    Returns:
        By name, the file and the name of the error.
    """
    indices = likely_to_prior(prior, 20, 1, noise_every=2)
    whole = Packet(0, True, indices, None, 21, 2).to_bytes(prior)
    short = Packet(0, True, indices, None, 0, 1).to_bytes(prior)
    copied = Packet(1, True, indices, None, copy=indices, is_copy_whole=True).to_bytes(prior)
    packets = {
        "check-of-2-wrong": (whole[:9] + bytes((whole[9] ^ 1,)) + whole[10:], "CheckFailed"),
        "check-of-1-wrong": (short[:9] + bytes((short[9] ^ 128,)) + short[10:], "CheckFailed"),
        "checked-packet-cut": (whole[:-1], "CheckFailed"),
        "options-empty": (whole[:2] + b"\0" + whole[5:], "ReservedBits"),
        "check-of-3-bytes": (whole[:2] + b"\3" + whole[3:], "ReservedBits"),
        "ends-before-its-copy": (copied[:5], "TruncatedFile"),
        "payload-longer-than-the-packet": (copied[:4] + b"\x19\0" + copied[6:12], "TruncatedFile"),
        "payload-longer-than-packed": (copied[:4] + b"\xff\1" + copied[6:], "LimitExceeded"),
        "packed-without-need": (Packet(0, True, likely_to_prior(prior, 9, 1, noise_every=9), None).to_bytes(None),
                                "BadPayload"),
    }  # fmt: skip
    return {name: (packets_to_file([data], MODEL_ID), error) for name, (data, error) in packets.items()}


def _facts(packets: list[bytes], prior: NeuralPrior) -> dict[str, Any]:
    parsed = [parse_packet(packet, prior) for packet in packets]
    order: RecordingOrder[Packet] = RecordingOrder(0)
    for packet, data in zip(parsed, packets, strict=True):
        order.take(packet, data)
    missing = [[item.first_number, item.packets] for item in order.in_order() if isinstance(item, Gap)]
    return {
        "packet_bytes": [len(packet) for packet in packets],
        "numbers": [packet.number for packet in parsed],
        "frames": [len(packet.indices) for packet in parsed],
        "voices": [None if packet.voice is None else packet.voice.hex() for packet in parsed],
        "missing": missing,
        "indices_sha256": hashlib.sha256(
            np.concatenate([packet.indices for packet in parsed]).astype("<u2").tobytes()
        ).hexdigest(),
    }
