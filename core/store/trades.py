"""Closed round trips."""

from datetime import datetime

from sqlalchemy import func, select

from core.clock import kst_day
from core.errors import UnknownName
from core.model.slots import LIVE_MODES
from core.model.trade import Trade
from core.store.once import add_value, value_or_none, values_of
from core.store.session import Session
from core.store.tables import trade as table


def add(session: Session, trade: Trade) -> bool:
    """Keep a trade; False when it is kept already. Raises Conflict when its id has other content."""
    return add_value(
        session,
        table,
        trade,
        {
            "trade_id": trade.trade_id,
            "instance_id": trade.instance_id,
            "strategy": trade.strategy,
            "mode": trade.mode,
            "symbol": trade.symbol,
            "params_version": trade.params_version,
            "closed_at": trade.closed_at,
            "closed_on": kst_day(trade.closed_at),
            "net_pnl_usd": trade.net_pnl_usd,
        },
    )


def find(session: Session, trade_id: str) -> Trade | None:
    """Return the trade of that id, or None."""
    return value_or_none(session, select(table.c.detail).where(table.c.trade_id == trade_id), Trade, table)


def get(session: Session, trade_id: str) -> Trade:
    """Return the trade of that id. Raises UnknownName."""
    if (trade := find(session, trade_id)) is None:
        raise UnknownName(f"no trade '{trade_id}' is stored", "See /api/trades for the ids there are")
    return trade


def between(session: Session, start_at: datetime, end_at: datetime, instance_id: str | None = None) -> list[Trade]:
    """Return the trades closed at or after `start_at` and before `end_at`, oldest first."""
    query = select(table.c.detail).where(table.c.closed_at >= start_at, table.c.closed_at < end_at)
    if instance_id is not None:
        query = query.where(table.c.instance_id == instance_id)
    return values_of(session, query.order_by(table.c.closed_at, table.c.trade_id), Trade, table)


def latest(
    session: Session,
    limit: int,
    before: datetime | None = None,
    instance_id: str | None = None,
    symbol: str | None = None,
    offset: int = 0,
) -> list[Trade]:
    """Return up to `limit` trades, newest first, closed before `before`; `offset` skips that many of them.

    Without `instance_id` they are those of the account: simulated companions are asked for by their ids.
    """
    query = select(table.c.detail)
    if before is not None:
        query = query.where(table.c.closed_at < before)
    chosen = table.c.mode.in_(LIVE_MODES) if instance_id is None else table.c.instance_id == instance_id
    query = query.where(chosen)
    if symbol is not None:
        query = query.where(table.c.symbol == symbol)
    ordered = query.order_by(table.c.closed_at.desc(), table.c.trade_id.desc())
    return values_of(session, ordered.limit(limit).offset(offset), Trade, table)


def count(session: Session) -> int:
    """Return how many trades of the account are kept."""
    query = select(func.count()).select_from(table).where(table.c.mode.in_(LIVE_MODES))
    return session.execute(query).scalar_one()


def of_version(session: Session, instance_id: str, version: int, limit: int) -> list[Trade]:
    """Return the first `limit` trades whose entry these parameters decided, oldest first."""
    query = select(table.c.detail).where(table.c.instance_id == instance_id, table.c.params_version == version)
    return values_of(session, query.order_by(table.c.closed_at, table.c.trade_id).limit(limit), Trade, table)
