"""Rate study: bytes of files of 10 s and of packets of 6 s, without decoding."""

from __future__ import annotations

from typing import Any

import numpy as np

from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.corpus.clip import Clip
from siren_cli.corpus.clips import by_speaker, read_joined
from siren_cli.errors import DataError, UsageError
from siren_cli.evaluation.workers.pool import worker_pool
from siren_cli.evaluation.workers.worker import RATE_S, EvaluationPlan, this_worker

PACKET_S = 6.0


def measure(plan: EvaluationPlan, clips: list[Clip], jobs: int) -> dict[str, Any]:
    """Code whole pieces of each speaker's joined clips; the remainder is dropped.

    Args:
        plan: Model, stages and size of a packet.
        clips: Data set.
        jobs: Number of processes.

    Returns:
        `{"file_piece_s", "packet_piece_s", "packet_bytes", "stages"}`; for each number of stages the pieces, their
        file bps (median, 95th percentile, largest; everything counted), payload bps (median), and of the packets the
        pieces, the share in one packet, without and with rate control (`fitted`, `streaming.rate_control`), and the
        bytes of a piece's packets (median, largest).

    Raises:
        DataError: If no speaker has 10 s.
    """
    speakers = by_speaker(clips)
    with worker_pool(plan, jobs) as map_tasks:
        found = list(map_tasks(_cost_of, [(own, plan.stages, plan.packet_bytes) for own in speakers.values()]))
    stages: dict[str, Any] = {}
    for count in plan.stages:
        files = np.array([size for speaker in found for size in speaker[count]["files"]])
        packets = [sizes for speaker in found for sizes in speaker[count]["packets"]]
        fitted = [is_fitted for speaker in found for is_fitted in speaker[count]["fitted"]]
        if not len(files):
            raise DataError(
                f"no speaker has {RATE_S:.0f} s of clips, --study rates needs that; give more of one speaker"
            )
        bps = 8.0 * files / RATE_S
        sums = [sum(sizes) for sizes in packets]
        stages[str(count)] = {
            "pieces": len(files),
            "file_bps_median": float(np.median(bps[:, 0])),
            "file_bps_95": float(np.percentile(bps[:, 0], 95)),
            "file_bps_largest": float(bps[:, 0].max()),
            "payload_bps_median": float(np.median(bps[:, 1])),
            "packet_pieces": len(packets),
            "one_packet_share": float(np.mean([len(sizes) == 1 for sizes in packets])),
            "fitted_share": float(np.mean(fitted)),
            "packets_bytes_median": float(np.median(sums)),
            "packets_bytes_largest": max(sums),
        }
    return {
        "file_piece_s": RATE_S, "packet_piece_s": PACKET_S, "packet_bytes": plan.packet_bytes, "stages": stages,
    }  # fmt: skip


def _cost_of(task: tuple[list[Clip], tuple[int, ...], int]) -> dict[int, Any]:
    """By number of stages: bytes of file and payload, bytes of packets, and whether one packet suffices."""
    from siren_format.layout import parse_layout

    clips, stages, packet_bytes = task
    codec = this_worker().codec
    joined = read_joined(clips)
    found: dict[int, Any] = {}
    for count in stages:
        files = []
        for piece in _pieces(joined, RATE_S):
            data = codec.encode(piece, SAMPLE_RATE_HZ, stages=count).to_bytes()
            files.append((len(data), parse_layout(data).payload_bytes))
        packets = [_packets(piece, count, packet_bytes, None) for piece in _pieces(joined, PACKET_S)]
        fitted = []
        for piece, sizes in zip(_pieces(joined, PACKET_S), packets, strict=True):
            try:
                fitted.append(len(sizes) == 1 or len(_packets(piece, count, packet_bytes, 1)) == 1)
            except UsageError:
                fitted.append(False)
        found[count] = {"files": files, "packets": packets, "fitted": fitted}
    return found


def _packets(piece: Any, stages: int, most_bytes: int, most_packets: int | None) -> list[int]:
    """Sizes of the packets of a piece."""
    from siren_cli.packets.packetize import encode_packets

    packets = encode_packets(
        this_worker().codec, piece, SAMPLE_RATE_HZ, stages=stages, max_bytes=most_bytes, voice="each",
        max_packets=most_packets,
    )  # fmt: skip
    return [len(packet) for packet in packets]


def _pieces(wav: Any, piece_s: float) -> list[Any]:
    size = round(piece_s * SAMPLE_RATE_HZ)
    return [wav[start : start + size] for start in range(0, len(wav) - size + 1, size)]


def table(figures: dict[str, Any]) -> tuple[list[str], list[list[str]], list[str]]:
    """Table of the figures: headings, rows, notes."""
    headings = [
        "stages", "file bps, median", "95 %", "largest", "payload bps, median", "in one packet", "fitted",
        "packet bytes, median", "largest",
    ]  # fmt: skip
    rows = [
        [
            stages,
            *(f"{own[f'file_bps_{name}']:.1f}" for name in ("median", "95", "largest")),
            f"{own['payload_bps_median']:.1f}",
            f"{100 * own['one_packet_share']:.0f} %",
            f"{100 * own['fitted_share']:.0f} %",
            f"{own['packets_bytes_median']:.0f}",
            f"{own['packets_bytes_largest']}",
        ]
        for stages, own in figures["stages"].items()
    ]
    own = next(iter(figures["stages"].values()))
    return headings, rows, [
        f"files: {own['pieces']} pieces of {figures['file_piece_s']:.0f} s, everything counted; packets: "
        f"{own['packet_pieces']} pieces of {figures['packet_piece_s']:.0f} s, packets of at most "
        f"{figures['packet_bytes']} bytes with a voice in each, fitted: with --max-packets 1; pieces are cut from each "
        "speaker's clips, joined"
    ]  # fmt: skip
