"""Proposals. Their content never changes; state and hold do."""

import math
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, update

from core.errors import BadInput, Conflict, UnknownName
from core.model.canonical import sha256_of
from core.model.proposal import Proposal, ProposalState
from core.store.once import insert_new, value_or_none, values_of
from core.store.session import Session
from core.store.tables import proposal as table


def content_sha256(proposal: Proposal) -> str:
    """Return the hash of what would be tried: instance, base, the edits that change something, and another rule set."""
    changed = sorted(
        (edit.param, float(edit.value)) for edit in proposal.edits if proposal.base_params.get(edit.param) != edit.value
    )
    rules = () if proposal.rules is None else (proposal.rules,)
    return sha256_of([proposal.instance_id, proposal.strategy, proposal.base_sha256, changed, *rules])


def add(session: Session, proposal: Proposal) -> bool:
    """Return True when stored, False when it was there. Raises Conflict for another content under the same id.

    State, hold and creation time are not content: a proposal made again after a crash is the same proposal. Raises
    BadInput for what is no number: it could be written and not be read again.
    """
    _require_numbers(proposal)
    if insert_new(session, table, _row(proposal)):
        return True
    found = get(session, proposal.proposal_id)
    if replace(found, state=proposal.state, hold=proposal.hold, created_at=proposal.created_at) != proposal:
        raise Conflict(
            f"proposal {proposal.proposal_id} exists with other content",
            "Nothing was changed; look where the id came from",
        )
    return False


def _require_numbers(proposal: Proposal) -> None:
    numbers = [proposal.confidence, proposal.expected_effect.magnitude, *(edit.value for edit in proposal.edits)]
    wrong = [number for number in numbers if isinstance(number, bool) or not math.isfinite(number)]
    if wrong:
        raise BadInput(f"proposal {proposal.proposal_id} holds {wrong[0]}, which is no number", "Nothing was stored")


def find(session: Session, proposal_id: str) -> Proposal | None:
    """Return the proposal, or None."""
    return value_or_none(session, select(table.c.detail).where(table.c.proposal_id == proposal_id), Proposal, table)


def get(session: Session, proposal_id: str) -> Proposal:
    """Return the proposal; an unknown id raises UnknownName."""
    found = find(session, proposal_id)
    if found is None:
        raise UnknownName(f"there is no proposal {proposal_id}", "List them with `xcrack proposals list`")
    return found


def latest(session: Session, limit: int, state: ProposalState | None = None) -> list[Proposal]:
    """Return up to `limit` proposals, newest first, of one state if given."""
    query = select(table.c.detail).order_by(table.c.created_at.desc(), table.c.proposal_id).limit(limit)
    return _read(session, query if state is None else query.where(table.c.state == state))


def in_state(session: Session, state: ProposalState) -> list[Proposal]:
    """Return every proposal in `state`, oldest first."""
    return _read(
        session,
        select(table.c.detail).where(table.c.state == state).order_by(table.c.created_at, table.c.proposal_id),
    )


def since(session: Session, start_at: datetime) -> list[Proposal]:
    """Return every proposal made at or after `start_at`, oldest first."""
    query = select(table.c.detail).where(table.c.created_at >= start_at)
    return _read(session, query.order_by(table.c.created_at, table.c.proposal_id))


def of_instance(session: Session, instance_id: str) -> list[Proposal]:
    """Return every proposal for the instance, oldest first."""
    return _read(
        session,
        select(table.c.detail)
        .where(table.c.instance_id == instance_id)
        .order_by(table.c.created_at, table.c.proposal_id),
    )


def for_analysis(session: Session, analysis_id: str) -> list[Proposal]:
    """Return the proposals of one analysis, by id."""
    query = select(table.c.detail).where(table.c.analysis_id == analysis_id).order_by(table.c.proposal_id)
    return _read(session, query)


def by_content(session: Session, sha256: str) -> list[Proposal]:
    """Return the proposals that would try the same thing, oldest first; see `content_sha256`."""
    return _read(
        session,
        select(table.c.detail)
        .where(table.c.content_sha256 == sha256)
        .order_by(table.c.created_at, table.c.proposal_id),
    )


def set_state(session: Session, proposal_id: str, state: ProposalState) -> Proposal:
    """Return the proposal in its new state; an unknown id raises UnknownName."""
    return _put(session, replace(get(session, proposal_id), state=state))


def set_hold(session: Session, proposal_id: str, hold: bool) -> Proposal:
    """Return the proposal with its hold set or lifted; an unknown id raises UnknownName."""
    return _put(session, replace(get(session, proposal_id), hold=hold))


def _put(session: Session, proposal: Proposal) -> Proposal:
    session.execute(
        update(table).where(table.c.proposal_id == proposal.proposal_id).values(state=proposal.state, detail=proposal)
    )
    return proposal


def _row(proposal: Proposal) -> dict[str, Any]:
    return {
        "proposal_id": proposal.proposal_id,
        "analysis_id": proposal.analysis_id,
        "instance_id": proposal.instance_id,
        "strategy": proposal.strategy,
        "state": proposal.state,
        "source": proposal.source,
        "content_sha256": content_sha256(proposal),
        "created_at": proposal.created_at,
        "detail": proposal,
    }


def _read(session: Session, query: Select[Any]) -> list[Proposal]:
    return values_of(session, query, Proposal, table)
