"""`xcrack ml patterns`: what chart and candle patterns were worth on candle files of anybody."""

from dataclasses import asdict
from pathlib import Path

import click
import numpy as np

from app.cli.candle_files import read_candles
from app.cli.output import json_option, print_json, print_table, start
from core.clock import SystemClock
from core.errors import BadInput
from market.pattern_evidence import MAX_Q, PatternEvidence, measure_patterns
from market.pattern_scan import scan_patterns
from ml.evaluate.files import CandleFile


@click.command("patterns")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--symbol", help="Symbol of the candles; without it the end of the file's name.")
@click.option(
    "--horizon", default=5, show_default=True, type=click.IntRange(1, 10_000), help="Bars to the judged close."
)
@click.option("--evident", is_flag=True, help="Only the patterns that have evidence.")
@json_option
def patterns(files: tuple[Path, ...], symbol: str | None, horizon: int, evident: bool, as_json: bool) -> None:
    """Measure how often each pattern in candle FILES was followed by the move it announces.

    The rate stands beside that of the same signals at every other time of the file. A pattern without evidence is shown
    as such; with evidence means a false discovery rate of at most 10 % over all patterns of a file, before costs.

    \b
    xcrack ml patterns binance_1h_BTCUSDT.parquet
    xcrack ml patterns binance_1h_BTCUSDT.parquet --horizon 24 --evident
    """
    if symbol and len(files) > 1:
        raise BadInput("--symbol names one symbol, and several files were given", "Measure them one by one")
    start(is_quiet=True)
    now = SystemClock().now()
    rows: list[dict[str, object]] = []
    for path in files:
        file = read_candles(path, symbol, now)
        found = measure_file(file, horizon)
        shown = [one for one in found if one.has_evidence or not evident]
        if not as_json:
            _print(file, found, shown)
        rows += [{"symbol": file.symbol} | asdict(one) for one in shown]
    if as_json:
        print_json(rows)


def measure_file(file: CandleFile, horizon_bars: int) -> tuple[PatternEvidence, ...]:
    """Return the evidence for each pattern of a file, those with the smallest p value first."""
    found = measure_patterns(scan_patterns(file.candles, file.interval_ms), file.candles.close, horizon_bars)
    return tuple(sorted(found, key=lambda one: (one.p_value is None, one.p_value or 0.0, -one.n, one.name)))


def _print(file: CandleFile, found: tuple[PatternEvidence, ...], shown: list[PatternEvidence]) -> None:
    n_evident = sum(one.has_evidence for one in found)
    print_table(
        f"{file.symbol}: {len(file.candles):,} bars, {len(found)} patterns, {n_evident} with evidence (q <= {MAX_Q:g})",
        ("pattern", "n", "hits", "90 % interval", "at other times", "move bps", "q", "evidence"),
        [_cells(one) for one in shown],
        "None of them has evidence.",
    )


def _cells(one: PatternEvidence) -> tuple[str, ...]:
    def share(value: float | None) -> str:
        return "–" if value is None else f"{value:.1%}"

    interval = "–" if one.hit_rate_ci is None else f"{one.hit_rate_ci[0]:.1%} – {one.hit_rate_ci[1]:.1%}"
    move = "–" if one.mean_move_bps is None or not np.isfinite(one.mean_move_bps) else f"{one.mean_move_bps:+.1f}"
    q = "–" if one.q_value is None else f"{one.q_value:.3f}"
    word = "yes" if one.has_evidence else "too few" if one.p_value is None else "none"
    return one.name, f"{one.n:,}", share(one.hit_rate), interval, share(one.null_rate), move, q, word
