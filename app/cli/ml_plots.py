"""The figures of an evaluation of models as SVG files."""

from collections.abc import Sequence
from pathlib import Path

from app.cli.svg import Estimate, draw_estimates, draw_lines
from app.dashboard.charts import Series, build_chart
from core.durable import replace_file
from ml.evaluate.report import EvaluationRow


def write_plots(folder: Path, rows: Sequence[EvaluationRow]) -> list[Path]:
    """Write every plot into the folder, and return the files. Raises OSError when the disk says no."""
    pages = {
        "accuracy.svg": _accuracy(rows),
        "top_tenth.svg": _top_tenth(rows),
        **{f"quarters_{symbol}.svg": _quarters(symbol, rows) for symbol in dict.fromkeys(row.symbol for row in rows)},
        **{f"skill_{row.symbol}_{row.task}_{row.horizon}.svg": _skill(row) for row in rows},
    }
    written = []
    for name, page in pages.items():
        if page:
            replace_file(folder / name, page.encode())
            written.append(folder / name)
    return written


def _label(row: EvaluationRow) -> str:
    return f"{row.symbol} {row.task} {row.horizon}"


def _accuracy(rows: Sequence[EvaluationRow]) -> str:
    return draw_estimates(
        "Accuracy less that of always saying the commonest class",
        "Share of all scored bars, with 95 % interval by weeks; 0 is no better than the commonest class",
        [
            Estimate(_label(row), *(value - row.majority for value in (low, row.accuracy, high)))
            for row in rows
            for low, high in [row.accuracy_ci or (row.accuracy, row.accuracy)]
        ],
    )


def _top_tenth(rows: Sequence[EvaluationRow]) -> str:
    return draw_estimates(
        "The tenth with the strongest scores",
        "How often the direction was right, or the move came; thresholds from earlier scores, 95 % interval by weeks",
        [
            Estimate(_label(row), low, covered.accuracy, high)
            for row in rows
            if (covered := row.coverage_10).accuracy is not None
            for low, high in [covered.ci or (covered.accuracy, covered.accuracy)]
        ],
    )


def _quarters(symbol: str, rows: Sequence[EvaluationRow]) -> str:
    own = [row for row in rows if row.symbol == symbol]
    longest = max(len(row.by_quarter) for row in own)
    series = [
        Series(f"{row.task} {row.horizon}", f"line-{n}", (*row.by_quarter, *[None] * (longest - len(row.by_quarter))))
        for n, row in enumerate(own)
    ]
    chart = build_chart(
        f"{symbol}: accuracy in each run of 91 days", "Out of sample", series, (own[0].period[0][:10],
        own[0].period[1][:10]), unit="number",
    )  # fmt: skip
    return draw_lines(chart, digits=3) if chart else ""


def _skill(row: EvaluationRow) -> str:
    rows = [("whole", row.log_loss_skill), *((figures.name, figures.log_loss_skill) for figures in row.experts)]
    return draw_estimates(
        f"{_label(row)}: log-loss skill over the prior",
        "Share of the prior's log loss that is saved; below 0 is worse than knowing nothing",
        [Estimate(name, min(value, 0.0), value, max(value, 0.0)) for name, value in rows if value is not None],
    )
