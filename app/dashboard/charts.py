"""Geometry of the line charts; the template `_chart.html` draws it as inline SVG, without script or style."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 720
HEIGHT = 220
_MARGIN = 0.06


@dataclass(frozen=True, slots=True)
class Series:
    """One line: a name for the legend, a CSS class, and values at equal distances (None is a gap)."""

    name: str
    css: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One drawn line: unbroken runs of points as SVG `points` texts."""

    name: str
    css: str
    runs: tuple[str, ...]
    last: float | None


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart ready to draw. `levels` are (y, value) of the grid lines, top first."""

    title: str
    description: str
    lines: tuple[Line, ...]
    levels: tuple[tuple[float, float], ...]
    first_label: str
    last_label: str
    csv_url: str


def build_chart(
    title: str,
    description: str,
    series: Sequence[Series],
    labels: tuple[str, str],
    csv_url: str = "",
) -> Chart | None:
    """Return the chart, or None when no series has two values to join."""
    known = [value for one in series for value in one.values if value is not None]
    if len(known) < 2 or max(len(one.values) for one in series) < 2:
        return None
    low, high = min(known), max(known)
    # A flat line is drawn in the middle of a band of one percent, not on the frame.
    room = (high - low) * _MARGIN or max(abs(high) * 0.005, 1e-9)
    low, high = low - room, high + room
    return Chart(
        title=title,
        description=description,
        lines=tuple(_line(one, low, high) for one in series),
        levels=tuple((_y(value, low, high), value) for value in (high - room, (low + high) / 2, low + room)),
        first_label=labels[0],
        last_label=labels[1],
        csv_url=csv_url,
    )


def _line(series: Series, low: float, high: float) -> Line:
    runs: list[list[str]] = [[]]
    for index, value in enumerate(series.values):
        if value is None:
            runs.append([])
        else:
            x = index * WIDTH / (len(series.values) - 1)
            runs[-1].append(f"{x:.1f},{_y(value, low, high):.1f}")
    last = next((value for value in reversed(series.values) if value is not None), None)
    return Line(series.name, series.css, tuple(" ".join(run) for run in runs if len(run) > 1), last)


def _y(value: float, low: float, high: float) -> float:
    return round(HEIGHT * (high - value) / (high - low), 1)
