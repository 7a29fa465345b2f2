"""Why a message of the engine cannot be true: reasons, most basic first, and none for a plausible one.

Read only the first: the later checks rely on the earlier ones.
"""

import math
import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from core.model.generated import EquityMark, PerformanceFeedback, SignalEvent, TradeEvent
from core.model.generated.parts import Shortfall as ShortfallMessage
from core.model.generated.trade_event import BookSnapshot
from core.model.generated.trade_event import Execution as ExecutionMessage

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._/-]{0,79}")
_CENT = Decimal("0.01")
_LIMIT = Decimal(10) ** 15
"""No price, quantity or amount of this house is as large; beyond it exact arithmetic would not be."""
_MAX_DECIMALS = 18


def trade_faults(event: TradeEvent, latest_at: datetime) -> Iterator[str]:
    """Yield why a trade event cannot be true."""
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
    if not _are_amounts(event.shortfall):
        yield "the shortfall is not a number"
    else:
        yield from _shortfall_faults(event, sign)


def _shortfall_faults(event: TradeEvent, sign: int) -> Iterator[str]:
    entry, exit_, split = event.entry, event.exit, event.shortfall
    lost = sign * event.qty * ((entry.fill_price - entry.decision_price) - (exit_.fill_price - exit_.decision_price))
    if abs(lost + entry.slippage + exit_.slippage - split.delay - split.spread - split.impact) >= _CENT:
        yield "the shortfall is not the way from decision to fill"


def _are_amounts(split: ShortfallMessage) -> bool:
    return all(_is_amount(part) for part in (split.delay, split.spread, split.impact, split.opportunity))


def _book_faults(book: BookSnapshot) -> Iterator[str]:
    levels = [*book.bids, *book.asks]
    if any(not _is_amount(price) or price <= 0 or not _is_amount(qty) or qty <= 0 for price, qty in levels):
        yield "the book has a level without price or quantity"
    elif book.bids and book.asks and book.bids[0][0] >= book.asks[0][0]:
        yield "the book is crossed"


def signal_faults(event: SignalEvent, latest_at: datetime) -> Iterator[str]:
    """Yield why a signal event cannot be true."""
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
    """Yield why an equity mark cannot be true."""
    for name in ("instance_id", "strategy"):
        if not _NAME.fullmatch(getattr(event, name)):
            yield f"{name} is no identifier"
    amounts = [event.capital, event.equity, event.gross_notional, event.costs, *event.positions.values()]
    if not all(_is_amount(amount) for amount in amounts):
        yield "an amount is not a number"
    elif event.capital < 0 or event.gross_notional < 0:
        yield "capital or gross_notional is below zero"
    if not all(_is_amount(price) and price > 0 for price in event.prices.values()):
        yield "a price is not above zero"
    if not 0 < event.at_ns <= _ns_of(latest_at):
        yield "the time is missing or in the future"


def performance_faults(event: PerformanceFeedback, latest_at: datetime) -> Iterator[str]:
    """Yield why a feedback on a prediction cannot be true."""
    for name in ("feedback_id", "prediction_id", "instance_id", "symbol", "outcome"):
        if not _NAME.fullmatch(getattr(event, name)):
            yield f"{name} is no identifier"
    yield from _entry_faults(event)
    if event.realised_move_bps is not None and not math.isfinite(event.realised_move_bps):
        yield "realised_move_bps is not a number"
    if event.outcome == "taken" and None in (event.side, event.decision_price, event.realised_move_bps):
        yield "a prediction was taken without side, price or move"
    if not 0 < event.received_at_ns <= event.at_ns:
        yield "it was made before the prediction came"
    if event.at_ns > _ns_of(latest_at):
        yield "the time is missing or in the future"


def _entry_faults(event: PerformanceFeedback) -> Iterator[str]:
    if not _is_amount(event.qty) or event.qty < 0:
        yield "qty is below zero"
    for name in ("decision_price", "mean_fill_price"):
        price: Decimal | None = getattr(event, name)
        if price is not None and not (_is_amount(price) and price > 0):
            yield f"{name} is not above zero"
    if event.shortfall is not None and not _are_amounts(event.shortfall):
        yield "the shortfall is not a number"


def _is_amount(value: Decimal) -> bool:
    # A comparison is exact at any exponent, where arithmetic would overflow.
    if not value.is_finite() or not -_LIMIT < value < _LIMIT:
        return False
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -_MAX_DECIMALS


def _ns_of(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000_000
