"""Alerts, raised and resolved."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, update

from core.errors import Conflict, UnknownName
from core.model.operations import Alert
from core.store.once import fields_of, insert_new
from core.store.session import Session
from core.store.tables import alert as table


def add(session: Session, alert: Alert) -> bool:
    """Keep an alert; False when it is kept already. Raises Conflict when its id has other content."""
    if insert_new(session, table, asdict(alert)):
        return True
    stored = _all(session, select(table).where(table.c.alert_id == alert.alert_id))[0]
    if (stored.kind, stored.subject, stored.message) == (alert.kind, alert.subject, alert.message):
        return False
    raise Conflict(f"alert {alert.alert_id} exists with other content")


def latest(session: Session, limit: int) -> list[Alert]:
    """Return up to `limit` alerts, newest first."""
    return _all(session, select(table).order_by(table.c.raised_at.desc(), table.c.alert_id).limit(limit))


def open(session: Session) -> list[Alert]:
    """Return the alerts whose condition still holds, newest first."""
    query = select(table).where(table.c.resolved_at.is_(None))
    return _all(session, query.order_by(table.c.raised_at.desc(), table.c.alert_id))


def last_of_kind(session: Session, kind: str, subject: str) -> Alert | None:
    """Return the newest alert of a kind on a subject, resolved or not, or None."""
    query = select(table).where(table.c.kind == kind, table.c.subject == subject)
    rows = _all(session, query.order_by(table.c.raised_at.desc()).limit(1))
    return rows[0] if rows else None


def resolve(session: Session, alert_id: str, at: datetime) -> None:
    """Mark an alert as over; one that is over already keeps its time. Raises UnknownName."""
    if not _all(session, select(table).where(table.c.alert_id == alert_id)):
        raise UnknownName(f"no alert '{alert_id}' is stored")
    query = update(table).where(table.c.alert_id == alert_id, table.c.resolved_at.is_(None))
    session.execute(query.values(resolved_at=at))


def _all(session: Session, query: Select[Any]) -> list[Alert]:
    return [fields_of(row, Alert) for row in session.execute(query)]
