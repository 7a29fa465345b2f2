"""Input that was not believed, kept for people to look at."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select

from core.store.session import Session
from core.store.tables import quarantine as table


@dataclass(frozen=True, slots=True)
class QuarantinedInput:
    """One row or message that was set aside. `detail` is the input as it came, for reading only."""

    n: int
    source: str
    symbol: str
    reason: str
    detail: Any
    at: datetime


def add(session: Session, source: str, symbol: str, reason: str, detail: Mapping[str, Any], at: datetime) -> None:
    """Set one input aside; `symbol` is empty where none applies."""
    row = {"source": source, "symbol": symbol, "reason": reason, "detail": dict(detail), "at": at}
    session.execute(insert(table).values(row))


def latest(session: Session, limit: int, source: str | None = None) -> list[QuarantinedInput]:
    """Return up to `limit` inputs set aside, newest first, of one source or of all."""
    query = select(table).order_by(table.c.n.desc()).limit(limit)
    if source is not None:
        query = query.where(table.c.source == source)
    return [
        QuarantinedInput(row.n, row.source, row.symbol, row.reason, row.detail, row.at)
        for row in session.execute(query)
    ]


def count_between(session: Session, start_at: datetime, end_at: datetime) -> int:
    """Return how many inputs were set aside at or after `start_at` and before `end_at`."""
    query = select(func.count()).select_from(table).where(table.c.at >= start_at, table.c.at < end_at)
    return session.execute(query).scalar_one()
