"""Messages that could not be taken, kept with the reason."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from core.store.once import fields_of
from core.store.session import Session
from core.store.tables import dead_letter as table


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message as it came, and why it was refused."""

    n: int
    channel: str
    kind: str
    body: str
    error: str
    at: datetime


def latest(session: Session, limit: int) -> list[DeadLetter]:
    """Return up to `limit` refused messages, newest first. Their bodies are untrusted."""
    query = select(table).order_by(table.c.n.desc()).limit(limit)
    return [fields_of(row, DeadLetter) for row in session.execute(query)]
