"""Station 8 of a trade's life: candidate and incumbent over the same bars, at the same costs."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from core import native
from core.native import BacktestFacts, Bars, Costs, Limits


@dataclass(frozen=True, slots=True, eq=False)
class BacktestRequest:
    """Two parameter sets of one strategy and everything they share."""

    strategy: str
    candidate: Mapping[str, float]
    incumbent: Mapping[str, float]
    bars: Bars
    costs: Costs
    capital_usd: Decimal
    limits: Limits | None = None
    trade_from_ns: int = 0
    """Bars closed at or before this only warm up indicators."""


@dataclass(frozen=True, slots=True, eq=False)
class BacktestPair:
    """What both made of the same days: `candidate.days` equals `incumbent.days`."""

    candidate: BacktestFacts
    incumbent: BacktestFacts
    bars_sha256: str
    """Hash of the bars, so that a verdict can name its data."""


def run(request: BacktestRequest) -> BacktestPair:
    """Return the facts of both parameter sets; raises BadInput for parameters or bars that the engine refuses."""

    def play(params: Mapping[str, float]) -> BacktestFacts:
        return native.backtest(
            request.strategy,
            params,
            request.bars,
            request.costs,
            request.capital_usd,
            limits=request.limits,
            trade_from_ns=request.trade_from_ns,
        )

    return BacktestPair(play(request.candidate), play(request.incumbent), bars_sha256(request.bars))


def bars_sha256(bars: Bars) -> str:
    """Return the hash of symbols, grids and every column of the bars."""
    digest = hashlib.sha256()
    for name, tick, lot in zip(bars.symbols, bars.ticks, bars.lots, strict=True):
        digest.update(f"{name} {tick.normalize():f} {lot.normalize():f}\n".encode())
    for column in (bars.symbol, bars.opened_at_ns, bars.closed_at_ns):
        digest.update(np.ascontiguousarray(column, dtype="<i8").tobytes())
    for prices in (bars.open, bars.high, bars.low, bars.close, bars.volume):
        digest.update(np.ascontiguousarray(prices, dtype="<f8").tobytes())
    return digest.hexdigest()
