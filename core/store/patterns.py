"""Pattern rules and their lives."""

from collections.abc import Collection, Sequence

from sqlalchemy import select, update

from core.model.analysis import PatternRule
from core.store.once import insert_new, values_of
from core.store.session import Session
from core.store.tables import pattern as table


def put(session: Session, rule: PatternRule) -> None:
    """Keep a rule, or replace the one of the same id."""
    columns = {
        "pattern_id": rule.pattern_id,
        "state": rule.state,
        "last_seen_on": rule.last_seen_on,
        "detail": rule,
    }
    if not insert_new(session, table, columns):
        session.execute(update(table).where(table.c.pattern_id == rule.pattern_id).values(columns))


def list(session: Session, states: Collection[str] | None = None) -> Sequence[PatternRule]:
    """Return the rules in one of `states` (all when None), last seen first."""
    query = select(table.c.detail).order_by(table.c.last_seen_on.desc(), table.c.pattern_id)
    if states is not None:
        query = query.where(table.c.state.in_(tuple(states)))
    return values_of(session, query, PatternRule, table)
