"""What it takes to judge one proposal: a thousand one-year backtests of the strategy it is about.

The peer has no `momentum_scalping`, so it plays crossings of averages over as many bars: the work differs in kind, and
figures are per bar and parameter set. A thousand sets take the peer more than a minute a run, so it plays a tenth of
them; two rows of their own check that the time of either side grows with the number of sets and no faster or slower.
`python -m bench --candidates N` measures another number of sets.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.data import bars_file
from bench.measure import Goal, Measure, Row, Size, build_row, our_python, take_turns
from bench.rows.bars import play

PEER = "vectorbt"
PEER_SHARE = 10
"""The peer plays one of so many sets."""
FEWER = 4
"""What is checked for growth is measured with so many times fewer sets as well."""
LINEAR = 0.8
"""Sets a second, beside those of the measurement with fewer sets: below, time grows faster than the number of sets."""

Runs = Sequence[dict[str, float]]


def _proposal(folder: Path, size: Size) -> list[Row]:
    data = bars_file(folder, size.n_year_bars)
    n, n_peer = size.n_candidates, max(size.n_candidates // PEER_SHARE, 2 * FEWER)
    whole = _take_turns(data, n, n_peer, size.runs)
    fewer = _take_turns(data, max(n // FEWER, 1), n_peer // FEWER, size.runs)

    def rates(runs: Runs, n_sets: int) -> list[float]:
        return [size.n_year_bars * n_sets / run["seconds"] for run in runs]

    ours, theirs = rates(whole[0], n), rates(whole[1], n_peer)
    work = f"{n:,} backtests of momentum_scalping over {size.n_year_bars:,} bars, 2 threads; {n_peer:,} of the peer's"
    unit = "parameter-bars/s"
    rows = [build_row("proposal_1000", work, unit, PEER, (ours, theirs), Goal(6, 60))]
    for side, all_of_it, part, n_sets in (
        ("ours", ours, rates(fewer[0], max(n // FEWER, 1)), n),
        (PEER, theirs, rates(fewer[1], n_peer // FEWER), n_peer),
    ):
        if all_of_it:
            work = f"{n_sets:,} parameter sets beside a quarter of them"
            rows.append(build_row(f"proposal_linear.{side}", work, unit, "a quarter", (all_of_it, part), Goal(LINEAR)))
    return rows


def _take_turns(data: Path, n_ours: int, n_peer: int, runs: int) -> tuple[Runs, Runs]:
    return take_turns(
        partial(play, "ours", data, f"proposal:{n_ours}", our_python()),
        PEER,
        partial(play, PEER, data, f"proposal:{n_peer}"),
        runs,
    )


MEASUREMENTS: dict[tuple[str, ...], Measure] = {
    ("proposal_1000", "proposal_linear.ours", f"proposal_linear.{PEER}"): _proposal
}
