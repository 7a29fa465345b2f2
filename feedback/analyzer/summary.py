"""Thirty days of trades as counted buckets: what a pattern study may look at, and what checks its claims."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby

import numpy as np

from core.clock import KST
from core.model.trade import Trade

DIMENSIONS = ("hour_kst", "weekday", "volatility", "symbol", "side", "strategy", "strategy_by_volatility")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class BucketResult:
    """The trades of one bucket. `mean_bps` is the mean net P&L of a trade in bps of its entry notional."""

    dimension: str
    bucket: str
    n: int
    n_wins: int
    net_pnl_usd: Decimal
    mean_bps: float


@dataclass(frozen=True, slots=True)
class TradesSummary:
    """All trades closed in [start_on, end_on], by bucket."""

    start_on: date
    end_on: date
    n_trades: int
    n_wins: int
    net_pnl_usd: Decimal
    mean_bps: float | None
    """None without trades."""
    buckets: tuple[BucketResult, ...]

    def bucket(self, dimension: str, name: str) -> BucketResult | None:
        """Return one bucket, or None when no trade fell into it."""
        return next((b for b in self.buckets if (b.dimension, b.bucket) == (dimension, name)), None)


def summarise_trades(start_on: date, end_on: date, trades: Sequence[Trade]) -> TradesSummary:
    """Return the buckets of `trades`. Volatility buckets are terciles of the trades' own entry volatility."""
    tercile = _terciles(trades)
    names: dict[str, Callable[[Trade], str]] = {
        "hour_kst": lambda t: f"{t.closed_at.astimezone(KST).hour:02d}",
        "weekday": lambda t: _WEEKDAYS[t.closed_at.astimezone(KST).weekday()],
        "volatility": tercile,
        "symbol": lambda t: t.symbol,
        "side": lambda t: t.side,
        "strategy": lambda t: t.strategy,
        "strategy_by_volatility": lambda t: f"{t.strategy}/{tercile(t)}",
    }
    buckets = tuple(bucket for name in DIMENSIONS for bucket in _count(name, names[name], trades))
    return TradesSummary(
        start_on=start_on,
        end_on=end_on,
        n_trades=len(trades),
        n_wins=sum(t.net_pnl_usd > 0 for t in trades),
        net_pnl_usd=sum((t.net_pnl_usd for t in trades), Decimal(0)),
        mean_bps=float(np.mean([_net_bps(t) for t in trades])) if trades else None,
        buckets=buckets,
    )


def _count(dimension: str, name_of: Callable[[Trade], str], trades: Sequence[Trade]) -> list[BucketResult]:
    def build(name: str, inside: Sequence[Trade]) -> BucketResult:
        return BucketResult(
            dimension=dimension,
            bucket=name,
            n=len(inside),
            n_wins=sum(t.net_pnl_usd > 0 for t in inside),
            net_pnl_usd=sum((t.net_pnl_usd for t in inside), Decimal(0)),
            mean_bps=float(np.mean([_net_bps(t) for t in inside])),
        )

    ordered = sorted(trades, key=lambda t: (name_of(t), t.trade_id))
    return [build(name, list(inside)) for name, inside in groupby(ordered, key=name_of)]


def _net_bps(trade: Trade) -> float:
    return float(trade.net_pnl_usd / trade.notional_usd) * 1e4


def _terciles(trades: Sequence[Trade]) -> Callable[[Trade], str]:
    known = [t.conditions.volatility_bps for t in trades if t.conditions.volatility_bps is not None]
    if not known:
        return lambda _: "unknown"
    low, high = np.quantile(known, [1 / 3, 2 / 3])

    def tercile(trade: Trade) -> str:
        value = trade.conditions.volatility_bps
        if value is None:
            return "unknown"
        return "low" if value <= low else "mid" if value <= high else "high"

    return tercile
