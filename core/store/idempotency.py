"""Answers by idempotency key: a repeated request gets the first answer and has no second effect.

Call `begin`, make the effect and `settle` in one transaction: then a crash leaves neither key nor effect. A caller that
commits between them is guarded too: its key counts as in flight for `IN_FLIGHT`, and afterwards as given up.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update

from core.errors import Conflict, UnknownName
from core.store.once import insert_new
from core.store.session import Session
from core.store.work_tables import idempotency_key as table

IN_FLIGHT = timedelta(seconds=60)
_PENDING = 0


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What the first request was told: HTTP status and body."""

    status: int
    answer: str


def begin(session: Session, scope: str, key: str, body_sha256: str, at: datetime) -> StoredAnswer | None:
    """Return the stored answer, or None when the caller is the first. Raises Conflict: other body, or in flight."""
    row = {"scope": scope, "key": key, "body_sha256": body_sha256, "status": _PENDING, "answer": "", "created_at": at}
    if insert_new(session, table, row):
        return None
    here = (table.c.scope == scope) & (table.c.key == key)
    stored = session.execute(select(table).where(here).with_for_update()).one()
    if stored.body_sha256 != body_sha256:
        raise Conflict(f"the idempotency key '{key}' was used for another request", "Send it under a new key")
    if stored.status != _PENDING:
        return StoredAnswer(stored.status, stored.answer)
    if at - stored.created_at < IN_FLIGHT:
        raise Conflict(f"the request with the idempotency key '{key}' is still being answered", "Ask again in a moment")
    session.execute(update(table).where(here).values(created_at=at))
    return None


def settle(session: Session, scope: str, key: str, status: int, answer: str) -> None:
    """Keep the answer of a begun request. Raises UnknownName when none was begun."""
    here = (table.c.scope == scope) & (table.c.key == key) & (table.c.status == _PENDING)
    done = session.execute(update(table).where(here).values(status=status, answer=answer).returning(table.c.key))
    if done.first() is None:
        raise UnknownName(f"no request with the idempotency key '{key}' is in flight")
