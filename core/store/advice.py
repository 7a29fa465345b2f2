"""Questions of the engine, the advisor's answers, their reasons, and what became of the orders."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import delete, select

from core.errors import UnknownName
from core.model.advice import AdviceNote, AdviceOutcome, AdviceRecord, PendingAdvice
from core.store.once import add_value, value_or_none, values_of
from core.store.session import Session, after_commit
from core.store.tables import advice as table
from core.store.tables import advice_note as note_table
from core.store.tables import advice_outcome as outcome_table
from core.store.work_tables import advice_question as question_table


def add(session: Session, record: AdviceRecord) -> bool:
    """Keep an answer; False when it is kept already. Raises Conflict when its id has other content."""
    columns = {"advice_id": record.advice_id, "asked_at": record.asked_at, "approve": record.approve}
    return add_value(session, table, record, columns)


def find(session: Session, advice_id: str) -> AdviceRecord | None:
    """Return the answer of that id, or None."""
    return value_or_none(session, select(table.c.detail).where(table.c.advice_id == advice_id), AdviceRecord, table)


def get(session: Session, advice_id: str) -> AdviceRecord:
    """Return the answer of that id. Raises UnknownName."""
    if (record := find(session, advice_id)) is None:
        raise UnknownName(f"no advice '{advice_id}' is stored")
    return record


def latest(session: Session, limit: int) -> list[AdviceRecord]:
    """Return up to `limit` answers, newest first."""
    query = select(table.c.detail).order_by(table.c.asked_at.desc(), table.c.advice_id.desc()).limit(limit)
    return values_of(session, query, AdviceRecord, table)


def between(session: Session, start_at: datetime, end_at: datetime) -> list[AdviceRecord]:
    """Return the answers asked for at or after `start_at` and before `end_at`, oldest first."""
    query = select(table.c.detail).where(table.c.asked_at >= start_at, table.c.asked_at < end_at)
    return values_of(session, query.order_by(table.c.asked_at, table.c.advice_id), AdviceRecord, table)


def add_pending(session: Session, pending: PendingAdvice, on_commit: Callable[[], None] | None = None) -> bool:
    """Keep an open question; False when it is kept already. `on_commit` is called once that is committed."""
    columns = {"advice_id": pending.rule.advice_id, "deadline_at": pending.deadline_at}
    is_new = add_value(session, question_table, pending, columns)
    if is_new and on_commit is not None:
        after_commit(session, on_commit)
    return is_new


def find_pending(session: Session, advice_id: str) -> PendingAdvice | None:
    """Return the open question of that id, or None."""
    query = select(question_table.c.detail).where(question_table.c.advice_id == advice_id)
    return value_or_none(session, query, PendingAdvice, question_table)


def all_pending(session: Session) -> list[PendingAdvice]:
    """Return every open question, the one that is due first first."""
    query = select(question_table.c.detail).order_by(question_table.c.deadline_at, question_table.c.advice_id)
    return values_of(session, query, PendingAdvice, question_table)


def take_pending(session: Session, advice_id: str) -> bool:
    """Close the question in the caller's transaction; False when it was closed before: only one caller is told True."""
    statement = delete(question_table).where(question_table.c.advice_id == advice_id)
    return session.execute(statement.returning(question_table.c.advice_id)).first() is not None


def add_note(session: Session, note: AdviceNote) -> bool:
    """Keep a reason; False when it is kept already."""
    return add_value(session, note_table, note, {"advice_id": note.advice_id})


def notes_of(session: Session, advice_ids: Sequence[str]) -> dict[str, AdviceNote]:
    """Return the reasons that are kept for these answers, by id."""
    query = select(note_table.c.detail).where(note_table.c.advice_id.in_(advice_ids))
    return {note.advice_id: note for note in values_of(session, query, AdviceNote, note_table)}


def add_outcome(session: Session, outcome: AdviceOutcome) -> bool:
    """Keep what became of an order; False when that is kept already."""
    columns = {"advice_id": outcome.advice_id, "asked_at": outcome.asked_at}
    return add_value(session, outcome_table, outcome, columns)


def outcomes_between(session: Session, start_at: datetime, end_at: datetime) -> dict[str, AdviceOutcome]:
    """Return what became of the orders asked about in [start_at, end_at), by advice id, oldest first."""
    asked = outcome_table.c.asked_at
    query = select(outcome_table.c.detail).where(asked >= start_at, asked < end_at).order_by(asked)
    return {each.advice_id: each for each in values_of(session, query, AdviceOutcome, outcome_table)}


def outcomes_of(session: Session, advice_ids: Sequence[str]) -> dict[str, AdviceOutcome]:
    """Return what became of the orders of these answers, by advice id."""
    query = select(outcome_table.c.detail).where(outcome_table.c.advice_id.in_(advice_ids))
    return {each.advice_id: each for each in values_of(session, query, AdviceOutcome, outcome_table)}


def unsettled(session: Session, start_at: datetime, end_at: datetime) -> list[AdviceRecord]:
    """Return the answers asked for in [start_at, end_at) whose orders have no outcome yet, oldest first."""
    settled = select(outcome_table.c.advice_id).where(outcome_table.c.advice_id == table.c.advice_id).exists()
    query = select(table.c.detail).where(table.c.asked_at >= start_at, table.c.asked_at < end_at, ~settled)
    return values_of(session, query.order_by(table.c.asked_at, table.c.advice_id), AdviceRecord, table)
