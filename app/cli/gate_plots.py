"""The figures of a gate evaluation as SVG files."""

from pathlib import Path

from app.cli.svg import Estimate, draw_estimates, draw_lines
from app.dashboard.charts import Series, build_chart
from core.durable import replace_file
from core.errors import BadInput
from strategies.gate.evaluation import GateEvaluation, RuleFigures


def write_plots(folder: Path, found: GateEvaluation) -> list[Path]:
    """Write every plot into the folder, and return the files. Raises OSError when the disk says no."""
    pages = {
        "null_acceptance.svg": _null_acceptance(found),
        "power.svg": _curves(
            "Power: share of true improvements that go live",
            "By annual information ratio of the improvement",
            {rule.label: tuple(share.value for share in rule.power.values()) for rule in found.rules},
            _ends([f"IR {ir}" for ir in found.rules[0].power]),
        ),
        "false_by_quarter.svg": _curves(
            "Share of years with a false acceptance so far",
            "At the end of each quarter, one proposal a week and none of them better",
            {rule.label: rule.any_false_by_quarter for rule in found.rules},
            _ends([f"quarter {n + 1}" for n in range(len(found.rules[0].any_false_by_quarter))]),
        ),
        **{f"gain_{name}.svg": _gain(found, name) for name in found.rules[0].mixed},
    }
    for name, page in pages.items():
        replace_file(folder / name, page.encode())
    return [folder / name for name in pages]


def _null_acceptance(found: GateEvaluation) -> str:
    rows = []
    for rule in found.rules:
        low, high = rule.null_accept.interval
        rows.append(Estimate(rule.label, low, rule.null_accept.value, high))
    return draw_estimates(
        "Proposals without any edge that go live", "Share of single decisions, with 90 % interval", rows
    )


def _gain(found: GateEvaluation, landscape: str) -> str:
    return draw_estimates(
        f"A year on a {landscape} landscape: true Sharpe ratio gained",
        "Mean as a dot; the line goes down to what the worst 5 % of years stay below",
        [_gain_row(rule, landscape) for rule in found.rules],
    )


def _gain_row(rule: RuleFigures, landscape: str) -> Estimate:
    year = rule.mixed[landscape]
    return Estimate(rule.label, min(year.worst_gain, year.gain), year.gain, year.gain)


def _curves(title: str, description: str, lines: dict[str, tuple[float, ...]], ends: tuple[str, str]) -> str:
    series = [Series(name, f"line-{n}", values) for n, (name, values) in enumerate(lines.items())]
    chart = build_chart(title, description, series, ends)
    if chart is None:
        raise BadInput(f"there is nothing to draw for '{title}'")
    return draw_lines(chart)


def _ends(labels: list[str]) -> tuple[str, str]:
    return labels[0], labels[-1]
