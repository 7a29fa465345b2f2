"""Single observed numbers by name and time, as they were known."""

from datetime import datetime

from sqlalchemy import select

from core.store.once import insert_new
from core.store.session import Session
from core.store.tables import observation as table


def add(session: Session, name: str, observed_at: datetime, value: float, source: str, fetched_at: datetime) -> bool:
    """Keep a number; False when one of that name and time is kept already.

    The first one stays even when a source later restates it: what was known then does not change.
    """
    columns = {
        "name": name,
        "observed_at": observed_at,
        "value": value,
        "source": source,
        "fetched_at": fetched_at,
    }
    return insert_new(session, table, columns)


def as_of(session: Session, name: str, at: datetime) -> tuple[float, datetime, str] | None:
    """Return value, time of observation and source of the newest number observed at or before `at`, or None."""
    query = select(table.c.value, table.c.observed_at, table.c.source).where(
        table.c.name == name, table.c.observed_at <= at
    )
    row = session.execute(query.order_by(table.c.observed_at.desc()).limit(1)).first()
    return None if row is None else (row.value, row.observed_at, row.source)
