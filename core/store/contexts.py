"""What was known about the world, one row a collection."""

from datetime import datetime

from sqlalchemy import select

from core.errors import UnknownName
from core.model.market import MarketContext
from core.store.once import add_value, value_or_none
from core.store.session import Session
from core.store.tables import market_context as table


def add(session: Session, context: MarketContext) -> bool:
    """Keep a context; False when it is kept already. Raises Conflict when its id has other content."""
    return add_value(session, table, context, {"context_id": context.context_id, "at": context.at})


def get(session: Session, context_id: str) -> MarketContext:
    """Return the context of this id. Raises UnknownName."""
    query = select(table.c.detail).where(table.c.context_id == context_id)
    context = value_or_none(session, query, MarketContext, table)
    if context is None:
        raise UnknownName(f"there is no market context {context_id}")
    return context


def latest(session: Session) -> MarketContext | None:
    """Return the newest context, or None."""
    query = select(table.c.detail).order_by(table.c.at.desc(), table.c.context_id)
    return value_or_none(session, query, MarketContext, table)


def as_of(session: Session, at: datetime) -> MarketContext | None:
    """Return the newest context collected at or before `at`, or None."""
    query = select(table.c.detail).where(table.c.at <= at).order_by(table.c.at.desc(), table.c.context_id)
    return value_or_none(session, query, MarketContext, table)
