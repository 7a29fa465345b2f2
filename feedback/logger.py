"""From the engine's untrusted events to stored values: each is kept whole and once, or set aside with the reason.

Nothing here raises for bad content: the frame that brought it is acknowledged, the content goes to the quarantine that
the day's data-quality flags count.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from core.clock import Clock, from_ns, kst_day_bounds
from core.errors import Conflict
from core.model.canonical import canonical_json
from core.model.dataset import DaySummary
from core.model.generated import EquityMark, PerformanceFeedback, SignalEvent, TradeEvent
from core.model.generated.parts import Shortfall as ShortfallMessage
from core.model.generated.trade_event import Execution as ExecutionMessage
from core.model.market import MarketContext
from core.model.trade import (
    MISSING,
    Conditions,
    EquityPoint,
    Execution,
    Indicators,
    PerformanceRecord,
    Shortfall,
    SignalRecord,
    Trade,
)
from core.store import Session, equity, performance, quarantine, signals, trades
from feedback.plausibility import equity_faults, performance_faults, signal_faults, trade_faults
from feedback.results import summarise_day

RateAt = Callable[[Session, datetime], tuple[Decimal, bool]]
"""KRW per USD as known at a time, and whether it was stale."""
ContextAt = Callable[[Session, datetime], MarketContext | None]
"""The newest context known at a time."""

_Event = TradeEvent | SignalEvent | EquityMark | PerformanceFeedback
_FUTURE = timedelta(days=2)
"""The engine may run ahead of the worker's clock by the time it was granted, never by more than this."""


@dataclass(frozen=True, slots=True)
class TradingLogger:
    """Stores what the engine reports. `usd_krw` and `context_at` say what was known at a time."""

    clock: Clock
    usd_krw: RateAt
    context_at: ContextAt = field(default=lambda _session, _at: None)

    def log_trade(self, session: Session, event: TradeEvent) -> Trade | None:
        """Return the stored trade, or None when the event was implausible or contradicts a stored one."""
        reason = next(trade_faults(event, self.clock.now() + _FUTURE), None)
        if reason is not None:
            self._set_aside(session, event, event.symbol, reason)
            return None
        decided_at = from_ns(event.entry.decided_at_ns)
        rate, stale = self.usd_krw(session, from_ns(event.exit.filled_at_ns))
        trade = trade_of(event, self._sentiment(session, decided_at), rate, stale)
        try:
            trades.add(session, trade)
        except Conflict:
            if _same_but_for_lookups(trades.get(session, trade.trade_id), trade):
                return trades.get(session, trade.trade_id)
            self._set_aside(session, event, event.symbol, "another trade has this id")
            return None
        return trade

    def log_signal(self, session: Session, event: SignalEvent) -> SignalRecord | None:
        """Return the stored signal, taken or not, or None when it was set aside."""
        reason = next(signal_faults(event, self.clock.now() + _FUTURE), None)
        if reason is not None:
            self._set_aside(session, event, event.symbol, reason)
            return None
        record = signal_of(event, self._sentiment(session, from_ns(event.at_ns)))
        try:
            signals.add(session, record)
        except Conflict:
            self._set_aside(session, event, event.symbol, "another signal has this id")
            return None
        return record

    def log_equity(self, session: Session, event: EquityMark) -> EquityPoint | None:
        """Return the stored mark, or None when it was set aside."""
        reason = next(equity_faults(event, self.clock.now() + _FUTURE), None)
        if reason is not None:
            self._set_aside(session, event, "", reason)
            return None
        point = equity_of(event)
        try:
            equity.add(session, point)
        except Conflict:
            self._set_aside(session, event, "", "another mark has this instance and time")
            return None
        return point

    def log_performance(self, session: Session, event: PerformanceFeedback) -> PerformanceRecord | None:
        """Return the stored record of what became of a prediction, or None when it was set aside."""
        reason = next(performance_faults(event, self.clock.now() + _FUTURE), None)
        if reason is not None:
            self._set_aside(session, event, event.symbol, reason)
            return None
        record = performance_of(event)
        try:
            performance.add(session, record)
        except Conflict:
            self._set_aside(session, event, event.symbol, "another feedback has this id")
            return None
        return record

    def log_daily_summary(self, session: Session, on: date) -> DaySummary:
        """Return the totals of a KST day over all live instances: trades, wins, P&L, costs, change of equity."""
        start_at, end_at = kst_day_bounds(on)
        return summarise_day(session, on, trades.between(session, start_at, end_at))

    def _sentiment(self, session: Session, at: datetime) -> float | None:
        context = self.context_at(session, at)
        return None if context is None or context.at > at else context.value("news_sentiment")

    def _set_aside(self, session: Session, event: _Event, symbol: str, reason: str) -> None:
        kind = type(event).__name__
        detail = {"kind": kind, "body": canonical_json(event)}
        quarantine.add(session, f"engine:{kind}", symbol[:80], reason[:80], detail, self.clock.now())


def trade_of(event: TradeEvent, sentiment: float | None, krw_per_usd: Decimal, stale: bool) -> Trade:
    """Return the value of a plausible event, stamped with what was known: sentiment at entry, KRW rate at exit."""
    return Trade(
        trade_id=event.trade_id,
        instance_id=event.instance_id,
        strategy=event.strategy,
        mode=event.mode,
        params_version=event.params_version,
        params_sha256=event.params_sha256,
        symbol=event.symbol,
        side=event.side,
        qty=event.qty,
        signal_strength=event.signal_strength,
        entry=_execution(event.entry),
        exit=_execution(event.exit),
        exit_reason=event.exit_reason,
        gross_pnl_usd=event.gross_pnl,
        net_pnl_usd=event.net_pnl,
        indicators=_indicators(event),
        conditions=_conditions(event, sentiment),
        book=MISSING if event.book is None else canonical_json(event.book),
        advice_id=event.advice_id,
        krw_per_usd=krw_per_usd,
        krw_rate_stale=stale,
        shortfall=_shortfall(event.shortfall),
    )


def signal_of(event: SignalEvent, sentiment: float | None) -> SignalRecord:
    """Return the value of a plausible signal event."""
    return SignalRecord(
        signal_id=event.signal_id,
        instance_id=event.instance_id,
        strategy=event.strategy,
        symbol=event.symbol,
        side=event.side,
        strength=event.strength,
        at=from_ns(event.at_ns),
        price=event.price,
        qty=event.qty,
        params_version=event.params_version,
        outcome=event.outcome,
        indicators=_indicators(event),
        conditions=_conditions(event, sentiment),
    )


def equity_of(event: EquityMark) -> EquityPoint:
    """Return the value of a plausible mark."""
    return EquityPoint(
        instance_id=event.instance_id,
        strategy=event.strategy,
        mode=event.mode,
        at=from_ns(event.at_ns),
        capital_usd=event.capital,
        equity_usd=event.equity,
        gross_notional_usd=event.gross_notional,
        costs_usd=event.costs,
        params_version=event.params_version,
        positions=event.positions,
        prices=event.prices,
    )


def performance_of(event: PerformanceFeedback) -> PerformanceRecord:
    """Return the value of a plausible feedback on a prediction."""
    return PerformanceRecord(
        feedback_id=event.feedback_id,
        prediction_id=event.prediction_id,
        instance_id=event.instance_id,
        symbol=event.symbol,
        outcome=event.outcome,
        received_at=from_ns(event.received_at_ns),
        at=from_ns(event.at_ns),
        side=event.side,
        qty=event.qty,
        decision_price=event.decision_price,
        mean_fill_price=event.mean_fill_price,
        shortfall=None if event.shortfall is None else _shortfall(event.shortfall),
        realised_move_bps=event.realised_move_bps,
        params_version=event.params_version,
        simulated=event.simulated,
    )


def _shortfall(split: ShortfallMessage) -> Shortfall:
    return Shortfall(
        delay_usd=split.delay,
        spread_usd=split.spread,
        impact_usd=split.impact,
        opportunity_usd=split.opportunity,
    )


def _execution(end: ExecutionMessage) -> Execution:
    return Execution(
        decision_price=end.decision_price,
        arrival_price=end.arrival_price,
        fill_price=end.fill_price,
        decided_at=from_ns(end.decided_at_ns),
        filled_at=from_ns(end.filled_at_ns),
        liquidity=end.liquidity,
        fee_usd=end.fee,
        slippage_usd=end.slippage,
    )


def _indicators(event: TradeEvent | SignalEvent) -> Indicators:
    seen = event.indicators
    return Indicators(
        rsi=seen.rsi,
        macd=seen.macd,
        macd_signal=seen.macd_signal,
        bollinger_upper=seen.bollinger_upper,
        bollinger_lower=seen.bollinger_lower,
        ema_fast=seen.ema_fast,
        ema_slow=seen.ema_slow,
        atr=seen.atr,
    )


def _conditions(event: TradeEvent | SignalEvent, sentiment: float | None) -> Conditions:
    seen = event.conditions
    return Conditions(
        volatility_bps=seen.volatility_bps,
        volume_ratio=seen.volume_ratio,
        trend_bps=seen.trend_bps,
        sentiment=sentiment,
    )


def _same_but_for_lookups(stored: Trade, again: Trade) -> bool:
    # A repeat may find another rate or context than the first delivery did; what the engine said is what counts.
    return (stored.entry, stored.exit, stored.qty, stored.symbol, stored.net_pnl_usd, stored.params_sha256) == (
        again.entry,
        again.exit,
        again.qty,
        again.symbol,
        again.net_pnl_usd,
        again.params_sha256,
    )
