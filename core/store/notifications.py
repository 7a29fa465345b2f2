"""The outbox to people: messages in the order they were written, kept until one is delivered."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, update

from core.errors import Conflict, UnknownName
from core.model.operations import Notification
from core.store.once import fields_of, insert_new
from core.store.session import Session
from core.store.work_tables import notification as table


def add(session: Session, notification: Notification) -> bool:
    """Keep a message; False when it is kept already. Raises Conflict when its id has other content."""
    if insert_new(session, table, {**asdict(notification), "attempts": 0}):
        return True
    stored = _all(session, select(table).where(table.c.notification_id == notification.notification_id))[0]
    if (stored.kind, stored.text) == (notification.kind, notification.text):
        return False
    raise Conflict(f"notification {notification.notification_id} exists with other content")


def unsent(session: Session, limit: int) -> list[Notification]:
    """Return up to `limit` messages to deliver, in the order they were written."""
    return _all(session, select(table).where(table.c.sent_at.is_(None)).order_by(table.c.n).limit(limit))


def mark_sent(session: Session, notification_id: str, at: datetime) -> None:
    """Mark a message as delivered; one that is keeps its time. Raises UnknownName."""
    attempts(session, notification_id)
    query = update(table).where(table.c.notification_id == notification_id, table.c.sent_at.is_(None))
    session.execute(query.values(sent_at=at))


def count_attempt(session: Session, notification_id: str) -> int:
    """Count one try to deliver and return how many there were. Raises UnknownName."""
    query = update(table).where(table.c.notification_id == notification_id).values(attempts=table.c.attempts + 1)
    session.execute(query)
    return attempts(session, notification_id)


def attempts(session: Session, notification_id: str) -> int:
    """Return how many tries to deliver there were. Raises UnknownName."""
    query = select(table.c.attempts).where(table.c.notification_id == notification_id)
    found = session.execute(query).scalar_one_or_none()
    if found is None:
        raise UnknownName(f"no notification '{notification_id}' is stored")
    return int(found)


def latest(session: Session, limit: int) -> list[Notification]:
    """Return up to `limit` messages, newest first."""
    return _all(session, select(table).order_by(table.c.n.desc()).limit(limit))


def _all(session: Session, query: Select[Any]) -> list[Notification]:
    return [fields_of(row, Notification) for row in session.execute(query)]
