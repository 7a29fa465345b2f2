"""The equity curve of a backtest as a file."""

from pathlib import Path

import numpy as np

from app.cli.svg import draw_lines
from app.dashboard.charts import WIDTH, Series, build_chart
from core.clock import from_ns
from core.errors import BadInput
from core.native import BacktestFacts


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
    path.write_text(draw_lines(chart), encoding="utf-8")
