"""The gate's backtester in production: the same Rust strategies that trade."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from core import native
from core.settings import CostSettings
from strategies.gate.ports import DailyFacts

TRADE_KEY = ("entry_at_ns", "exit_at_ns", "symbol", "side", "qty", "entry_price", "exit_price")
"""Round trips that agree in these are the same trade."""


class NativeBacktester:
    """Plays strategies in the compiled engine, without account limits: those hold for both sides alike."""

    def validate(self, strategy: str, params: Mapping[str, float]) -> str:
        """Return the hash of sound parameters; others raise BadInput."""
        return native.validate_params(strategy, params)

    def backtest(
        self,
        strategy: str,
        params: Mapping[str, float],
        bars: native.Bars,
        costs: CostSettings,
        capital_usd: Decimal,
        trade_from_ns: int,
    ) -> DailyFacts:
        """Return the facts of one parameter set, with its trades; bars up to `trade_from_ns` only warm up."""
        return _facts(native.backtest(strategy, params, bars, _costs(costs), capital_usd, trade_from_ns=trade_from_ns))

    def sweep(
        self,
        strategy: str,
        params: Sequence[Mapping[str, float]],
        bars: native.Bars,
        costs: CostSettings,
        capital_usd: Decimal,
        trade_from_ns: int,
    ) -> list[DailyFacts]:
        """Return the facts of each parameter set in order, without trades."""
        played = native.sweep(strategy, params, bars, _costs(costs), capital_usd, trade_from_ns=trade_from_ns)
        return [_facts(facts) for facts in played]


def _costs(costs: CostSettings) -> native.Costs:
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
