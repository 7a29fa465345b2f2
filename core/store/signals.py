"""Wishes to open, taken or not."""

from datetime import datetime

from sqlalchemy import select

from core.errors import UnknownName
from core.model.trade import SignalRecord
from core.store.once import add_value, value_or_none, values_of
from core.store.session import Session
from core.store.tables import signal as table


def add(session: Session, signal: SignalRecord) -> bool:
    """Keep a signal; False when it is kept already. Raises Conflict when its id has other content."""
    return add_value(
        session,
        table,
        signal,
        {
            "signal_id": signal.signal_id,
            "instance_id": signal.instance_id,
            "symbol": signal.symbol,
            "at": signal.at,
            "outcome": signal.outcome,
        },
    )


def find(session: Session, signal_id: str) -> SignalRecord | None:
    """Return the signal of that id, or None."""
    return value_or_none(session, select(table.c.detail).where(table.c.signal_id == signal_id), SignalRecord, table)


def get(session: Session, signal_id: str) -> SignalRecord:
    """Return the signal of that id. Raises UnknownName."""
    if (signal := find(session, signal_id)) is None:
        raise UnknownName(f"no signal '{signal_id}' is stored")
    return signal


def between(session: Session, start_at: datetime, end_at: datetime) -> list[SignalRecord]:
    """Return the signals at or after `start_at` and before `end_at`, oldest first."""
    query = select(table.c.detail).where(table.c.at >= start_at, table.c.at < end_at)
    return values_of(session, query.order_by(table.c.at, table.c.signal_id), SignalRecord, table)


def latest(session: Session, limit: int) -> list[SignalRecord]:
    """Return up to `limit` signals, newest first."""
    query = select(table.c.detail).order_by(table.c.at.desc(), table.c.signal_id.desc()).limit(limit)
    return values_of(session, query, SignalRecord, table)


def latest_of_symbol(session: Session, symbol: str, limit: int) -> list[SignalRecord]:
    """Return up to `limit` signals on a symbol, newest first."""
    query = select(table.c.detail).where(table.c.symbol == symbol)
    return values_of(session, query.order_by(table.c.at.desc(), table.c.signal_id).limit(limit), SignalRecord, table)
