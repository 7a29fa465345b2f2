"""What lies between decisions and fills, by strategy: implementation shortfall after Perold (1988), split, in bps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.model.trade import Trade
from feedback.accuracy import mean_with_interval


@dataclass(frozen=True, slots=True)
class StrategyShortfall:
    """Means per trade over the entry notional, in bps; above zero is a cost. Fees are not in it."""

    strategy: str
    n_trades: int
    total_bps: float
    low_bps: float | None
    """Lower end of the 90 % interval of the total; None below 10 trades."""
    high_bps: float | None
    delay_bps: float
    spread_bps: float
    impact_bps: float
    opportunity_bps: float


def shortfall_by_strategy(trades: Iterable[Trade]) -> tuple[StrategyShortfall, ...]:
    """Return the shortfall of every strategy whose trades tell one, by its name."""
    told: dict[str, list[Trade]] = {}
    for trade in trades:
        if trade.shortfall is not None:
            told.setdefault(trade.strategy, []).append(trade)
    return tuple(_mean_of(strategy, of_it) for strategy, of_it in sorted(told.items()))


def _mean_of(strategy: str, trades: Sequence[Trade]) -> StrategyShortfall:
    parts = {name: _mean_part(trades, f"{name}_usd") for name in ("delay", "spread", "impact", "opportunity")}
    total, low, high = mean_with_interval([bps for trade in trades if (bps := trade.shortfall_bps) is not None])
    return StrategyShortfall(
        strategy=strategy,
        n_trades=len(trades),
        total_bps=total or 0.0,
        low_bps=low,
        high_bps=high,
        delay_bps=parts["delay"],
        spread_bps=parts["spread"],
        impact_bps=parts["impact"],
        opportunity_bps=parts["opportunity"],
    )


def _mean_part(trades: Sequence[Trade], name: str) -> float:
    return sum(float(getattr(trade.shortfall, name) / trade.notional_usd) * 1e4 for trade in trades) / len(trades)
