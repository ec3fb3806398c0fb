"""The packet profile, version 1 (``PACKET1.md``): self-contained pieces of a recording, for links that check."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siren_format.entropy import decode_payload, encode_indices
from siren_format.errors import BadPayload, NeedsPrior
from siren_format.limits import VOICE_BYTES
from siren_format.packet_head import PacketHead, PacketParts, parse_parts
from siren_format.packing import pack_indices, unpack_indices
from siren_format.prior import NeuralPrior


@dataclass(frozen=True, eq=False)
class Packet:
    """Content of one packet.

    Attributes:
        number: Number of the packet in its recording, modulo 32.
        is_last: Whether it is the recording's last.
        indices: Indices [F, Q] of 1 to 128 frames.
        voice: Voice field of 8 bytes; None if the packet carries none.
        recording: Id of the recording, 1 to 31; 0 if none is given.
        check_bytes: Bytes of the check, 0 to 2.
        copy: Indices [K, 1] of the first stage of the last frames of the packet before; None if there is no copy.
        is_copy_whole: Whether those are all frames of the packet before.
    """

    number: int
    is_last: bool
    indices: NDArray[np.int16]
    voice: bytes | None
    recording: int = 0
    check_bytes: int = 0
    copy: NDArray[np.int16] | None = None
    is_copy_whole: bool = False

    def head(self) -> PacketHead:
        """Describe the packet.

        Returns:
            Its fields.
        """
        frames, stages = self.indices.shape
        copied = 0 if self.copy is None else len(self.copy)
        return PacketHead(
            frames, stages, self.voice is not None, self.is_last, self.number, self.recording, self.check_bytes,
            copied, self.is_copy_whole,
        )  # fmt: skip

    def to_bytes(self, prior: NeuralPrior | None) -> bytes:
        """Write the packet.

        Args:
            prior: The model's neural prior; None if it has none.

        Returns:
            Its bytes.

        Raises:
            ValueError: There are no frames, more than 128, or not 1 or 2 stages; or an option is out of range.
        """
        head = self.head()
        copy = b"" if self.copy is None else _shorter(self.copy, None, prior)
        return head.to_bytes(_shorter(self.indices, self.voice, prior), copy)


def _shorter(indices: NDArray[np.int16], voice: bytes | None, prior: NeuralPrior | None) -> bytes:
    """Voice and payload, coded if that is shorter than packed; a prior codes the voice as well."""
    packed = (voice or b"") + pack_indices(indices)
    if prior is None:
        return packed
    coded = encode_indices(indices, prior, voice)
    return coded if len(coded) < len(packed) else packed


def parse_packet(data: bytes, prior: NeuralPrior | None) -> Packet:
    """Read a packet and refuse what no encoder writes.

    Args:
        data: Its bytes, no more and no less: the link says where it ends.
        prior: The model's neural prior; None if it has none.

    Returns:
        What it says.

    Raises:
        TruncatedFile: It ends within its fields.
        LimitExceeded: Its payload is longer than the packed form.
        ReservedBits: It has options that no encoder writes.
        CheckFailed: Its check does not match.
        NeedsPrior: Its payload is coded and there is nothing to decode it with.
        BadPayload: No encoder writes this payload.
    """
    parts = parse_parts(data)
    head = parts.head
    indices, voice = body_to_indices(parts, prior)
    copy = None
    if head.copied_frames:
        fields = PacketHead(head.copied_frames, 1, False, False, 0)
        copy, _ = body_to_indices(PacketParts(fields, parts.copy, b"", len(data) - len(parts.copy)), prior)
    packet = Packet(
        head.number, head.is_last, indices, voice, head.recording, head.check_bytes, copy, head.is_copy_whole
    )
    if packet.to_bytes(prior) != data:
        raise BadPayload(
            "the packet is packed although coding is shorter, or the reverse; it is damaged or for another model, "
            "have it sent again",
            offset=0,
            field="packet",
        )
    return packet


def body_to_indices(parts: PacketParts, prior: NeuralPrior | None) -> tuple[NDArray[np.int16], bytes | None]:
    """Read voice and payload of a packet.

    Args:
        parts: The packet, taken apart.
        prior: The model's neural prior; None if it has none.

    Returns:
        Indices [F, Q], and the voice field if there is one.

    Raises:
        NeedsPrior: The payload is coded and there is nothing to decode it with.
        BadPayload: No encoder writes this payload.
    """
    head, body, offset = parts.head, parts.body, parts.body_offset
    if parts.is_coded and prior is None:
        raise NeedsPrior(
            "the packet is coded or cut, the model has no prior; give the model it was made with",
            offset=0,
            field="packet",
        )
    if parts.is_coded and prior is not None:
        return decode_payload(body, head.frames, head.stages, prior, offset=offset, has_voice=head.has_voice)
    start = VOICE_BYTES * head.has_voice
    voice = body[:start] if head.has_voice else None
    indices = unpack_indices(body[start:], head.frames, head.stages, offset=offset + start)
    return indices, voice
