"""From the engine's untrusted events to stored values: each is kept whole and once, or set aside with the reason.

Nothing here raises for bad content: the frame that brought it is acknowledged, the content goes to the quarantine that
the day's data-quality flags count.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from core.clock import Clock, from_ns, kst_day_bounds
from core.errors import Conflict
from core.model.canonical import canonical_json
from core.model.dataset import DaySummary
from core.model.generated import EquityMark, SignalEvent, TradeEvent
from core.model.generated.trade_event import BookSnapshot
from core.model.generated.trade_event import Execution as ExecutionMessage
from core.model.market import MarketContext
from core.model.trade import MISSING, Conditions, EquityPoint, Execution, Indicators, SignalRecord, Trade
from core.store import Session, equity, quarantine, signals, trades
from feedback.results import summarise_day

RateAt = Callable[[Session, datetime], tuple[Decimal, bool]]
"""KRW per USD as known at a time, and whether it was stale."""
ContextAt = Callable[[Session, datetime], MarketContext | None]
"""The newest context known at a time."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._/-]{0,79}")
_CENT = Decimal("0.01")
_LIMIT = Decimal(10) ** 15
"""No price, quantity or amount of this house is as large; beyond it exact arithmetic would not be."""
_MAX_DECIMALS = 18
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

    def log_daily_summary(self, session: Session, on: date) -> DaySummary:
        """Return the totals of a KST day over all live instances: trades, wins, P&L, costs, change of equity."""
        start_at, end_at = kst_day_bounds(on)
        return summarise_day(session, on, trades.between(session, start_at, end_at))

    def _sentiment(self, session: Session, at: datetime) -> float | None:
        context = self.context_at(session, at)
        return None if context is None or context.at > at else context.value("news_sentiment")

    def _set_aside(
        self, session: Session, event: TradeEvent | SignalEvent | EquityMark, symbol: str, reason: str
    ) -> None:
        kind = type(event).__name__
        detail = {"kind": kind, "body": canonical_json(event)}
        quarantine.add(session, f"engine:{kind}", symbol[:80], reason[:80], detail, self.clock.now())


def trade_faults(event: TradeEvent, latest_at: datetime) -> Iterator[str]:
    """Yield why a trade event cannot be true, most basic first; nothing for a plausible one.

    Read only the first: the later checks rely on the earlier ones.
    """
    for name in ("trade_id", "instance_id", "strategy", "symbol", "params_sha256"):
        if not _NAME.fullmatch(getattr(event, name)):
            yield f"{name} is no identifier"
    if not _is_amount(event.qty) or event.qty <= 0:
        yield "qty is not above zero"
    if not 0 <= event.signal_strength <= 1e6:
        yield "signal_strength is not a plausible number"
    yield from _end_faults("entry", event.entry)
    yield from _end_faults("exit", event.exit)
    if event.exit.filled_at_ns < event.entry.filled_at_ns:
        yield "the exit is before the entry"
    if event.exit.filled_at_ns > _ns_of(latest_at):
        yield "the exit is in the future"
    if not (_is_amount(event.gross_pnl) and _is_amount(event.net_pnl)):
        yield "gross_pnl or net_pnl is not a number"
    else:
        yield from _money_faults(event)
    if event.book is not None:
        yield from _book_faults(event.book)


def _end_faults(which: str, end: ExecutionMessage) -> Iterator[str]:
    for name in ("decision_price", "arrival_price", "fill_price"):
        price: Decimal = getattr(end, name)
        if not _is_amount(price) or price <= 0:
            yield f"{which}.{name} is not above zero"
    if not (_is_amount(end.fee) and _is_amount(end.slippage)):
        yield f"{which}.fee or slippage is not a number"
    if end.filled_at_ns < end.decided_at_ns:
        yield f"{which} was filled before it was decided"
    if end.decided_at_ns <= 0:
        yield f"{which} has no time"


def _money_faults(event: TradeEvent) -> Iterator[str]:
    sign = 1 if event.side == "buy" else -1
    gross = sign * event.qty * (event.exit.fill_price - event.entry.fill_price)
    costs = event.entry.fee + event.exit.fee + event.entry.slippage + event.exit.slippage
    if abs(gross - event.gross_pnl) >= _CENT:
        yield "gross_pnl is not the price difference times qty"
    if abs(event.gross_pnl - costs - event.net_pnl) >= _CENT:
        yield "net_pnl is not gross_pnl minus fees and slippage"


def _book_faults(book: BookSnapshot) -> Iterator[str]:
    levels = [*book.bids, *book.asks]
    if any(not _is_amount(price) or price <= 0 or not _is_amount(qty) or qty <= 0 for price, qty in levels):
        yield "the book has a level without price or quantity"
    elif book.bids and book.asks and book.bids[0][0] >= book.asks[0][0]:
        yield "the book is crossed"


def signal_faults(event: SignalEvent, latest_at: datetime) -> Iterator[str]:
    """Yield why a signal event cannot be true; nothing for a plausible one."""
    for name in ("signal_id", "instance_id", "strategy", "symbol", "outcome"):
        if not _NAME.fullmatch(getattr(event, name)):
            yield f"{name} is no identifier"
    if not _is_amount(event.price) or event.price <= 0:
        yield "price is not above zero"
    if not _is_amount(event.qty) or event.qty < 0:
        yield "qty is below zero"
    if not 0 <= event.strength <= 1e6:
        yield "strength is not a plausible number"
    if not 0 < event.at_ns <= _ns_of(latest_at):
        yield "the time is missing or in the future"


def equity_faults(event: EquityMark, latest_at: datetime) -> Iterator[str]:
    """Yield why an equity mark cannot be true; nothing for a plausible one."""
    for name in ("instance_id", "strategy"):
        if not _NAME.fullmatch(getattr(event, name)):
            yield f"{name} is no identifier"
    amounts = [event.capital, event.equity, event.gross_notional, event.costs, *event.positions.values()]
    if not all(_is_amount(amount) for amount in amounts):
        yield "an amount is not a number"
    elif event.capital <= 0 or event.gross_notional < 0:
        yield "capital is not above zero, or gross_notional is below zero"
    if not all(_is_amount(price) and price > 0 for price in event.prices.values()):
        yield "a price is not above zero"
    if not 0 < event.at_ns <= _ns_of(latest_at):
        yield "the time is missing or in the future"


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


def _is_amount(value: Decimal) -> bool:
    # A comparison is exact at any exponent, where arithmetic would overflow.
    if not value.is_finite() or not -_LIMIT < value < _LIMIT:
        return False
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -_MAX_DECIMALS


def _ns_of(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000_000
