"""Questions of the engine and the advisor's answers."""

from datetime import datetime

from sqlalchemy import select

from core.errors import UnknownName
from core.model.trade import AdviceRecord
from core.store.once import add_value, value_or_none, values_of
from core.store.session import Session
from core.store.tables import advice as table


def add(session: Session, record: AdviceRecord) -> bool:
    """Keep an answer; False when it is kept already. Raises Conflict when its id has other content."""
    columns = {"advice_id": record.advice_id, "asked_at": record.asked_at, "approve": record.approve}
    return add_value(session, table, record, columns)


def find(session: Session, advice_id: str) -> AdviceRecord | None:
    """Return the answer of that id, or None."""
    return value_or_none(session, select(table.c.detail).where(table.c.advice_id == advice_id), AdviceRecord, table)


def get(session: Session, advice_id: str) -> AdviceRecord:
    """Return the answer of that id. Raises UnknownName."""
    if (record := find(session, advice_id)) is None:
        raise UnknownName(f"no advice '{advice_id}' is stored")
    return record


def latest(session: Session, limit: int) -> list[AdviceRecord]:
    """Return up to `limit` answers, newest first."""
    query = select(table.c.detail).order_by(table.c.asked_at.desc(), table.c.advice_id.desc()).limit(limit)
    return values_of(session, query, AdviceRecord, table)


def between(session: Session, start_at: datetime, end_at: datetime) -> list[AdviceRecord]:
    """Return the answers asked for at or after `start_at` and before `end_at`, oldest first."""
    query = select(table.c.detail).where(table.c.asked_at >= start_at, table.c.asked_at < end_at)
    return values_of(session, query.order_by(table.c.asked_at, table.c.advice_id), AdviceRecord, table)
