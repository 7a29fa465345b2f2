"""Rendered prompts by the hash of their text: what was asked can be read again."""

from datetime import datetime

from sqlalchemy import select

from core.errors import UnknownName
from core.model.analysis import RenderedPrompt
from core.model.canonical import canonical_json, from_json
from core.store.once import insert_new
from core.store.session import Session
from core.store.tables import prompt


def add(session: Session, value: RenderedPrompt, at: datetime) -> bool:
    """Store the prompt; return False when that text is there already."""
    columns = {
        "sha256": value.sha256,
        "name": value.name,
        "version": value.version,
        "language": value.language,
        "text": canonical_json(value),
        "created_at": at,
    }
    return insert_new(session, prompt, columns)


def get(session: Session, sha256: str) -> RenderedPrompt:
    """Return the prompt; raises UnknownName."""
    value = find(session, sha256)
    if value is None:
        raise UnknownName(f"no prompt has the hash '{sha256[:80]}'")
    return value


def find(session: Session, sha256: str) -> RenderedPrompt | None:
    """Return the prompt, or None."""
    text = session.execute(select(prompt.c.text).where(prompt.c.sha256 == sha256)).scalar()
    return None if text is None else from_json(text, RenderedPrompt)
