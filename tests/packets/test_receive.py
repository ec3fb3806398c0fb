"""Packets through channels that lose, repeat, swap, cut and flip: what a receiver makes of them."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from siren_cli.packets.receive import Piece, Reception, receive
from siren_format.errors import FormatError
from siren_format.packet_split import split_into_packets
from tests.formats.vector_material import likely_to_prior, likely_voice_to_prior, vector_prior

PRIOR = vector_prior()
VOICE = likely_voice_to_prior(PRIOR)
FRAMES = 120
INDICES = likely_to_prior(PRIOR, FRAMES, 1, noise_every=3)


def sent(check_bytes: int = 0, *, has_copies: bool = False, recording: int = 0) -> list[bytes]:
    return split_into_packets(
        INDICES, VOICE, PRIOR, 36, voice_in_each=True, check_bytes=check_bytes, has_copies=has_copies,
        recording=recording,
    )  # fmt: skip


def frames_of(pieces: list[Piece]) -> int:
    return sum(piece.frames for piece in pieces)


def test_every_order_of_six_packets_is_the_whole_talk() -> None:
    six = split_into_packets(INDICES[:36], VOICE, PRIOR, 16, voice_in_each=True)[:6]
    talk = frames_of(receive(six, PRIOR).recordings[0].pieces)
    found = {frames_of(receive(order, PRIOR).recordings[0].pieces) for order in list(permutations(six))[::24]}
    assert found == {talk}


@pytest.mark.parametrize("check_bytes", [0, 2])
def test_what_a_channel_loses_is_said(check_bytes: int) -> None:
    """Without a check packets are lost, repeated, swapped and cut; with one, bits are wrong as well."""
    rng = np.random.default_rng(check_bytes)
    packets = sent(check_bytes)
    lengths = [piece.frames for piece in receive(packets, PRIOR).recordings[0].pieces]
    longest, spread = max(lengths), max(lengths) - min(lengths[:-1])
    for _ in range(100):
        arrived = channel(packets, rng, has_wrong_bits=check_bytes > 0)
        try:
            reception = receive(arrived, PRIOR, check_bytes=check_bytes)
        except FormatError:
            assert all(data not in packets for data in arrived)
            continue
        pieces = reception.recordings[0].pieces
        # A packet in the middle that is missing may have been shorter than the mean.
        guessed = spread * sum(piece.packets for piece in pieces)
        assert len(reception.recordings) == 1 and frames_of(pieces) <= FRAMES + longest + guessed
        if missing := set(packets) - set(arrived):
            assert is_lossy(reception), missing
        else:
            heard = [piece.indices for piece in pieces if piece.indices is not None]
            np.testing.assert_array_equal(np.concatenate(heard), INDICES)


def channel(packets: list[bytes], rng: np.random.Generator, *, has_wrong_bits: bool) -> list[bytes]:
    """One random history; at least one packet arrives."""
    loss, repeats = rng.uniform(0, 0.3), rng.uniform(0, 0.3)
    bit_errors = 10.0 ** rng.uniform(-4, -2) if has_wrong_bits else 0.0
    arrived: list[tuple[float, bytes]] = []
    for number, data in enumerate(packets):
        for _ in range(1 + int(rng.random() < repeats)):
            if rng.random() < loss:
                continue
            if bit_errors:
                flips = np.packbits(rng.random(8 * len(data)) < bit_errors).tobytes()
                data = bytes(a ^ b for a, b in zip(data, flips, strict=True))
            if rng.random() < 0.05 and len(data) > 20:
                data = data[: int(rng.integers(3, len(data) - 12))]
            arrived.append((number + rng.uniform(0, 8), data))
    return [data for _, data in sorted(arrived)] or packets[:1]


def is_lossy(reception: Reception) -> bool:
    return bool(reception.refused) or any(piece.reason for own in reception.recordings for piece in own.pieces)


def test_a_copy_stands_in_for_a_lost_packet() -> None:
    packets = sent(2, has_copies=True)
    for lost in range(len(packets) - 1):
        pieces = receive(packets[:lost] + packets[lost + 1 :], PRIOR).recordings[0].pieces
        restored = [piece for piece in pieces if piece.reason and "restored" in piece.reason]
        assert len(restored) == 1 and restored[0].number == lost
        heard = [piece.indices for piece in pieces if piece.indices is not None]
        if len(heard) == len(pieces):  # the copy is of all frames, and of one stage there is no other
            np.testing.assert_array_equal(np.concatenate(heard), INDICES)


def test_recordings_with_ids_come_apart() -> None:
    mixed = [data for pair in zip(sent(recording=1), sent(recording=2), strict=True) for data in pair]
    reception = receive(mixed[::-1], PRIOR)
    assert sorted(own.recording for own in reception.recordings) == [1, 2]
    assert {frames_of(own.pieces) for own in reception.recordings} == {FRAMES}


def test_most_packets_tell_that_a_check_is_expected() -> None:
    packets = sent(2)
    bare = split_into_packets(INDICES[:5], None, PRIOR, 36, voice_in_each=True)[0]
    reception = receive([*packets, bare], PRIOR)
    assert len(reception.refused) == 1 and "check of 0 bytes, expected 2" in reception.refused[0]


def test_one_packet_alone_misses_no_others() -> None:
    one = sent()[1]
    assert [piece.packets for piece in receive([one], PRIOR, is_alone=True).recordings[0].pieces] == [0]
    assert [piece.packets for piece in receive([one], PRIOR).recordings[0].pieces] == [1, 0, 1]
