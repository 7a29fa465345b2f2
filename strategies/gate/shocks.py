"""Markets worse than the sample: gaps put in, feeds that fall silent, recorded crash days, and days in other orders."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt

from core.metrics import Series
from core.native import DAY_NS, KST_OFFSET_NS, Bars
from core.settings_sections import CostSettings
from strategies.gate.split import HistorySplit

GAP = -0.30
SPREAD_MULTIPLE = 10.0
"""Spread inside a gap over the usual one. Latency below a candle's length moves no fill on candles."""
SILENCE_NS = DAY_NS // 4
"""For so long the feed holds nothing when it falls silent at a gap."""
N_PLACES = 24
"""Enough that both meet a gap with about the largest position they ever hold."""
LEAD_IN = timedelta(days=10)
"""Of every scenario: fills indicators and is not traded on recorded days and on paths."""
LEAD_IN_NS = 10 * DAY_NS
AFTERMATH_NS = 5 * DAY_NS
CRASH_DAYS = (
    date(2020, 3, 12),
    date(2021, 5, 19),
    date(2022, 5, 11),
    date(2022, 11, 8),
    date(2024, 8, 5),
    date(2025, 10, 10),
)
"""UTC dates on which crypto markets fell most."""
CRASH_LENGTH = timedelta(days=3)
N_PATHS = 200
PATH_DAYS = 30
BLOCK_DAYS = 5
COLUMNS = ("symbol", "opened_at_ns", "closed_at_ns", "open", "high", "low", "close", "volume")

Mask = npt.NDArray[np.bool_]


def places() -> tuple[float, ...]:
    """Return where the gaps are put, as shares of the window."""
    return tuple((k + 1) / (N_PLACES + 1) for k in range(N_PLACES))


def gapped(bars: Bars, place: float, silence_ns: int = 0) -> Bars:
    """Return the bars around one place, every price 30 % lower from there on: one gap, and no trade inside it.

    `place` is a share of the time the bars span; ten days lead in and five follow. The bars of the first `silence_ns`
    after the gap are missing: whoever holds a position learns of the gap that much later.
    """
    start, end = int(bars.closed_at_ns[0]), int(bars.closed_at_ns[-1])
    gap_at = start + int(place * (end - start))
    first, last = np.searchsorted(bars.closed_at_ns, [gap_at - LEAD_IN_NS, gap_at + AFTERMATH_NS], side="right")
    near = _rows(bars, slice(int(first), int(last)))
    if silence_ns:
        near = _rows(near, (near.closed_at_ns < gap_at) | (near.closed_at_ns >= gap_at + silence_ns))
    after = near.closed_at_ns >= gap_at
    return replace(
        near,
        open=_fallen(near, near.open, after),
        high=_fallen(near, near.high, after),
        low=_fallen(near, near.low, after),
        close=_fallen(near, near.close, after),
    )


def wider(costs: CostSettings) -> CostSettings:
    """Return the costs while the spread is ten times as wide; fees stay."""
    return costs.model_copy(update={"slippage_bps": costs.slippage_bps * SPREAD_MULTIPLE})


def crash_windows(split: HistorySplit, span: tuple[datetime, datetime]) -> list[tuple[datetime, datetime, datetime]]:
    """Return warm-up start, start and end of each recorded crash that the bars hold and that is not sealed.

    Days older than the sealed stretch count only once it is as long as it may get: until then it may grow into them.
    """
    found = []
    for day in CRASH_DAYS:
        start_at = datetime(day.year, day.month, day.day, tzinfo=UTC)
        warm_from, end_at = start_at - LEAD_IN, start_at + CRASH_LENGTH
        is_older = split.is_full and end_at <= split.sealed_start_at
        if span[0] <= warm_from and end_at <= span[1] and (is_older or warm_from >= split.seen_start_at):
            found.append((warm_from, start_at, end_at))
    return found


def draw_days(bars: Bars, seed: int) -> npt.NDArray[np.int64] | None:
    """Return 200 paths of 40 KST days each, in blocks of five days in a row; ten days of a path only warm up.

    A circular block bootstrap would join the last day to the first; here a block that would run over the end is not
    drawn (Kuensch 1989). None for bars of fewer than 60 days. The same seed, the same paths.
    """
    # Counted as the engine counts them: days that hold a bar.
    n_days = len(np.unique((bars.closed_at_ns - 1 + KST_OFFSET_NS) // DAY_NS))
    length = LEAD_IN.days + PATH_DAYS
    if n_days < 2 * PATH_DAYS:
        return None
    starts = np.random.default_rng(seed).integers(1, n_days - BLOCK_DAYS + 1, size=(N_PATHS, length // BLOCK_DAYS))
    return np.asarray((starts[:, :, None] + np.arange(BLOCK_DAYS)).reshape(N_PATHS, length), dtype=np.int64)


def _rows(bars: Bars, rows: slice | Mask) -> Bars:
    return replace(bars, **{name: getattr(bars, name)[rows] for name in COLUMNS})


def _fallen(bars: Bars, prices: Series, after: Mask) -> Series:
    ticks = np.array([float(tick) for tick in bars.ticks])[bars.symbol]
    return np.where(after, np.maximum(np.round(prices * (1.0 + GAP) / ticks), 1) * ticks, prices)
