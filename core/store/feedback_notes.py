"""Notes that people left."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import select, update

from core.errors import UnknownName
from core.model.operations import FeedbackNote
from core.store.once import add_value, value_or_none, values_of
from core.store.session import Session
from core.store.tables import feedback_note as table


def add(session: Session, note: FeedbackNote) -> bool:
    """Keep a note; False when it is kept already. Raises Conflict when its id has other content."""
    columns = {
        "note_id": note.note_id,
        "author": note.author,
        "at": note.at,
        "target_kind": note.target_kind,
        "target_id": note.target_id,
    }
    return add_value(session, table, note, columns)


def find(session: Session, note_id: str) -> FeedbackNote | None:
    """Return the note of that id, or None."""
    return value_or_none(session, select(table.c.detail).where(table.c.note_id == note_id), FeedbackNote, table)


def get(session: Session, note_id: str) -> FeedbackNote:
    """Return the note of that id. Raises UnknownName."""
    if (note := find(session, note_id)) is None:
        raise UnknownName(f"no feedback note '{note_id}' is stored")
    return note


def latest(session: Session, limit: int) -> list[FeedbackNote]:
    """Return up to `limit` notes, newest first."""
    query = select(table.c.detail).order_by(table.c.at.desc(), table.c.note_id.desc()).limit(limit)
    return values_of(session, query, FeedbackNote, table)


def for_target(session: Session, kind: str, target_id: str) -> list[FeedbackNote]:
    """Return the notes on one target, oldest first."""
    query = select(table.c.detail).where(table.c.target_kind == kind, table.c.target_id == target_id)
    return values_of(session, query.order_by(table.c.at, table.c.note_id), FeedbackNote, table)


def between(session: Session, start_at: datetime, end_at: datetime) -> list[FeedbackNote]:
    """Return the notes left at or after `start_at` and before `end_at`, oldest first."""
    query = select(table.c.detail).where(table.c.at >= start_at, table.c.at < end_at)
    return values_of(session, query.order_by(table.c.at, table.c.note_id), FeedbackNote, table)


def mark_used(session: Session, note_id: str, dataset_id: str, effect: str) -> FeedbackNote:
    """Add `dataset_id` to the datasets that counted the note and say what became of it; returns the note."""
    note = get(session, note_id)
    used_in = note.used_in if dataset_id in note.used_in else (*note.used_in, dataset_id)
    return _put(session, replace(note, used_in=used_in, effect=effect))


def _put(session: Session, note: FeedbackNote) -> FeedbackNote:
    session.execute(update(table).where(table.c.note_id == note.note_id).values(detail=note))
    return note
