"""API keys: `xck_<8 hex id>_<secret>`. Only a keyed hash is kept, so neither the database nor a backup opens a door."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, update

from core.errors import BadInput, Conflict, UnknownName
from core.store.once import insert_new
from core.store.session import Session
from core.store.work_tables import api_key as table

SCOPES = ("read", "feedback", "approve", "admin")
_FORM = re.compile(r"xck_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key; never its secret."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


def create(
    session: Session,
    name: str,
    scopes: Collection[str],
    secret_key: str,
    at: datetime,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Return a new key and its text, which cannot be had again. `secret_key` is the web secret."""
    _validate(name, scopes, secret_key, at, expires_at)
    key = ApiKey(secrets.token_hex(4), name, tuple(s for s in SCOPES if s in scopes), at, expires_at, None, None)
    text = f"xck_{key.key_id}_{secrets.token_urlsafe(32)}"
    columns = {"key_id": key.key_id, "name": name, "scopes": key.scopes, "created_at": at, "expires_at": expires_at}
    if not insert_new(session, table, {**columns, "sha256": _digest(text, secret_key)}):
        raise Conflict(f"a key with the id {key.key_id} exists", "Try again")
    return key, text


def verify(session: Session, text: str, secret_key: str, now: datetime) -> ApiKey | None:
    """Return the key that `text` is, or None when it is unknown, revoked or expired."""
    form = _FORM.fullmatch(text)
    row = session.execute(select(table).where(table.c.key_id == form[1])).one_or_none() if form else None
    # Compares even when there is no such key, so that the time taken tells nothing.
    same = hmac.compare_digest(row.sha256 if row else "0" * 64, _digest(text, secret_key))
    if row is None or not same:
        return None
    key = _key(row)
    usable = key.revoked_at is None and (key.expires_at is None or now < key.expires_at)
    return key if usable else None


def get(session: Session, key_id: str) -> ApiKey:
    """Return a key. Raises UnknownName."""
    found = _all(session, select(table).where(table.c.key_id == key_id))
    if not found:
        raise UnknownName(f"no API key '{key_id}' is stored", "List the keys to see their ids")
    return found[0]


def list_keys(session: Session) -> list[ApiKey]:
    """Return every key, revoked and expired ones too, oldest first."""
    return _all(session, select(table).order_by(table.c.created_at, table.c.key_id))


def revoke(session: Session, key_id: str, at: datetime) -> None:
    """Make a key useless for ever; one that is keeps its time. Raises UnknownName."""
    get(session, key_id)
    session.execute(update(table).where(table.c.key_id == key_id, table.c.revoked_at.is_(None)).values(revoked_at=at))


def touch(session: Session, key_id: str, at: datetime) -> None:
    """Note that a key was used. Raises UnknownName."""
    get(session, key_id)
    session.execute(update(table).where(table.c.key_id == key_id).values(last_used_at=at))


def _validate(name: str, scopes: Collection[str], secret_key: str, at: datetime, expires_at: datetime | None) -> None:
    if not name or len(name) > 80:
        raise BadInput("an API key needs a name of 1 to 80 characters", "Name the person or program that will hold it")
    if unknown := sorted(set(scopes) - set(SCOPES)):
        raise BadInput(f"unknown scope {', '.join(unknown)}", f"Choose from {', '.join(SCOPES)}")
    if not scopes:
        raise BadInput("an API key needs a scope", f"Choose from {', '.join(SCOPES)}")
    if not secret_key:
        raise BadInput("the web secret is empty", "Set web.secret_key or let the first start make one")
    if expires_at is not None and expires_at <= at:
        raise BadInput(f"the key would expire at {expires_at.isoformat()}, which is past", "Give a later time")


def _digest(text: str, secret_key: str) -> str:
    return hmac.new(secret_key.encode(), text.encode(), hashlib.sha256).hexdigest()


def _all(session: Session, query: Select[Any]) -> list[ApiKey]:
    return [_key(row) for row in session.execute(query)]


def _key(row: Any) -> ApiKey:
    return ApiKey(
        row.key_id, row.name, tuple(row.scopes), row.created_at, row.expires_at, row.revoked_at, row.last_used_at
    )
