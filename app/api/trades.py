"""`/api/trades`: closed round trips, newest first, page by page, and all of them as CSV."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal

from flask import Response
from pydantic import Field

from app.api.operations import Answer, Asked, Operation, operation
from app.api.tables import csv_line
from app.auth import Caller
from app.rooms import rooms
from core.clock import kst_day_bounds
from core.errors import BadInput
from core.model.trade import MISSING, Conditions, Indicators, Shortfall, Trade
from core.store import Session, Store
from core.store import trades as rows

_BATCH = 500


class TradeFilter(Asked):
    """Which trades. Days are KST and inclusive."""

    instance_id: Annotated[str, Field(max_length=80)] | None = None
    symbol: Annotated[str, Field(max_length=80)] | None = None
    from_on: Annotated[date | None, Field(alias="from", description="First KST day")] = None
    to_on: Annotated[date | None, Field(alias="to", description="Last KST day")] = None


class TradeQuery(TradeFilter):
    """Which trades, and which page of them."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=60, description="`next_cursor` of the page before")] | None = None


class TradeView(Answer):
    """One round trip after costs. Money in quote currency (USD), prices as decimal strings."""

    trade_id: str
    instance_id: str
    strategy: str
    mode: str
    params_version: int
    symbol: str
    side: str
    qty: Decimal
    signal_strength: float
    opened_at: datetime
    closed_at: datetime
    entry_price: Decimal
    exit_price: Decimal
    exit_reason: str
    gross_pnl_usd: Decimal
    net_pnl_usd: Decimal
    fees_usd: Decimal
    slippage_usd: Decimal
    shortfall: Annotated[
        Shortfall | None, Field(description="What lay between decisions and fills, split; null for an old trade")
    ]
    shortfall_bps: Annotated[float | None, Field(description="Its sum over the entry notional")]
    entry_execution_ms: float
    exit_execution_ms: float
    indicators: Indicators
    conditions: Conditions
    book: Literal["recorded", "missing"]
    book_snapshot: Annotated[
        str | None, Field(description="JSON of the book at the decision; only for a single trade")
    ] = None
    advice_id: str | None
    krw_per_usd: Decimal
    krw_rate_stale: bool


class TradePage(Answer):
    """One page, newest first. `next_cursor` is null on the last."""

    items: tuple[TradeView, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Trades of one page and where the next one starts."""

    trades: tuple[Trade, ...]
    next_cursor: str | None


@operation(Operation(summary="Closed trades, newest first", answer=TradePage, scope="read", query=TradeQuery))
def list_trades(caller: Caller, query: TradeQuery) -> TradePage:
    """Answer with one page of trades."""
    with rooms().store.session() as session:
        page = load_page(session, query, query.limit, query.cursor)
    return TradePage(items=tuple(view_of(trade) for trade in page.trades), next_cursor=page.next_cursor)


@operation(Operation(summary="One trade with its book snapshot", answer=TradeView, scope="read"))
def show_trade(caller: Caller, trade_id: str) -> TradeView:
    """Answer with one trade."""
    with rooms().store.session() as session:
        return view_of(rows.get(session, trade_id), with_book=True)


@operation(
    Operation(summary="The same trades as CSV", answer=None, scope="read", query=TradeFilter, media_types=("text/csv",))
)
def export_trades(caller: Caller, query: TradeFilter) -> Response:
    """Answer with every trade that the filter lets through, streamed."""
    response = Response(_csv_lines(rooms().store, query), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="trades.csv"'
    return response


def load_page(session: Session, wanted: TradeFilter, limit: int, cursor: str | None) -> Page:
    """Return up to `limit` trades from `cursor` on. Raises BadInput for a cursor that no page gave."""
    before, seen = _read_cursor(cursor) if cursor else (_end_of(wanted.to_on), 0)
    found = rows.latest(
        session, limit + 1, before=before, instance_id=wanted.instance_id, symbol=wanted.symbol, offset=seen
    )
    start_at = kst_day_bounds(wanted.from_on)[0] if wanted.from_on else datetime.min.replace(tzinfo=UTC)
    kept = [trade for trade in found if trade.closed_at >= start_at]
    page = tuple(kept[:limit])
    return Page(page, _next_cursor(page, before, seen) if len(kept) > limit else None)


def view_of(trade: Trade, with_book: bool = False) -> TradeView:
    """Return what the API tells of a trade."""
    return TradeView(
        trade_id=trade.trade_id,
        instance_id=trade.instance_id,
        strategy=trade.strategy,
        mode=trade.mode,
        params_version=trade.params_version,
        symbol=trade.symbol,
        side=trade.side,
        qty=trade.qty,
        signal_strength=trade.signal_strength,
        opened_at=trade.entry.filled_at,
        closed_at=trade.closed_at,
        entry_price=trade.entry.fill_price,
        exit_price=trade.exit.fill_price,
        exit_reason=trade.exit_reason,
        gross_pnl_usd=trade.gross_pnl_usd,
        net_pnl_usd=trade.net_pnl_usd,
        fees_usd=trade.entry.fee_usd + trade.exit.fee_usd,
        slippage_usd=trade.entry.slippage_usd + trade.exit.slippage_usd,
        shortfall=trade.shortfall,
        shortfall_bps=trade.shortfall_bps,
        entry_execution_ms=trade.entry.execution_ms,
        exit_execution_ms=trade.exit.execution_ms,
        indicators=trade.indicators,
        conditions=trade.conditions,
        book="missing" if trade.book == MISSING else "recorded",
        book_snapshot=trade.book if with_book and trade.book != MISSING else None,
        advice_id=trade.advice_id,
        krw_per_usd=trade.krw_per_usd,
        krw_rate_stale=trade.krw_rate_stale,
    )


def _end_of(on: date | None) -> datetime | None:
    return None if on is None else kst_day_bounds(on)[1]


def _next_cursor(page: tuple[Trade, ...], before: datetime | None, seen: int) -> str:
    # Trades that closed in the same microsecond are told apart by how many of them were given already.
    last = page[-1].closed_at
    given = sum(trade.closed_at == last for trade in page)
    if before == last + timedelta(microseconds=1):
        given += seen
    return f"{last.astimezone(UTC).strftime('%Y%m%dT%H%M%S.%f')}-{given}"


def _read_cursor(cursor: str) -> tuple[datetime, int]:
    at, _, seen = cursor.partition("-")
    try:
        last = datetime.strptime(at, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
        given = int(seen) if seen.isascii() and seen.isdigit() and len(seen) <= 6 else -1
        if given < 1:
            raise ValueError(seen)
        return last + timedelta(microseconds=1), given
    except (ValueError, OverflowError):
        raise BadInput("the cursor is not one that a page gave", "Start without a cursor") from None


def _csv_lines(store: Store, wanted: TradeFilter) -> Iterator[str]:
    nested = {"indicators": Indicators, "conditions": Conditions, "shortfall": Shortfall}
    names = [name for name in TradeView.model_fields if name not in {*nested, "book_snapshot"}]
    extra = [part.name for kind in nested.values() for part in fields(kind)]
    yield csv_line([*names, *extra])
    cursor: str | None = None
    while True:
        with store.session() as session:
            page = load_page(session, wanted, _BATCH, cursor)
        for trade in page.trades:
            view = view_of(trade).model_dump(mode="json")
            parts = [view[name] or {} for name in nested]
            values = {**view, **parts[0], **parts[1], **parts[2]}
            yield csv_line([values.get(name) for name in (*names, *extra)])
        if page.next_cursor is None:
            return
        cursor = page.next_cursor
