"""Plots: light and dark, the same each time, and no label on another one or on a point."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from siren_cli.evaluation.report.plots import Point, Series, damage_plots, draw, rate_plots

AXES = ("bits a second in the file", "WER")


def crowded() -> list[Series]:
    """A dozen systems, some of them in nearly the same place."""
    places = [(71, 0.57), (73, 0.55), (72, 0.56), (123, 0.32), (122, 0.33), (610, 0.5), (811, 0.38), (1412, 0.23),
              (3217, 0.12), (7150, 0.08), (7000, 0.085), (40, 0.06)]  # fmt: skip
    return [
        Series(f"System of name {number}", (Point(x, y, y - 0.01, y + 0.01),), number < 5)
        for number, (x, y) in enumerate(places)
    ]


def boxes(figure: Any) -> list[Bbox]:
    """Boxes of the labels' texts."""
    renderer = figure.canvas.get_renderer()
    found = [text for text in figure.axes[0].texts if isinstance(text, Annotation)]
    return [Text.get_window_extent(text, renderer) for text in found]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_label_covers_another_one_or_a_point_or_leaves_the_plot(theme: str) -> None:
    series = crowded()
    figure = draw(theme, "WER, lower is better", AXES, series, is_log=True, level=("originals", 0.055))
    labels = boxes(figure)
    axes = figure.axes[0]
    assert len(labels) == len(series) + 1
    assert [pair for pair in combinations(labels, 2) if pair[0].overlaps(pair[1])] == []
    spots = [axes.transData.transform((one.points[0].x, one.points[0].y)) for one in series]
    assert not any(label.contains(*spot) for label in labels for spot in spots)
    room = axes.get_window_extent()
    assert all(room.x0 <= box.x0 and box.x1 <= room.x1 and room.y0 <= box.y0 and box.y1 <= room.y1 for box in labels)


def test_siren_has_a_colour_of_its_own_and_all_others_are_grey() -> None:
    figure = draw("light", "WER", AXES, crowded(), is_log=True)
    colours = [text.get_color() for text in figure.axes[0].texts]
    assert set(colours[:5]).isdisjoint(colours[5:])
    assert len(set(colours)) == 2


def test_the_record_gives_a_plot_a_column_in_light_and_dark(record: dict[str, Any]) -> None:
    plots = {**rate_plots(record), **damage_plots(record)}
    assert {"phones.svg", "stoi.svg", "stoi-dark.svg", "ber_phones.svg", "drop_stoi-dark.svg"} <= plots.keys()
    assert all("<svg" in text and "nan" not in text for text in plots.values())
    assert plots["stoi.svg"] != plots["stoi-dark.svg"]


def test_a_record_gives_the_same_file_each_time() -> None:
    figure = {"value": 0.5, "low": 0.4, "high": 0.6}
    row = {"system": "opus6", "figures": {"file_bps": figure, "wer:tiny": figure}}
    first, second = (rate_plots({"recognisers": ["tiny"], "rows": [row]}) for _ in range(2))
    assert list(first) == ["wer-tiny.svg", "wer-tiny-dark.svg"]
    assert first == second
