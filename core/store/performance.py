"""What became of predictions."""

from datetime import datetime

from sqlalchemy import select

from core.model.trade import PerformanceRecord
from core.store.once import add_value, values_of
from core.store.session import Session
from core.store.tables import performance_feedback as table


def add(session: Session, record: PerformanceRecord) -> bool:
    """Keep a record; False when it is kept already. Raises Conflict when its id has other content."""
    columns = {
        "feedback_id": record.feedback_id,
        "instance_id": record.instance_id,
        "prediction_id": record.prediction_id,
        "outcome": record.outcome,
        "at": record.at,
    }
    return add_value(session, table, record, columns)


def between(session: Session, start_at: datetime, end_at: datetime) -> list[PerformanceRecord]:
    """Return the records made at or after `start_at` and before `end_at`, oldest first."""
    query = select(table.c.detail).where(table.c.at >= start_at, table.c.at < end_at)
    return values_of(session, query.order_by(table.c.at, table.c.feedback_id), PerformanceRecord, table)


def latest(
    session: Session,
    limit: int,
    instance_id: str | None = None,
    prediction_id: str | None = None,
    outcome: str | None = None,
) -> list[PerformanceRecord]:
    """Return up to `limit` records, newest first; each argument that is given narrows them."""
    query = select(table.c.detail)
    for column, wanted in (
        (table.c.instance_id, instance_id),
        (table.c.prediction_id, prediction_id),
        (table.c.outcome, outcome),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    ordered = query.order_by(table.c.at.desc(), table.c.feedback_id.desc())
    return values_of(session, ordered.limit(limit), PerformanceRecord, table)
