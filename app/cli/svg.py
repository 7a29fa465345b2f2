"""Charts as files: SVG that stands alone, made here (ADR 8). Lines have the dashboard's geometry."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from app.dashboard.charts import HEIGHT, WIDTH, Chart

MARGIN = 80
"""Room for the labels, in pixels."""
STROKES = (
    "#1463b4",
    "#b4231c",
    "#2e7d32",
    "#8a5a00",
    "#6a3fa0",
    "#00798c",
    "#9c2c77",
    "#555",
    "#c15f00",
    "#4a6b1f",
)
ROW = 22
LABELS = 250


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval, in one row."""

    label: str
    low: float
    value: float
    high: float


def draw_lines(chart: Chart, digits: int = 2) -> str:
    """Return the chart; several lines get a legend, and dashes besides colours."""
    grid = "".join(
        f'<line x1="0" x2="{WIDTH}" y1="{y}" y2="{y}" stroke="#ccc"/>'
        f'<text x="{WIDTH + 4}" y="{y + 4}">{value:,.{digits}f}</text>'
        for y, value in chart.levels
    )
    lines = "".join(
        f'<polyline fill="none" {_stroke(n)} points="{run}"/>'
        for n, line in enumerate(chart.lines)
        for run in line.runs
    )
    names = [line.name for line in chart.lines] if len(chart.lines) > 1 else []
    legend = "".join(
        f'<line x1="0" x2="30" y1="{y}" y2="{y}" {_stroke(n)}/><text x="38" y="{y + 4}">{escape(name)}</text>'
        for n, (name, y) in enumerate((name, HEIGHT + 40 + ROW * n) for n, name in enumerate(names))
    )
    axis = (
        f'<text x="0" y="{HEIGHT + 16}">{escape(chart.first_label)}</text>'
        f'<text x="{WIDTH}" y="{HEIGHT + 16}" text-anchor="end">{escape(chart.last_label)}</text>'
    )
    return _document(chart.title, chart.description, HEIGHT + ROW * len(names), grid + lines + axis + legend)


def draw_estimates(title: str, description: str, rows: Sequence[Estimate], mark: float | None = None) -> str:
    """Return a row for each estimate: the interval as a line, the value as a dot and in figures; `mark` is a limit."""
    ends = [end for row in rows for end in (row.low, row.high)] + [0.0] + ([] if mark is None else [mark])
    low, high = min(ends), max(ends)
    span = (high - low) or 1.0

    def x(value: float) -> float:
        return round(LABELS + (WIDTH - LABELS) * (value - low) / span, 1)

    height = ROW * len(rows)
    drawn = f'<line x1="{x(0)}" x2="{x(0)}" y1="0" y2="{height}" stroke="#ccc"/>'
    if mark is not None:
        drawn += f'<line x1="{x(mark)}" x2="{x(mark)}" y1="0" y2="{height}" stroke="#b4231c" stroke-dasharray="4 3"/>'
    for n, row in enumerate(rows):
        y = ROW * n + ROW // 2
        drawn += (
            f'<text x="0" y="{y + 4}">{escape(row.label)}</text>'
            f'<line x1="{x(row.low)}" x2="{x(row.high)}" y1="{y}" y2="{y}" stroke="{STROKES[0]}" stroke-width="3"/>'
            f'<circle cx="{x(row.value)}" cy="{y}" r="4" fill="{STROKES[0]}"/>'
            f'<text x="{WIDTH + 10}" y="{y + 4}">{row.value:.4g}</text>'
        )
    return _document(title, description, height, drawn)


def _stroke(n: int) -> str:
    width = 2.5 if n == 0 else 1.5
    dashes = ("", ' stroke-dasharray="6 3"', ' stroke-dasharray="2 3"')[n % 3]
    return f'stroke="{STROKES[n % len(STROKES)]}" stroke-width="{width}"{dashes}'


def _document(title: str, description: str, height: int, drawn: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -24 {WIDTH + MARGIN + 8} {height + 48}" role="img"'
        f' font-family="sans-serif" font-size="11"><title>{escape(title)}</title>'
        f'<desc>{escape(description)}</desc><rect x="-8" y="-24" width="100%" height="100%" fill="#fff"/>'
        f'<text x="0" y="-8" font-size="13">{escape(title)}</text>{drawn}</svg>\n'
    )
