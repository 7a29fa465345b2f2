"""Geometry of the line charts; the template `_chart.html` draws it as inline SVG, without script or style."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

WIDTH = 720
HEIGHT = 220
_MARGIN = 0.06
_NARROWEST = 0.11
"""Share of the width that the name of a span needs on a phone."""

Unit = Literal["usd", "number"]
Bound = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Series:
    """One line: a name for the legend, a CSS class, and values at equal distances (None is a gap)."""

    name: str
    css: str
    values: tuple[float | None, ...]
    is_step: bool = False
    """Whether a value holds until the next one, as a limit does, instead of sloping towards it."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the horizontal axis that begins at the value with this index."""

    first: int
    name: str


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
    unit: Unit = "usd"
    bands: tuple[str, ...] = ()
    """SVG `points` of closed outlines."""
    marks: tuple[float, ...] = ()
    """x where one span ends and the next begins."""
    names: tuple[tuple[float, str], ...] = ()
    """Where in percent of the width a span's name begins; those without room have none."""
    y_zero: float | None = None


def build_chart(
    title: str,
    description: str,
    series: Sequence[Series],
    labels: tuple[str, str],
    csv_url: str = "",
    *,
    band: Sequence[Bound] = (),
    spans: Sequence[Span] = (),
    has_zero: bool = False,
    unit: Unit = "usd",
) -> Chart | None:
    """Return the chart, or None when no series has two values to join. With `has_zero` the line of zero is drawn."""
    known = [value for one in series for value in one.values if value is not None]
    if len(known) < 2 or max(len(one.values) for one in series) < 2:
        return None
    known += [value for bound in band for value in bound if value is not None] + [0.0] * has_zero
    low, high = min(known), max(known)
    # A flat line is drawn in the middle of a band of one percent, not on the frame.
    room = (high - low) * _MARGIN or max(abs(high) * 0.005, 1e-9)
    low, high = low - room, high + room
    n = max(len(one.values) for one in series)
    return Chart(
        title=title,
        description=description,
        lines=tuple(_line(one, low, high) for one in series),
        levels=tuple((_y(value, low, high), value) for value in (high - room, (low + high) / 2, low + room)),
        first_label=labels[0],
        last_label=labels[1],
        csv_url=csv_url,
        unit=unit,
        bands=_bands(band, low, high),
        marks=tuple(round(_x(span.first, n), 1) for span in spans[1:]),
        names=_names(spans, n),
        y_zero=_y(0.0, low, high) if has_zero else None,
    )


def _line(series: Series, low: float, high: float) -> Line:
    runs: list[list[str]] = [[]]
    for index, value in enumerate(series.values):
        if value is None:
            runs.append([])
        else:
            x, y = _x(index, len(series.values)), _y(value, low, high)
            if series.is_step and runs[-1]:
                runs[-1].append(f"{x:.1f},{runs[-1][-1].partition(',')[2]}")
            runs[-1].append(f"{x:.1f},{y:.1f}")
    last = next((value for value in reversed(series.values) if value is not None), None)
    return Line(series.name, series.css, tuple(" ".join(run) for run in runs if len(run) > 1), last)


def _bands(band: Sequence[Bound], low: float, high: float) -> tuple[str, ...]:
    """Return the outline of every unbroken run of bounds."""
    runs: list[list[tuple[str, str]]] = [[]]
    for index, (below, above) in enumerate(band):
        if below is None or above is None:
            runs.append([])
        else:
            x = f"{_x(index, len(band)):.1f}"
            runs[-1].append((f"{x},{_y(above, low, high):.1f}", f"{x},{_y(below, low, high):.1f}"))
    drawn = [run for run in runs if len(run) > 1]
    return tuple(" ".join([*(up for up, _ in run), *(down for _, down in reversed(run))]) for run in drawn)


def _names(spans: Sequence[Span], n: int) -> tuple[tuple[float, str], ...]:
    ends = [*(span.first for span in spans), n - 1]
    with_room = [(span, end) for span, (_, end) in zip(spans, pairwise(ends), strict=True)]
    return tuple(
        (round(100 * span.first / (n - 1), 2), span.name)
        for span, end in with_room
        if (end - span.first) / (n - 1) >= _NARROWEST
    )


def _x(index: int, n: int) -> float:
    return index * WIDTH / (n - 1)


def _y(value: float, low: float, high: float) -> float:
    return round(HEIGHT * (high - value) / (high - low), 1)
