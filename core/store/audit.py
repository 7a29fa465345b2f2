"""The audit chain: who did what to which thing, and when. Append only."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from core.model.canonical import canonical_json
from core.model.operations import AuditRow
from core.store.chain import ChainFault, anchor_head, append_row, check_anchors, verify_table
from core.store.once import fields_of
from core.store.session import Session
from core.store.work_tables import audit as table

AuditFault = ChainFault


def append(
    session: Session, at: datetime, actor: str, action: str, subject: str, payload: Mapping[str, Any]
) -> AuditRow:
    """Return the new last row of the chain."""
    text = canonical_json(payload)
    link = append_row(session, table, {"at": at, "actor": actor, "action": action, "subject": subject, "payload": text})
    return AuditRow(link.n, at, actor, action, subject, text, link.prev_sha256, link.sha256)


def latest(session: Session, limit: int, subject: str | None = None) -> list[AuditRow]:
    """Return up to `limit` rows, newest first, of one subject when given."""
    query = select(table).order_by(table.c.n.desc()).limit(limit)
    if subject is not None:
        query = query.where(table.c.subject == subject)
    return [fields_of(row, AuditRow) for row in session.execute(query)]


def verify(session: Session, anchors: Path | None = None) -> AuditFault | None:
    """Return the first bad row, or None. Only with the anchor file can a cut-off tail be found."""
    return verify_table(session, table) or (check_anchors(session, table, anchors) if anchors else None)


def anchor(session: Session, path: Path, at: datetime) -> None:
    """Append the present head of the chain to the anchor file. Raises Corrupt when an older anchor no longer holds.

    Only in a transaction of its own: a row that is appended here and rolled back would be anchored and missing.
    """
    anchor_head(session, table, path, at)
