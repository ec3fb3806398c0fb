"""Plots as SVG, drawn by hand: they need no package, follow dark mode and stay sharp."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from siren_cli.evaluation.codecs.systems import label_of
from siren_cli.evaluation.report.columns import BY_NAME

RATE_PLOTS = ("phones", "dwer", "similarity", "stoi", "mel_distance", "pesq", "dnsmos_ovrl")
"""Columns that are plotted against file bps."""

_DAMAGE_PLOTS = ("phones", "stoi")
_NOT_PLOTTED = ("original", "siren-1-wrong-voice")
_WIDTH, _HEIGHT = 560, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 40, 52
_COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
)  # Okabe & Ito: told apart by all
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:currentColor}.t{font-weight:600;font-size:14px}"
    ".a{stroke:currentColor;stroke-opacity:.55}.g{stroke:currentColor;stroke-opacity:.15}"
    "svg{color:#222;background:#fff}@media(prefers-color-scheme:dark){svg{color:#ddd;background:#16181c}}"
)


@dataclass(frozen=True)
class Point:
    """A value with its interval at a place on the horizontal axis."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Series:
    """Points of one colour; `label` stands beside the first (a legend where they are joined)."""

    label: str
    points: tuple[Point, ...]


def rate_plots(record: dict[str, Any]) -> dict[str, str]:
    """Quality against rate, one plot a column.

    Args:
        record: From `siren_cli.evaluation.run.evaluate`.

    Returns:
        Name of the column to SVG text; columns without values are left out.
    """
    found = {}
    for name in RATE_PLOTS:
        series = []
        for row in record["rows"]:
            rate, figure = row["figures"].get("file_bps"), row["figures"].get(name)
            is_whole = " " not in row["system"] and row["system"] not in _NOT_PLOTTED
            if rate is not None and figure is not None and is_whole:
                point = Point(rate["value"], figure["value"], figure["low"], figure["high"])
                series.append(Series(label_of(row["system"]), (point,)))
        if series:
            column = BY_NAME[name]
            title = f"{column.label} and rate ({column.better} is better)"
            found[name] = plot(title, "bits a second in the file", column.label, series, is_log=True)
    return found


def damage_plots(record: dict[str, Any]) -> dict[str, str]:
    """Quality against damage, one plot for each kind of damage and each of the first few columns.

    Args:
        record: From `siren_cli.evaluation.run.evaluate`.

    Returns:
        Kind and column to SVG text; nothing where nothing was damaged.
    """
    rows = {row["system"]: row["figures"] for row in record["rows"]}
    found = {}
    lost = f"share of packets of {record.get('packet_bytes')} bytes lost"
    for kind, axis in (("ber", "share of bits flipped"), ("drop", lost)):
        for name in _DAMAGE_PLOTS:
            series = []
            for system in rows:
                levels = {0.0: system}
                levels.update(
                    {float(other.split()[2]): other for other in rows if other.startswith(f"{system} {kind} ")}
                )
                there = [(level, rows[other][name]) for level, other in sorted(levels.items()) if name in rows[other]]
                if len(levels) > 1 and there:
                    points = [Point(level, f["value"], f["low"], f["high"]) for level, f in there]
                    series.append(Series(label_of(system), tuple(points)))
            if series:
                label = BY_NAME[name].label
                found[f"{kind}_{name}"] = plot(f"{label} over a bad link", axis, label, series)
    return found


def plot(title: str, x_label: str, y_label: str, series: Sequence[Series], *, is_log: bool = False) -> str:
    """Draws points with their intervals; series of several points are joined and get a legend.

    Args:
        title: Above the plot.
        x_label: Below the horizontal axis.
        y_label: Beside the vertical axis.
        series: At least one, each with at least one point.
        is_log: Whether the horizontal axis is logarithmic; every x is above 0 then.

    Returns:
        One `<svg>` element.
    """
    points = [point for one in series for point in one.points]
    x_ticks, x_low, x_high = _log_axis(points) if is_log else _axis([point.x for point in points])
    y_ticks, y_low, y_high = _axis([value for point in points for value in (point.low, point.high)])

    def across(value: float) -> float:
        share = math.log(value / x_low) / math.log(x_high / x_low) if is_log else (value - x_low) / (x_high - x_low)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def down(value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - y_low) / (y_high - y_low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}"><style>{_STYLE}</style>',
        f'<text class="t" x="{_LEFT}" y="22">{escape(title)}</text>',
    ]
    for tick in x_ticks:
        parts.append(_line(across(tick), _TOP, across(tick), _HEIGHT - _BOTTOM, "g"))
        parts.append(_text(across(tick), _HEIGHT - _BOTTOM + 17, f"{tick:g}", "middle"))
    for tick in y_ticks:
        parts.append(_line(_LEFT, down(tick), _WIDTH - _RIGHT, down(tick), "g"))
        parts.append(_text(_LEFT - 7, down(tick) + 4, f"{tick:g}", "end"))
    parts.append(_line(_LEFT, _HEIGHT - _BOTTOM, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM, "a"))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, x_label, "middle"))
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(f'<g transform="rotate(-90 16 {middle:.1f})">{_text(16, middle, y_label, "middle")}</g>')
    for number, one in enumerate(series):
        parts += _marks(one, number, across, down)
    return "".join([*parts, "</svg>"])


def _marks(one: Series, number: int, across: Any, down: Any) -> list[str]:
    colour = _COLOURS[number % len(_COLOURS)]
    parts = []
    if len(one.points) > 1:
        path = " ".join(f"{across(point.x):.1f},{down(point.y):.1f}" for point in one.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
    for point in one.points:
        x = across(point.x)
        parts.append(
            f'<line x1="{x:.1f}" y1="{down(point.low):.1f}" x2="{x:.1f}" y2="{down(point.high):.1f}" '
            f'stroke="{colour}" stroke-width="2" stroke-opacity=".5"/>'
            f'<circle cx="{x:.1f}" cy="{down(point.y):.1f}" r="4.5" fill="{colour}"/>'
        )
    if len(one.points) > 1:
        y = _TOP + 12 + 17 * number
        parts.append(f'<circle cx="{_WIDTH - 190}" cy="{y - 4}" r="4.5" fill="{colour}"/>')
        parts.append(_text(_WIDTH - 180, y, one.label, "start"))
    else:
        x, y = across(one.points[0].x), down(one.points[0].y)
        is_right = x > _WIDTH * 0.62
        y += -6 if number % 2 else 15  # neighbours in turn above and below, so that fewer names meet
        parts.append(_text(x - 9 if is_right else x + 9, y, one.label, "end" if is_right else "start"))
    return parts


def _axis(values: Sequence[float]) -> tuple[list[float], float, float]:
    low, high = min(values), max(values)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = [round(number * step, 10) for number in range(first, last + 1)]
    return ticks, ticks[0], ticks[-1]


def _log_axis(points: Sequence[Point]) -> tuple[list[float], float, float]:
    low, high = min(point.x for point in points) / 1.5, max(point.x for point in points) * 1.5
    steps = [base * 10.0**power for power in range(-1, 8) for base in (1, 2, 5)]
    return [step for step in steps if low <= step <= high], low, high


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
