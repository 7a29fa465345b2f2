"""What became of proposals, for people: no dataset and no prompt reads this table."""

from sqlalchemy import select

from core.model.aftermath import Aftermath
from core.store.once import add_value, value_or_none, values_of
from core.store.session import Session
from core.store.tables import aftermath as table


def add(session: Session, value: Aftermath) -> bool:
    """Return True when stored, False when it was there. Raises Conflict for other content under the same id."""
    columns = {
        "aftermath_id": value.aftermath_id,
        "proposal_id": value.proposal_id,
        "horizon_days": value.horizon_days,
        "registered_at": value.registered_at,
    }
    return add_value(session, table, value, columns)


def find(session: Session, aftermath_id: str) -> Aftermath | None:
    """Return the aftermath, or None."""
    query = select(table.c.detail).where(table.c.aftermath_id == aftermath_id)
    return value_or_none(session, query, Aftermath, table)


def ids(session: Session) -> frozenset[str]:
    """Return the ids of all."""
    return frozenset(session.execute(select(table.c.aftermath_id)).scalars())


def all_of(session: Session, horizon_days: int | None = None) -> list[Aftermath]:
    """Return all, of one horizon when given, in the order in which their proposals were registered."""
    query = select(table.c.detail).order_by(table.c.registered_at, table.c.aftermath_id)
    if horizon_days is not None:
        query = query.where(table.c.horizon_days == horizon_days)
    return values_of(session, query, Aftermath, table)


def for_proposal(session: Session, proposal_id: str) -> list[Aftermath]:
    """Return the aftermaths of one proposal, shortest horizon first."""
    query = select(table.c.detail).where(table.c.proposal_id == proposal_id).order_by(table.c.horizon_days)
    return values_of(session, query, Aftermath, table)
