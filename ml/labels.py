"""What is predicted: labels of closed bars, each with the bar at whose close it is known. None crosses a segment.

Row i is predicted at the close of bar i and bought or sold there. A label that cannot be known, because the series or
its segment ends first or two barriers lie in one candle, is NaN with end -1: it is left out, never guessed.
Binary labels are 0 and 1; labels of three classes are -1, 0 and 1. Volatility scaling and the triple barrier after
Lopez de Prado, Advances in Financial Machine Learning (2018), chapters 3 and 4.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import BadInput
from market.candles import Floats, Integers
from ml.features.table import FeatureTable

SIGMA_HALF_LIFE_BARS = 24.0
SIGMA_WARMUP_BARS = 24
"""Returns that a volatility must rest on before it scales anything."""
SIDES = {"pays_long": 1.0, "pays_short": -1.0}
"""Tasks that ask whether a side pays more than it costs, and the sign of that side."""
SETTLED_AT_CLOSE = ("sign", "big_move", *SIDES)
"""Tasks whose label follows from two closes alone: known to everybody who has the bar that settles it."""


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """One label a row."""

    y: Floats
    """(n,) the class; NaN where it is not known."""
    end: Integers
    """(n,) row at whose close the label is settled; -1 where it is not known."""
    move: Floats
    """(n,) log return from the close of the row to where the label is settled; NaN where it is not known."""

    def __len__(self) -> int:
        return len(self.y)

    @property
    def is_known(self) -> npt.NDArray[np.bool_]:
        """(n,) whether the row has a label."""
        return self.end >= 0


def sign_label(table: FeatureTable, horizon_bars: int) -> Labels:
    """Return 1 where the close is higher `horizon_bars` later, 0 where it is lower; an unchanged close has no label."""
    move, end = _moves(table, horizon_bars)
    return _labels(np.where(move == 0, np.nan, move > 0), end, move)


def closing_label(task: str, threshold: float, before: float, after: float) -> int | None:
    """Return the label of one of `SETTLED_AT_CLOSE` from two closes, above zero; None where it has none.

    What serving, trials and the store settle by; `sign_label`, `big_move_label` and `pays_label` are the same over a
    table.
    """
    if task == "big_move":
        return int(abs(after / before - 1) > threshold)
    if task in SIDES:
        return int(SIDES[task] * np.log(after / before) > threshold)
    return None if after == before else int(after > before)


def pays_label(table: FeatureTable, task: str, horizon_bars: int, cost: float) -> Labels:
    """Return 1 where holding the side over the horizon earned more than `cost` of log price (0.002 is 20 bps), else 0.

    `meta_label` of a strategy that gives a signal of this side at every bar and leaves at the horizon. So the answer
    is about every bar, and a signal of any strategy may read it; it says nothing of one strategy's own choice of bars.
    """
    side = np.full(len(table), SIDES[task])
    return meta_label(table, side, horizon_bars, 1.0, cost * 1e4, use_barriers=False)


def big_move_label(table: FeatureTable, horizon_bars: int, threshold: float) -> Labels:
    """Return 1 where |simple return| over the horizon is above `threshold` (0.02 is 2 %), else 0."""
    _require_positive(threshold, "threshold")
    move, end = _moves(table, horizon_bars)
    return _labels(np.where(np.isnan(move), np.nan, np.abs(np.expm1(move)) > threshold), end, move)


def two_percent(table: FeatureTable, horizon_bars: int = 5, threshold: float = 0.02) -> Labels:
    """Return 1 or -1 where the simple return over the horizon is beyond the threshold on that side, else 0."""
    _require_positive(threshold, "threshold")
    move, end = _moves(table, horizon_bars)
    simple = np.expm1(move)
    return _labels(
        np.where(np.abs(simple) > threshold, np.sign(simple), np.where(np.isnan(move), np.nan, 0)), end, move
    )


def move_over_sigma(table: FeatureTable, horizon_bars: int, k: float) -> Labels:
    """Return 1 where |log return| over the horizon is above k sigma sqrt(horizon), else 0; sigma as `ewma_sigma`."""
    _require_positive(k, "k")
    move, end = _moves(table, horizon_bars)
    limit = k * ewma_sigma(table) * np.sqrt(horizon_bars)
    known = ~np.isnan(move) & ~np.isnan(limit)
    return _labels(np.where(known, np.abs(move) > limit, np.nan), end, move)


def triple_barrier(table: FeatureTable, horizon_bars: int, k: float) -> Labels:
    """Return which barrier the price touches first: 1 the upper, -1 the lower, 0 neither within the horizon.

    Barriers lie k sigma sqrt(horizon) of log price from the close, sigma as `ewma_sigma`; highs and lows touch them.
    A row whose horizon its segment does not hold is unknown even if touched: else only touches were known there.
    `end` is the bar of the touch, `move` goes to the barrier (or the last close): an exit at the barrier's price.
    """
    _require_positive(k, "k")
    last_move, last_end = _moves(table, horizon_bars)
    width = k * ewma_sigma(table) * np.sqrt(horizon_bars)
    n = len(table)
    rows = np.flatnonzero((last_end >= 0) & (width > 0))
    log_close, log_high, log_low = np.log(table.close), np.log(table.high), np.log(table.low)
    y, move, end = np.full(n, np.nan), np.full(n, np.nan), np.full(n, -1, dtype=np.int64)
    open_rows = rows
    for step in range(1, horizon_bars + 1):
        at = open_rows + step
        is_up = log_high[at] >= log_close[open_rows] + width[open_rows]
        is_down = log_low[at] <= log_close[open_rows] - width[open_rows]
        for touched, side in ((is_up & ~is_down, 1.0), (is_down & ~is_up, -1.0)):
            hit = open_rows[touched]
            y[hit], end[hit], move[hit] = side, hit + step, side * width[hit]
        # Both in one candle: which came first cannot be read from it, so the row stays unknown.
        open_rows = open_rows[~is_up & ~is_down]
    y[open_rows], end[open_rows], move[open_rows] = 0.0, last_end[open_rows], last_move[open_rows]
    return Labels(y, end, move)


def meta_label(
    table: FeatureTable, side: Floats, horizon_bars: int, k: float, fee_bps: float, use_barriers: bool = True
) -> Labels:
    """Return whether a strategy's own signal was worth taking: 1 where its trade earned more than its fees, else 0.

    `side` (n,) is 1 to buy, -1 to sell, 0 or NaN for no signal, which has no label. The trade leaves at the first
    barrier as in `triple_barrier`, or without barriers at the horizon. `fee_bps` is paid for both ways together.
    """
    if len(side) != len(table):
        raise BadInput(f"{len(side)} signals for {len(table)} rows", "Give one side a row, 0 where there is no signal")
    if fee_bps < 0:
        raise BadInput(f"a fee of {fee_bps:g} bps is below zero", "Give the cost of both ways, such as 20")
    if use_barriers:
        outcome = triple_barrier(table, horizon_bars, k)
        move, end = outcome.move, outcome.end
    else:
        move, end = _moves(table, horizon_bars)
    is_signal = np.isfinite(side) & (side != 0) & np.isfinite(move)
    net = np.where(is_signal, np.sign(side) * move - fee_bps / 1e4, np.nan)
    return _labels(np.where(is_signal, net > 0, np.nan), end, move)


def ewma_sigma(table: FeatureTable, half_life_bars: float = SIGMA_HALF_LIFE_BARS) -> Floats:
    """Return (n,) the standard deviation of one bar's log return as known at its close, NaN in the warm-up.

    Square root of the exponentially weighted mean of squared returns, started anew and bias-corrected in each segment.
    """
    _require_positive(half_life_bars, "half_life_bars")
    decay = 0.5 ** (1 / half_life_bars)
    log_close = np.log(table.close)
    sigma = np.full(len(table), np.nan)
    for first, last in _segments(table.segment):
        squares = np.diff(log_close[first:last]) ** 2
        weighted, weight = 0.0, 0.0
        for place, square in enumerate(squares, start=1):
            weighted = decay * weighted + (1 - decay) * square
            weight = decay * weight + (1 - decay)
            if place >= SIGMA_WARMUP_BARS:
                sigma[first + place] = np.sqrt(weighted / weight)
    return sigma


def _moves(table: FeatureTable, horizon_bars: int) -> tuple[Floats, Integers]:
    """Return the log return over the horizon and the row that ends it, unknown where the segment ends before."""
    if horizon_bars < 1:
        raise BadInput(f"a horizon of {horizon_bars} bars looks at nothing", "Give at least 1 bar")
    n = len(table)
    move, end = np.full(n, np.nan), np.full(n, -1, dtype=np.int64)
    if n > horizon_bars:
        is_whole = table.segment[horizon_bars:] == table.segment[:-horizon_bars]
        log_close = np.log(table.close)
        ahead = log_close[horizon_bars:] - log_close[:-horizon_bars]
        move[:-horizon_bars] = np.where(is_whole, ahead, np.nan)
        end[:-horizon_bars] = np.where(is_whole, np.arange(horizon_bars, n), -1)
    return move, end


def _labels(y: npt.ArrayLike, end: Integers, move: Floats) -> Labels:
    values = np.asarray(y, dtype=np.float64)
    values = np.where(np.isnan(move), np.nan, values)
    known = ~np.isnan(values)
    return Labels(values, np.where(known, end, -1), np.where(known, move, np.nan))


def _segments(segment: Integers) -> list[tuple[int, int]]:
    """Return (first, past last) of each run of equal numbers."""
    borders = np.flatnonzero(np.diff(segment)) + 1
    starts = [0, *borders.tolist()] if len(segment) else []
    return list(zip(starts, [*borders.tolist(), len(segment)], strict=bool(starts)))


def _require_positive(value: float, name: str) -> None:
    if not value > 0:
        raise BadInput(f"{name} is {value:g} and must be above zero")
