"""Leases: at most one owner of a name at a time, and a fencing token that grows with every owner.

Who lost a lease without noticing (a stopped process, a long pause) holds an old token; `check` refuses it inside the
transaction that would have written.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update

from core.errors import Conflict
from core.store.once import fields_of, insert_new
from core.store.session import Session
from core.store.work_tables import lease as table


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a name, under which token, until when."""

    name: str
    owner: str
    fencing_token: int
    until: datetime


def acquire(
    session: Session, name: str, owner: str, now: datetime, ttl: timedelta, take_over: bool = False
) -> int | None:
    """Return the fencing token, or None while another owner's lease runs. `take_over` says that owner is known dead."""
    row = {"name": name, "owner": owner, "fencing_token": 1, "until": now + ttl}
    if insert_new(session, table, row):
        return 1
    held = _locked(session, name)
    if held.until > now and held.owner != owner and not take_over:
        return None
    token = held.fencing_token if held.owner == owner and held.until > now else held.fencing_token + 1
    query = update(table).where(table.c.name == name)
    session.execute(query.values(owner=owner, fencing_token=token, until=now + ttl))
    return token


def renew(session: Session, name: str, token: int, now: datetime, ttl: timedelta) -> None:
    """Prolong a lease. Raises Conflict when `token` is stale."""
    check(session, name, token)
    session.execute(update(table).where(table.c.name == name).values(until=now + ttl))


def release(session: Session, name: str, token: int, now: datetime) -> None:
    """End a lease at once. Raises Conflict when `token` is stale."""
    check(session, name, token)
    session.execute(update(table).where(table.c.name == name).values(until=now))


def check(session: Session, name: str, token: int) -> None:
    """Hold the lease's row until commit. Raises Conflict when `token` is not the newest one."""
    held = _locked(session, name)
    if held.fencing_token != token:
        raise Conflict(
            f"the lease '{name}' went to {held.owner}; fencing token {token} is stale",
            "Stop this process; the other one does the work",
        )


def holder(session: Session, name: str) -> Lease | None:
    """Return the lease as last written, run out or not, or None when nobody ever held it."""
    row = session.execute(select(table).where(table.c.name == name)).one_or_none()
    return None if row is None else fields_of(row, Lease)


def _locked(session: Session, name: str) -> Lease:
    row = session.execute(select(table).where(table.c.name == name).with_for_update()).one_or_none()
    if row is None:
        raise Conflict(f"nobody holds the lease '{name}'", "Acquire it first")
    return fields_of(row, Lease)
