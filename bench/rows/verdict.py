"""What a verdict costs: one proposal through admission, screen, stress and sealed test, by the gate as it runs.

The peer plays no more than the two plain backtests of candidate and incumbent over the same bars: crossings of
averages, the one strategy that both sides have. Each side has the bars in memory.
"""

from functools import partial
from pathlib import Path

from bench.data import market_files
from bench.measure import Goal, Measure, Row, Size, build_row, our_python, run_child, take_turns

PEER = "vectorbt"
N_SYMBOLS = 4
N_YEARS = 3


def _verdict(folder: Path, size: Size) -> list[Row]:
    files = [str(path) for path in market_files(folder, N_YEARS * size.n_year_bars, N_SYMBOLS)]
    ours, theirs = take_turns(
        partial(run_child, our_python(), "verdict_ours", files),
        PEER,
        lambda python: run_child(python, "verdict_vectorbt", files),
        size.runs,
    )
    seconds = tuple([run["seconds"] for run in side] for side in (ours, theirs))
    n_bars = N_YEARS * size.n_year_bars
    work = (
        f"screen, stress and sealed test over {N_SYMBOLS} symbols x {n_bars:,} bars; two plain backtests of the peer's"
    )
    return [build_row("gate_verdict", work, "s", PEER, (seconds[0], seconds[1]), Goal(1, 5), higher_is_better=False)]


MEASUREMENTS: dict[tuple[str, ...], Measure] = {("gate_verdict",): _verdict}
"""The one row."""
