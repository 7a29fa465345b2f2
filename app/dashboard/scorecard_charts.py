"""Geometry of the scorecard's charts; `_scorecard_charts.html` draws them as inline SVG, without script or style."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from app.dashboard.charts import HEIGHT, WIDTH
from core.model.scorecard import Figure

ROW_HEIGHT = 34
N_BINS = 10
_MARGIN = 0.06


@dataclass(frozen=True, slots=True)
class IntervalRow:
    """A share's interval as a bar from `x_low` to `x_high`; `x` is its point, None where it is too few to tell."""

    name: str
    y: float
    x_low: float | None
    x_high: float | None
    x: float | None
    said: str


@dataclass(frozen=True, slots=True)
class IntervalChart:
    """Shares from 0 to 1, one a row, beside the line of chance at one half."""

    rows: tuple[IntervalRow, ...]
    height: float
    x_half: float = WIDTH / 2


@dataclass(frozen=True, slots=True)
class BandChart:
    """A line with a band around what it stands for, and the level of zero."""

    line: str
    """SVG `points`."""
    band: str
    """SVG `points` of the closed outline; empty while there is no band."""
    levels: tuple[tuple[float, float], ...]
    """(y, value), top first."""
    y_zero: float
    last: float
    first_label: str
    last_label: str


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar of a histogram over [low, high)."""

    x: float
    y: float
    width: float
    height: float
    low: float
    n: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values fell into each tenth of [0, 1], and how high every bar would be if all were alike."""

    bins: tuple[Bin, ...]
    y_even: float
    n: int


def interval_chart(rows: Sequence[tuple[str, Figure, str]]) -> IntervalChart | None:
    """Return the chart of (name, share, what it says); None when no row has an interval."""
    if all(figure.low is None for _, figure, _ in rows):
        return None
    drawn = tuple(
        IntervalRow(name, ROW_HEIGHT * (k + 0.5), _x(figure.low), _x(figure.high), _x(figure.value), said)
        for k, (name, figure, said) in enumerate(rows)
    )
    return IntervalChart(drawn, ROW_HEIGHT * len(rows))


def band_chart(path: Sequence[tuple[date, float, float | None, float | None]]) -> BandChart | None:
    """Return the chart of (day, value, low, high); None with fewer than two days."""
    if len(path) < 2:
        return None
    known = [0.0, *(value for _, *values in path for value in values if value is not None)]
    low, high = min(known), max(known)
    room = (high - low) * _MARGIN or 1.0
    low, high = low - room, high + room

    def point(index: int, value: float) -> str:
        return f"{index * WIDTH / (len(path) - 1):.1f},{_y(value, low, high):.1f}"

    lower = [point(k, below) for k, (_, _, below, _) in enumerate(path) if below is not None]
    upper = [point(k, above) for k, (_, _, _, above) in enumerate(path) if above is not None]
    return BandChart(
        line=" ".join(point(k, value) for k, (_, value, _, _) in enumerate(path)),
        band=" ".join([*upper, *reversed(lower)]) if len(lower) > 1 else "",
        levels=tuple((_y(value, low, high), value) for value in (high - room, (low + high) / 2, low + room)),
        y_zero=_y(0.0, low, high),
        last=path[-1][1],
        first_label=path[0][0].isoformat(),
        last_label=path[-1][0].isoformat(),
    )


def histogram(values: Sequence[float]) -> Histogram | None:
    """Return the histogram of values in [0, 1]; None without any."""
    if not values:
        return None
    counts = [0] * N_BINS
    for value in values:
        counts[min(int(value * N_BINS), N_BINS - 1)] += 1
    scale = HEIGHT / (max(*counts, len(values) / N_BINS) * (1 + _MARGIN))
    width = WIDTH / N_BINS
    bins = tuple(
        Bin(k * width + 2, HEIGHT - n * scale, width - 4, n * scale, k / N_BINS, n) for k, n in enumerate(counts)
    )
    return Histogram(bins, HEIGHT - len(values) / N_BINS * scale, len(values))


def _x(share: float | None) -> float | None:
    return None if share is None else round(WIDTH * share, 1)


def _y(value: float, low: float, high: float) -> float:
    return round(HEIGHT * (high - value) / (high - low), 1)
