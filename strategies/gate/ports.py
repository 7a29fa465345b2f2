"""What the gate needs from outside: bars of the past, and a machine that plays a strategy over them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol

import numpy as np
import numpy.typing as npt

from core.native import Bars
from core.settings import CostSettings

Series = npt.NDArray[np.float64]
Days = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DailyFacts:
    """What one parameter set made, per KST day. Money in USD, after costs."""

    days: Days
    """Day numbers since 1970-01-01."""
    pnl_usd: Series
    n_trades: int
    fees_usd: float
    slippage_usd: float
    trades: frozenset[tuple[float, ...]]
    """The round trips as comparable tuples; empty in a sweep, which does not keep them."""

    def day_texts(self) -> tuple[str, ...]:
        """Return the days as ISO dates."""
        return tuple((date(1970, 1, 1) + timedelta(days=int(number))).isoformat() for number in self.days)

    def equity(self, capital_usd: float) -> tuple[float, ...]:
        """Return capital plus the profit so far at the end of each day."""
        return tuple(float(value) for value in capital_usd + np.cumsum(self.pnl_usd))


class BarSource(Protocol):
    """Closed bars, never later than the clock."""

    def symbols(self) -> tuple[str, ...]:
        """Return what there is."""
        ...

    def span(self, symbols: Sequence[str] | None = None) -> tuple[datetime, datetime]:
        """Return the stretch all symbols share; BadInput when there is none."""
        ...

    def load(self, symbols: Sequence[str], start_at: datetime, end_at: datetime) -> Bars:
        """Return the bars that closed after `start_at` and at or before `end_at`."""
        ...


class Backtester(Protocol):
    """Plays strategies; the same input gives the same facts."""

    def validate(self, strategy: str, params: Mapping[str, float]) -> str:
        """Return the hash of sound parameters; others raise BadInput."""
        ...

    def backtest(
        self,
        strategy: str,
        params: Mapping[str, float],
        bars: Bars,
        costs: CostSettings,
        capital_usd: Decimal,
        trade_from_ns: int,
    ) -> DailyFacts:
        """Return the facts of one parameter set, with its trades; bars up to `trade_from_ns` only warm up."""
        ...

    def sweep(
        self,
        strategy: str,
        params: Sequence[Mapping[str, float]],
        bars: Bars,
        costs: CostSettings,
        capital_usd: Decimal,
        trade_from_ns: int,
    ) -> list[DailyFacts]:
        """Return the facts of each parameter set in order, without trades."""
        ...


def dearer(costs: CostSettings, multiple: float) -> CostSettings:
    """Return costs times `multiple`; a maker rebate shrinks by it, so that nothing gets cheaper."""
    maker = costs.maker_fee_bps
    return costs.model_copy(
        update={
            "maker_fee_bps": maker * multiple if maker >= 0 else maker / multiple,
            "taker_fee_bps": costs.taker_fee_bps * multiple,
            "slippage_bps": costs.slippage_bps * multiple,
        }
    )
