"""What files and packets cost, without decoding anything: pieces of 10 s as files, pieces of 6 s as packets."""

from __future__ import annotations

from typing import Any

import numpy as np

from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.errors import DataError
from siren_cli.evaluation.clip_work import RATE_S, Plan, worker
from siren_cli.evaluation.crew import crew
from siren_cli.evaluation.material import read_joined
from siren_cli.evaluation.studies.material import by_speaker
from siren_cli.training.sources import Clip

PACKET_S = 6.0


def measure(plan: Plan, clips: list[Clip], jobs: int) -> dict[str, Any]:
    """Codes whole pieces of each speaker's clips, joined; what is left of a speaker at the end is not coded.

    Args:
        plan: Model, stages and size of a packet.
        clips: The material.
        jobs: Processes.

    Returns:
        `{"file_piece_s", "packet_piece_s", "packet_bytes", "stages"}`; for each number of stages the pieces, their
        file bps (median, 95th percentile, largest; everything counted), payload bps (median), and of the packets the
        pieces, the share that fits one packet, and the bytes of a piece's packets (median, largest).

    Raises:
        DataError: If nobody speaks for 10 s.
    """
    speakers = by_speaker(clips)
    with crew(plan, jobs) as each:
        found = list(each(_cost_of, [(own, plan.stages, plan.packet_bytes) for own in speakers.values()]))
    stages: dict[str, Any] = {}
    for count in plan.stages:
        files = np.array([size for speaker in found for size in speaker[count]["files"]])
        packets = [sizes for speaker in found for sizes in speaker[count]["packets"]]
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
            "packets_bytes_median": float(np.median(sums)),
            "packets_bytes_largest": max(sums),
        }
    return {
        "file_piece_s": RATE_S, "packet_piece_s": PACKET_S, "packet_bytes": plan.packet_bytes, "stages": stages,
    }  # fmt: skip


def _cost_of(task: tuple[list[Clip], tuple[int, ...], int]) -> dict[int, Any]:
    """Bytes of file and payload for each piece, and of the packets for each piece, by number of stages."""
    from siren_cli.packets import encode_packets
    from siren_format.layout import parse_layout

    clips, stages, packet_bytes = task
    codec = worker().codec
    joined = read_joined(clips)
    found: dict[int, Any] = {}
    for count in stages:
        files = []
        for piece in _pieces(joined, RATE_S):
            data = codec.encode(piece, SAMPLE_RATE_HZ, stages=count).to_bytes()
            files.append((len(data), parse_layout(data).payload_bytes))
        packets = [
            [
                len(packet)
                for packet in encode_packets(
                    codec, piece, SAMPLE_RATE_HZ, stages=count, max_bytes=packet_bytes, voice="each"
                )
            ]
            for piece in _pieces(joined, PACKET_S)
        ]
        found[count] = {"files": files, "packets": packets}
    return found


def _pieces(wav: Any, piece_s: float) -> list[Any]:
    size = round(piece_s * SAMPLE_RATE_HZ)
    return [wav[start : start + size] for start in range(0, len(wav) - size + 1, size)]


def table(figures: dict[str, Any]) -> tuple[list[str], list[list[str]], list[str]]:
    """The figures for a person: headings, rows, notes."""
    headings = [
        "stages", "file bps, median", "95 %", "largest", "payload bps, median", "in one packet", "packet bytes, median",
        "largest",
    ]  # fmt: skip
    rows = [
        [
            stages,
            *(f"{own[f'file_bps_{name}']:.1f}" for name in ("median", "95", "largest")),
            f"{own['payload_bps_median']:.1f}",
            f"{100 * own['one_packet_share']:.0f} %",
            f"{own['packets_bytes_median']:.0f}",
            f"{own['packets_bytes_largest']}",
        ]
        for stages, own in figures["stages"].items()
    ]
    own = next(iter(figures["stages"].values()))
    return headings, rows, [
        f"files: {own['pieces']} pieces of {figures['file_piece_s']:.0f} s, everything counted; packets: "
        f"{own['packet_pieces']} pieces of {figures['packet_piece_s']:.0f} s, packets of at most "
        f"{figures['packet_bytes']} bytes with a voice in each; pieces are cut from each speaker's clips, joined"
    ]  # fmt: skip
