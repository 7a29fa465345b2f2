"""Headlines as a reader turned them into numbers, each once."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from core.model.news import NewsReading
from core.store.once import insert_new, value_or_none, values_of
from core.store.session import Session
from core.store.tables import news_reading as table


def add(session: Session, reading: NewsReading) -> bool:
    """Keep a reading; False when the headline was read before: the first reading stands."""
    columns = {"item_id": reading.item_id, "at": reading.at, "reader": reading.reader[:80], "detail": reading}
    return insert_new(session, table, columns)


def find(session: Session, item_id: str) -> NewsReading | None:
    """Return what was read of a headline, or None."""
    query = select(table.c.detail).where(table.c.item_id == item_id)
    return value_or_none(session, query, NewsReading, table)


def between(session: Session, start_at: datetime, end_at: datetime) -> Sequence[NewsReading]:
    """Return what was read of the headlines published in (start_at, end_at], oldest first."""
    inside = (table.c.at > start_at) & (table.c.at <= end_at)
    query = select(table.c.detail).where(inside).order_by(table.c.at, table.c.item_id)
    return values_of(session, query, NewsReading, table)
