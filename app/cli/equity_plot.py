"""The equity curve of a backtest as a file: the geometry of the dashboard's charts, in an SVG that stands alone."""

from html import escape
from pathlib import Path

import numpy as np

from app.dashboard.charts import HEIGHT, WIDTH, Chart, Series, build_chart
from core.clock import from_ns
from core.errors import BadInput
from core.native import BacktestFacts

MARGIN = 80
"""Room for the labels, in pixels."""


def require_svg(path: Path) -> None:
    """Raise BadInput for a file that no SVG can be written to, before the work is done."""
    if path.suffix.lower() != ".svg":
        raise BadInput(f"cannot draw into {path}: a curve is written as SVG only", "Name a file that ends in .svg")
    if not path.absolute().parent.is_dir():
        raise BadInput(f"the folder of {path} does not exist", "Make it first")


def write_equity(path: Path, facts: BacktestFacts) -> None:
    """Draw the curve, thinned to one point a pixel. Raises BadInput when it has fewer than two points."""
    n = len(facts.equity_usd)
    kept = np.unique(np.linspace(0, n - 1, min(n, WIDTH)).round().astype(int)) if n else np.array([], dtype=int)
    line = Series("equity", "equity", tuple(facts.equity_usd[kept].tolist()))
    ends = tuple(f"{from_ns(int(facts.equity_at_ns[at])):%Y-%m-%d %H:%M} UTC" for at in (0, -1)) if n else ("", "")
    chart = build_chart("Equity in USD", "Capital and profit after costs", [line], (ends[0], ends[1]))
    if chart is None:
        raise BadInput("there are fewer than two bars, and no curve to draw", "Give more candles, or leave --plot out")
    path.write_text(_svg(chart), encoding="utf-8")


def _svg(chart: Chart) -> str:
    grid = "".join(
        f'<line x1="0" x2="{WIDTH}" y1="{y}" y2="{y}" stroke="#ccc"/>'
        f'<text x="{WIDTH + 4}" y="{y + 4}">{value:,.2f}</text>'
        for y, value in chart.levels
    )
    lines = "".join(
        f'<polyline fill="none" stroke="#1463b4" stroke-width="1.5" points="{run}"/>'
        for line in chart.lines
        for run in line.runs
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -24 {WIDTH + MARGIN + 8} {HEIGHT + 48}" role="img"'
        f' font-family="sans-serif" font-size="11"><title>{escape(chart.title)}</title>'
        f"<desc>{escape(chart.description)}</desc>"
        f'<rect x="-8" y="-24" width="100%" height="100%" fill="#fff"/>{grid}{lines}'
        f'<text x="0" y="-8" font-size="13">{escape(chart.title)}</text><text x="0" y="{HEIGHT + 16}">'
        f'{escape(chart.first_label)}</text><text x="{WIDTH}" y="{HEIGHT + 16}" text-anchor="end">'
        f"{escape(chart.last_label)}</text></svg>\n"
    )
