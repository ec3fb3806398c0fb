"""The order of packets: whatever a mesh does to it, repetitions, several recordings."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from siren_format.packet_head import PacketHead
from siren_format.packet_order import Gap, PacketOrder, RecordingOrder, Taken


def head(number: int, *, last: int | None = None, recording: int = 0) -> PacketHead:
    return PacketHead(5, 1, False, number == last, number % 32, recording)


def data_of(number: int, recording: int = 0) -> bytes:
    return bytes((number, recording))


def heard(numbers: tuple[int, ...] | list[int], last: int) -> list[int | tuple[int, int]]:
    """Numbers in order, and gaps as pairs, of packets whose bytes are their numbers."""
    order: RecordingOrder[PacketHead] = RecordingOrder(0)
    for number in numbers:
        order.take(head(number, last=last), data_of(number))
    return [(item.first_number, item.packets) if isinstance(item, Gap) else item.number for item in order.in_order()]


@pytest.mark.parametrize("count", range(1, 7))
def test_every_permutation_is_put_in_order(count: int) -> None:
    for numbers in permutations(range(count)):
        assert heard(numbers, count - 1) == list(range(count))


def test_every_repetition_is_left_out() -> None:
    for count in range(1, 5):
        for numbers in product(range(count), repeat=count + 2):
            if set(numbers) == set(range(count)):
                assert heard(numbers, count - 1) == list(range(count)), numbers
    for numbers in permutations(range(6)):
        for again in range(6):
            assert heard((*numbers, numbers[again]), 5) == list(range(6))


def test_a_step_back_is_late() -> None:
    assert heard([0, 2, 1, 3], 3) == [0, 1, 2, 3]
    assert heard([0, 1, 2, 1, 3], 3) == [0, 1, 2, 3]
    assert heard([1, 3, 0], 9) == [0, 1, (2, 1), 3, (4, 1)]
    everything = list(range(70))
    swapped = [number ^ 7 for number in range(64)] + everything[64:]
    assert heard(swapped, 69) == [number % 32 for number in everything]
    assert heard([*everything, *everything], 69) == [number % 32 for number in everything]
    without_end = [*range(60), *range(60)]
    assert heard(without_end, 69) == [*(number % 32 for number in range(60)), (60, 1)]


def test_silence_repeats_itself_every_32_packets() -> None:
    order: RecordingOrder[PacketHead] = RecordingOrder(0)
    for number in range(80):
        assert order.take(head(number, last=79), bytes((number % 32,))) is Taken.NEW
    assert len(list(order.in_order())) == 80


def test_recordings_with_ids_may_be_interleaved() -> None:
    order: PacketOrder[PacketHead] = PacketOrder()
    rng = np.random.default_rng(1)
    sent = [(number, recording) for recording in (3, 7, 31) for number in range(9)]
    for place in rng.permutation(len(sent)):
        number, recording = sent[place]
        order.take(head(number, last=8, recording=recording), data_of(number, recording))
    assert sorted(own.recording for own in order.recordings) == [3, 7, 31]
    for own in order.recordings:
        assert [item.number for item in own.in_order() if not isinstance(item, Gap)] == list(range(9))


def test_without_ids_another_recording_begins_after_the_last_packet() -> None:
    order: PacketOrder[PacketHead] = PacketOrder()
    for recording in (0, 1):
        for number in (1, 0, 2):
            order.take(head(number, last=2), data_of(number, recording))
    assert len(order.recordings) == 2 and order.conflicts == 0
    mixed: PacketOrder[PacketHead] = PacketOrder()
    for number, recording in ((0, 0), (0, 1), (1, 0), (1, 1)):
        mixed.take(head(number), data_of(number, recording))
    assert len(mixed.recordings) == 1 and mixed.conflicts == 2


def test_a_sound_packet_takes_the_place_of_a_cut_one() -> None:
    order: RecordingOrder[PacketHead] = RecordingOrder(0)
    assert order.take(head(0, last=0), b"cut", is_sound=False) is Taken.NEW
    assert order.take(head(0, last=0), b"whole") is Taken.NEW
    assert order.take(head(0, last=0), b"cut too", is_sound=False) is Taken.CONFLICT
    assert len(list(order.in_order())) == 1
