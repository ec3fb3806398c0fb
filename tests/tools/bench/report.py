"""The figures of a benchmark as a table for people and as one object for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.tools.bench.contender import Speed
from tests.tools.bench.startup import Run


def as_dict(speeds: Sequence[Speed], runs: Sequence[Run], conditions: dict[str, Any]) -> dict[str, Any]:
    """Collects everything measured.

    Args:
        speeds: Real-time factors, peers among them.
        runs: Whole processes, bare Python first and `import torch` among them.
        conditions: Machine, versions and settings of the measurement.

    Returns:
        Plain values, ready for JSON; ratios are to the fastest peer, to bare Python and to `import torch`.
    """
    fastest_encode = max(speed.encode for speed in speeds if speed.is_peer)
    fastest_decode = max(speed.decode for speed in speeds if speed.is_peer and speed.decode is not None)
    bare_s = runs[0].seconds
    torch_s = next(run.seconds for run in runs if "import torch" in run.name)
    return {
        "conditions": conditions,
        "speed": [
            {
                "name": speed.name,
                "encode_x_real_time": speed.encode,
                "decode_x_real_time": speed.decode,
                "encode_ratio": speed.encode / fastest_encode,
                "decode_ratio": None if speed.decode is None else speed.decode / fastest_decode,
            }
            for speed in speeds
        ],
        "commands": [
            {
                "name": run.name,
                "seconds": run.seconds,
                "ratio_to_bare_python": run.seconds / bare_s,
                "ratio_to_import_torch": run.seconds / torch_s,
                "peak_bytes": run.peak_bytes,
            }
            for run in runs
        ],
    }


def as_text(report: dict[str, Any]) -> str:
    """Lays `as_dict`'s object out as two tables."""
    conditions = ", ".join(f"{name} {value}" for name, value in report["conditions"].items())
    speed_rows = [("real-time factor (higher is faster)", "encode", "decode", "to the fastest peer")]
    for row in report["speed"]:
        speed_rows.append(
            (
                row["name"],
                _factor(row["encode_x_real_time"], 1),
                _factor(row["decode_x_real_time"], 1),
                f"{_factor(row['encode_ratio'], 2)} / {_factor(row['decode_ratio'], 2)}",
            )
        )
    command_rows = [("whole process", "seconds", "bare Pythons", "import torchs", "peak MB")]
    for row in report["commands"]:
        command_rows.append(
            (
                row["name"],
                f"{row['seconds']:.3f}",
                _factor(row["ratio_to_bare_python"], 1),
                _factor(row["ratio_to_import_torch"], 2),
                f"{row['peak_bytes'] / 1e6:.0f}",
            )
        )
    return "\n\n".join((conditions, _table(speed_rows), _table(command_rows)))


def _factor(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}x"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
