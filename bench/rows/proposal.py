"""What it takes to judge one proposal: a thousand one-year backtests of the strategy it is about.

The peer has no `momentum_scalping`, so it plays as many crossings of averages over as many bars: the work differs in
kind, the number of bars and parameter sets is the same.
"""

from functools import partial
from pathlib import Path

from bench.data import bars_file
from bench.measure import Goal, Measure, Row, Size, build_row, our_python, take_turns
from bench.rows.bars import play


def _proposal(folder: Path, size: Size) -> list[Row]:
    data = bars_file(folder, size.n_year_bars)
    both = take_turns(
        partial(play, "ours", data, f"proposal:{size.n_candidates}", our_python()),
        "vectorbt",
        partial(play, "vectorbt", data, f"proposal:{size.n_candidates}"),
        size.runs,
    )
    n = size.n_year_bars * size.n_candidates
    rates = tuple([n / run["seconds"] for run in side] for side in both)
    work = f"{size.n_candidates:,} backtests of momentum_scalping over {size.n_year_bars:,} bars"
    return [build_row("proposal_1000", work, "parameter-bars/s", "vectorbt", (rates[0], rates[1]), Goal(6, 60))]


MEASUREMENTS: dict[tuple[str, ...], Measure] = {("proposal_1000",): _proposal}
