"""Canaries, their days, and what was decided about them: at most one decision a day and canary."""

from datetime import date
from typing import Any

from sqlalchemy import select, update

from core.errors import UnknownName
from core.model.canary import OPEN_STAGES, Canary, CanaryDay, CanaryDecision
from core.store.once import add_value, value_or_none, values_of
from core.store.session import Session
from core.store.tables import canary as table
from core.store.tables import canary_day, canary_decision


def add(session: Session, canary: Canary) -> bool:
    """Return True when stored, False when it was there. Raises Conflict for other content under the same id."""
    return add_value(session, table, canary, _row(canary))


def put(session: Session, canary: Canary) -> None:
    """Write the canary's present state over the stored one; an unknown id raises UnknownName."""
    get(session, canary.canary_id)
    values = _row(canary)
    session.execute(update(table).where(table.c.canary_id == values.pop("canary_id")).values(**values, detail=canary))


def find(session: Session, canary_id: str) -> Canary | None:
    """Return the canary, or None."""
    return value_or_none(session, select(table.c.detail).where(table.c.canary_id == canary_id), Canary, table)


def get(session: Session, canary_id: str) -> Canary:
    """Return the canary; an unknown id raises UnknownName."""
    found = find(session, canary_id)
    if found is None:
        raise UnknownName(f"there is no canary {canary_id}", "List them with `xcrack canary list`")
    return found


def all_open(session: Session) -> list[Canary]:
    """Return every canary on its way or under watch, by instance."""
    query = select(table.c.detail).where(table.c.stage.in_(OPEN_STAGES)).order_by(table.c.instance_id)
    return values_of(session, query, Canary, table)


def open_of(session: Session, instance_id: str) -> Canary | None:
    """Return the instance's open canary, or None: there is at most one."""
    query = select(table.c.detail).where(table.c.instance_id == instance_id, table.c.stage.in_(OPEN_STAGES))
    return value_or_none(session, query, Canary, table)


def latest(session: Session, limit: int, instance_id: str | None = None) -> list[Canary]:
    """Return up to `limit` canaries, newest first, of one instance when given."""
    query = select(table.c.detail).order_by(table.c.started_on.desc(), table.c.canary_id).limit(limit)
    chosen = query if instance_id is None else query.where(table.c.instance_id == instance_id)
    return values_of(session, chosen, Canary, table)


def for_proposal(session: Session, proposal_id: str) -> Canary | None:
    """Return the canary of a proposal, or None."""
    return value_or_none(session, select(table.c.detail).where(table.c.proposal_id == proposal_id), Canary, table)


def add_day(session: Session, day: CanaryDay) -> bool:
    """Keep a day; False when it is kept already. Raises Conflict when the day has another result."""
    return add_value(session, canary_day, day, {"canary_id": day.canary_id, "on": day.on})


def days(session: Session, canary_id: str) -> list[CanaryDay]:
    """Return the kept days of a canary, oldest first."""
    query = select(canary_day.c.detail).where(canary_day.c.canary_id == canary_id).order_by(canary_day.c.on)
    return values_of(session, query, CanaryDay, canary_day)


def add_decision(session: Session, decision: CanaryDecision) -> bool:
    """Keep a decision; False when the same one is kept. Raises Conflict when the day has another one."""
    return add_value(session, canary_decision, decision, {"canary_id": decision.canary_id, "on": decision.on})


def decision_on(session: Session, canary_id: str, on: date) -> CanaryDecision | None:
    """Return what was decided about a canary on a KST day, or None."""
    kept = canary_decision.c
    query = select(kept.detail).where(kept.canary_id == canary_id, kept.on == on)
    return value_or_none(session, query, CanaryDecision, canary_decision)


def decisions(session: Session, canary_id: str) -> list[CanaryDecision]:
    """Return the decisions about a canary, oldest first."""
    kept = canary_decision.c
    query = select(kept.detail).where(kept.canary_id == canary_id).order_by(kept.on)
    return values_of(session, query, CanaryDecision, canary_decision)


def _row(canary: Canary) -> dict[str, Any]:
    return {
        "canary_id": canary.canary_id,
        "proposal_id": canary.proposal_id,
        "instance_id": canary.instance_id,
        "stage": canary.stage,
        "started_on": canary.started_on,
    }
