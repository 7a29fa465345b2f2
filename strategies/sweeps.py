"""A sweep in pieces: parameter sets do not know of each other, so any of them can be played anywhere."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from core import native
from strategies.tasks import ShouldStop, TaskRunner

Sets = tuple[dict[str, float], ...]

PACE = {"sma_cross": 100e6, "momentum_scalping": 100e6}
"""Parameter sets times bars of a core and second, as an order of magnitude; these two are played many sets at once."""
OTHER_PACE = 2e6
WORTH_SENDING_S = 20.0
"""Seconds of one core from which a cluster is asked: joining one takes two to four."""
PIECE_S = 2.0
"""Seconds of one core for a piece."""


@dataclass(frozen=True, slots=True, eq=False)
class SweepRequest:
    """What all parameter sets of a sweep share."""

    strategy: str
    bars: native.Bars
    costs: native.Costs
    capital_usd: Decimal
    rules: str | None = None


def is_worth_sending(request: SweepRequest, n_sets: int) -> bool:
    """Return whether a sweep of so many sets is done sooner on a cluster."""
    return _seconds(request, n_sets) >= WORTH_SENDING_S


def sweep_in_pieces(
    runner: TaskRunner,
    request: SweepRequest,
    candidates: Sequence[Mapping[str, float]],
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: ShouldStop | None = None,
) -> list[native.BacktestFacts]:
    """Return what `core.native.sweep` returns for all candidates at once. Raises Cancelled, and what both raise."""
    n_each = max(1, int(PIECE_S / _seconds(request, 1)))
    sets = [dict(params) for params in candidates]
    pieces: list[Sets] = [tuple(sets[start : start + n_each]) for start in range(0, len(sets), n_each)]
    n_done = 0

    def note(_: int) -> None:
        nonlocal n_done
        n_done += 1
        if on_progress is not None:
            on_progress(n_done, len(pieces))

    played = runner.map(partial(play_piece, request), pieces, note, should_stop)
    return [facts for piece in played for facts in piece]


def play_piece(request: SweepRequest, sets: Sets) -> list[native.BacktestFacts]:
    """Return what each set of a piece made."""
    return native.sweep(request.strategy, sets, request.bars, request.costs, request.capital_usd, rules=request.rules)


def _seconds(request: SweepRequest, n_sets: int) -> float:
    return n_sets * max(1, len(request.bars)) / PACE.get(request.strategy, OTHER_PACE)
