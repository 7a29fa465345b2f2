"""Station 8 of a trade's life: a strategy played over closed bars by the compiled engine, the very code that trades.

Without account limits: those hold for candidate and incumbent alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from core import native
from core.metrics import Series
from core.native import Bars
from core.settings_sections import CostSettings

TRADE_KEY = ("entry_at_ns", "exit_at_ns", "symbol", "side", "qty", "entry_price", "exit_price")
"""Round trips that agree in these are the same trade."""


@dataclass(frozen=True, slots=True)
class DailyFacts:
    """What one parameter set made, per KST day. Money in USD, after costs."""

    days: npt.NDArray[np.int64]
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


def run(
    strategy: str,
    params: Mapping[str, float],
    bars: Bars,
    costs: CostSettings,
    capital_usd: Decimal,
    trade_from_ns: int = 0,
    rules: str | None = None,
) -> DailyFacts:
    """Return the facts of one parameter set, with its trades; bars closed up to `trade_from_ns` only warm up.

    The same input gives the same facts. `rules` is the rule set of strategy `rules`. Raises BadInput for parameters,
    rules or bars that the engine refuses, and for a strategy that bars tell nothing.
    """
    asked = (strategy, params, bars, native_costs(costs), capital_usd)
    return _facts(native.backtest(*asked, trade_from_ns=trade_from_ns, rules=rules))


def sweep(
    strategy: str,
    params: Sequence[Mapping[str, float]],
    bars: Bars,
    costs: CostSettings,
    capital_usd: Decimal,
    trade_from_ns: int = 0,
    rules: str | None = None,
) -> list[DailyFacts]:
    """Return what `run` does for each parameter set in order, on all cores and without trades."""
    asked = (strategy, params, bars, native_costs(costs), capital_usd)
    played = native.sweep(*asked, trade_from_ns=trade_from_ns, rules=rules)
    return [_facts(facts) for facts in played]


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


def native_costs(costs: CostSettings) -> native.Costs:
    """Return the costs as the engine takes them."""
    return native.Costs(costs.maker_fee_bps, costs.taker_fee_bps, costs.slippage_bps)


def _facts(facts: native.BacktestFacts) -> DailyFacts:
    columns = [facts.trades[name].tolist() for name in TRADE_KEY]
    return DailyFacts(
        days=facts.days,
        pnl_usd=facts.daily_pnl_usd,
        n_trades=facts.n_trades,
        fees_usd=facts.fees_usd,
        slippage_usd=facts.slippage_usd,
        trades=frozenset(zip(*columns, strict=True)),
    )
