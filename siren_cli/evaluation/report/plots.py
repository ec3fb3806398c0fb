"""Plots of quality against rate and against damage, as SVG by matplotlib, for light and for dark pages."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from siren_cli.evaluation.codecs.under_test import label_of
from siren_cli.evaluation.report.columns import column_of, with_recognisers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RATE_PLOTS = ("wer", "similarity", "stoi", "dnsmos_ovrl", "pesq", "mel_distance", "phones")
"""Columns plotted against file bps; word columns once for each recogniser."""

_DAMAGE_PLOTS = ("phones", "stoi")
_NOT_PLOTTED = ("original", "siren-1-wrong-voice", "transcript-zstd")
_SIZE_INCHES = (7.0, 4.4)
_SIREN = {"light": "#d1495b", "dark": "#ff7d8c"}
_OTHERS = {"light": "#6b7280", "dark": "#9ca3af"}
_INK = {"light": "#1f2937", "dark": "#e5e7eb"}
_PAPER = {"light": "#ffffff", "dark": "#16181c"}
_FAR = 8
"""Distance of a label from its point, in points; a label without room moves to a multiple of it."""


@dataclass(frozen=True)
class Point:
    """Value with its interval at a position on the horizontal axis."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Series:
    """Points of one codec, joined by a line; the label stands beside the last one."""

    label: str
    points: tuple[Point, ...]
    is_siren: bool


def rate_plots(record: dict[str, Any]) -> dict[str, str]:
    """Plots of quality against rate, one for each column, in light and dark.

    Args:
        record: From `siren_cli.evaluation.run.evaluate`.

    Returns:
        File name, such as `stoi.svg` and `stoi-dark.svg`, to SVG text. Columns without values have no plot.
    """
    found: dict[str, str] = {}
    figures = {row["system"]: row["figures"] for row in record["rows"]}
    for name in with_recognisers(RATE_PLOTS, record["recognisers"]):
        series = []
        for system, own in figures.items():
            if "file_bps" in own and name in own and " " not in system and system not in _NOT_PLOTTED:
                point = Point(own["file_bps"]["value"], *(own[name][key] for key in ("value", "low", "high")))
                series.append(Series(label_of(system), (point,), system.startswith("siren")))
        if series:
            column = column_of(name)
            level = figures.get("original", {}).get(name) if name.startswith("wer:") else None
            found |= _in_both(
                name.replace(":", "-"),
                f"{column.label}, {column.better} is better",
                ("bits a second in the file", column.label),
                series,
                is_log=True,
                level=None if level is None else ("originals", level["value"]),
            )
    return found


def damage_plots(record: dict[str, Any]) -> dict[str, str]:
    """Plots of quality against transmission errors, one for each kind and column.

    Args:
        record: From `siren_cli.evaluation.run.evaluate`.

    Returns:
        File name to SVG text; empty without transmission errors.
    """
    rows = {row["system"]: row["figures"] for row in record["rows"]}
    found: dict[str, str] = {}
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
                    series.append(Series(label_of(system), tuple(points), system.startswith("siren")))
            if series:
                label = column_of(name).label
                found |= _in_both(f"{kind}_{name}", f"{label} over a bad link", (axis, label), series)
    return found


def draw(
    theme: str,
    title: str,
    axis_labels: tuple[str, str],
    series: Sequence[Series],
    *,
    is_log: bool = False,
    level: tuple[str, float] | None = None,
) -> Figure:
    """Draw points with their intervals, SIREN's in one colour, all others grey.

    Args:
        theme: `light` or `dark`.
        title: Title above the plot.
        axis_labels: Labels of the horizontal and the vertical axis.
        series: At least one, each with at least one point.
        is_log: Whether the horizontal axis is logarithmic; every x must then be above 0.
        level: Label and value of a dashed line across the plot.

    Returns:
        The figure; no label covers another one or a point.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE_INCHES, facecolor=_PAPER[theme], layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(facecolor=_PAPER[theme])
    axes.set_title(title, color=_INK[theme], loc="left", fontsize=12)
    axes.set_xlabel(axis_labels[0], color=_INK[theme])
    axes.set_ylabel(axis_labels[1], color=_INK[theme])
    axes.tick_params(which="both", colors=_INK[theme])
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(_INK[theme])
    axes.grid(color=_INK[theme], alpha=0.12)
    if is_log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    for one in series:
        colour = _SIREN[theme] if one.is_siren else _OTHERS[theme]
        errors = [[p.y - p.low for p in one.points], [p.high - p.y for p in one.points]]
        xs, ys = [p.x for p in one.points], [p.y for p in one.points]
        line = "-" if len(one.points) > 1 else "none"
        axes.errorbar(xs, ys, errors, fmt="o", linestyle=line, color=colour, ecolor=colour, elinewidth=1, markersize=5)
    axes.margins(x=0.18, y=0.12)
    texts = [(one.points[-1], one.label, _SIREN[theme] if one.is_siren else _OTHERS[theme]) for one in series]
    if level is not None:
        axes.axhline(level[1], color=_INK[theme], linestyle="--", linewidth=1, alpha=0.6)
        right = (axes.get_xlim()[1], level[1])
        place: dict[str, Any] = {"textcoords": "offset points", "ha": "right", "va": "bottom"}
        axes.annotate(level[0], right, (-2, 2), color=_INK[theme], fontsize=9, **place)
    figure.draw_without_rendering()  # computes the layout, which the boxes of labels depend on
    _label(axes, [point for one in series for point in one.points], texts)
    return figure


def _label(axes: Axes, points: Iterable[Point], texts: Sequence[tuple[Point, str, str]]) -> None:
    """Put each label in the nearest free place around its point, within the axes."""
    from matplotlib.transforms import Bbox

    canvas: Any = axes.figure.canvas  # of Agg, which alone has a renderer
    renderer = canvas.get_renderer()
    ends = [axes.transData.transform([(point.x, point.low), (point.x, point.high)]) for point in points]
    taken = [Bbox([low - 4, high + 4]) for low, high in ends]
    taken += [_box(label, renderer) for label in axes.texts]
    room = axes.get_window_extent(renderer)
    around = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)]
    for point, text, colour in texts:
        label = axes.annotate(
            text, (point.x, point.y), (0, 0), textcoords="offset points", color=colour, fontsize=9,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4},
        )  # fmt: skip
        for distance in range(_FAR, 12 * _FAR, _FAR):
            places = [(distance * x, distance * y) for x, y in around]
            if any(_fits(label, place, taken, room, renderer) for place in places):
                break
        taken.append(_box(label, renderer))


def _box(label: Any, renderer: Any) -> Any:
    """Bounding box of a label's text, without the line to its point."""
    from matplotlib.text import Text

    label.update_positions(renderer)
    return Text.get_window_extent(label, renderer)


def _fits(label: Any, place: tuple[float, float], taken: Sequence[Any], room: Any, renderer: Any) -> bool:
    """Move a label to a place; return whether it is free."""
    across, up = place
    label.set_position(place)
    label.set_ha("left" if across > 0 else "right" if across < 0 else "center")
    label.set_va("bottom" if up > 0 else "top" if up < 0 else "center")
    box = _box(label, renderer)
    is_inside = room.x0 <= box.x0 and box.x1 <= room.x1 and room.y0 <= box.y0 and box.y1 <= room.y1
    return is_inside and not any(box.overlaps(other) for other in taken)


def _in_both(
    name: str,
    title: str,
    axis_labels: tuple[str, str],
    series: Sequence[Series],
    *,
    is_log: bool = False,
    level: tuple[str, float] | None = None,
) -> dict[str, str]:
    return {
        f"{name}{ending}.svg": _svg(draw(theme, title, axis_labels, series, is_log=is_log, level=level))
        for theme, ending in (("light", ""), ("dark", "-dark"))
    }


def _svg(figure: Figure) -> str:
    from matplotlib import rc_context

    out = io.StringIO()
    with rc_context({"svg.hashsalt": "siren"}):  # the same file each time
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()
