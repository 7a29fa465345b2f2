"""Marked equity of every instance over time."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, select

from core.model.trade import EquityPoint
from core.store.once import add_value, read_value, value_or_none, values_of
from core.store.session import Session
from core.store.tables import equity_mark as table

# Asked of every instance and day, and built once: putting a statement together takes longer than carrying it out.
_AT_OR_BEFORE = (
    select(table.c.detail)
    .where(table.c.instance_id == bindparam("instance"), table.c.at <= bindparam("until"))
    .order_by(table.c.at.desc())
    .limit(1)
)


def add(session: Session, point: EquityPoint) -> bool:
    """Keep a mark; False when it is kept already. Raises Conflict when instance and time have another one."""
    columns = {"instance_id": point.instance_id, "at": point.at, "equity_usd": point.equity_usd}
    return add_value(session, table, point, columns)


def between(
    session: Session, start_at: datetime, end_at: datetime, instance_id: str | None = None
) -> list[EquityPoint]:
    """Return the marks at or after `start_at` and before `end_at`, oldest first."""
    query = select(table.c.detail).where(table.c.at >= start_at, table.c.at < end_at)
    if instance_id is not None:
        query = query.where(table.c.instance_id == instance_id)
    return values_of(session, query.order_by(table.c.at, table.c.instance_id), EquityPoint, table)


def latest(session: Session, instance_id: str) -> EquityPoint | None:
    """Return the newest mark of an instance, or None."""
    query = select(table.c.detail).where(table.c.instance_id == instance_id).order_by(table.c.at.desc())
    return value_or_none(session, query, EquityPoint, table)


def at_or_before(session: Session, instance_id: str, at: datetime) -> EquityPoint | None:
    """Return the newest mark of an instance at or before `at`, or None."""
    detail = session.execute(_AT_OR_BEFORE, {"instance": instance_id, "until": at}).scalar_one_or_none()
    return None if detail is None else read_value(detail, EquityPoint, table)


def earliest(session: Session, instance_id: str) -> EquityPoint | None:
    """Return the first mark of an instance, or None."""
    query = select(table.c.detail).where(table.c.instance_id == instance_id).order_by(table.c.at)
    return value_or_none(session, query, EquityPoint, table)


def instances(session: Session) -> list[str]:
    """Return the ids of all instances that were ever marked, sorted."""
    return list(session.execute(select(table.c.instance_id).distinct().order_by(table.c.instance_id)).scalars())


def marks_after(session: Session, instance_ids: Sequence[str], after: datetime | None) -> list[EquityPoint]:
    """Return every mark of `instance_ids` later than `after` (all when None), oldest first."""
    query = select(table.c.detail).where(table.c.instance_id.in_(instance_ids))
    if after is not None:
        query = query.where(table.c.at > after)
    return values_of(session, query.order_by(table.c.at, table.c.instance_id), EquityPoint, table)
