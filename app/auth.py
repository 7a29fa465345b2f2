"""Who asks, and what they may do.

Programs show an API key as `Authorization: Bearer xck_…`. People sign in to the dashboard with such a key and get a
signed cookie that names the key; each request looks the key up again, so revoking it ends the session at once. The
API never looks at the cookie, so no foreign page can make a browser write through it.
"""

import os
import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from flask import g, request, session

from app.problems import NotAllowed, NotSignedIn
from app.rooms import rooms
from app.security import asked_from_this_machine, is_loopback
from core.errors import SettingsError, UnknownName
from core.settings import Settings
from core.store import Session, api_keys, audit

Scope = Literal["read", "feedback", "approve", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "feedback", "approve", "admin")
_SESSION_KEY = "key_id"
_TOUCH_EVERY = timedelta(hours=1)
"""How exact "last used" is; noting every use would make every read a write."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks. `key_id` is empty for an anonymous reader on this machine."""

    key_id: str
    name: str
    scopes: frozenset[str]

    def may(self, scope: Scope) -> bool:
        """Return whether the caller holds `scope`; `admin` holds them all."""
        return scope in self.scopes or "admin" in self.scopes


LOCAL_READER = Caller("", "local", frozenset({"read"}))


def load_web_secret(settings: Settings) -> str:
    """Return the secret of this installation; without one in the settings it is made once in `<home>/web.secret`."""
    given = settings.web.secret_key.get_secret_value()
    if given:
        if len(given) < 32:
            raise SettingsError(
                "web.secret_key has fewer than 32 characters", "Use `openssl rand -hex 32`, or unset it"
            )
        return given
    path = settings.home / "web.secret"
    if not path.exists():
        _create_secret(path)
    secret = path.read_text(encoding="ascii").strip()
    if len(secret) < 32:
        raise SettingsError(f"{path} holds no secret of 32 or more characters", "Delete it; a new one is made")
    return secret


def bearer_caller() -> Caller | None:
    """Return whose API key the request shows, or None without one. Raises NotSignedIn for a bad key."""
    header = request.headers.get("Authorization", "")
    if not header:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotSignedIn("the Authorization header is not `Bearer xck_…`", "Send an API key")
    here = rooms()
    with here.store.session() as db:
        return _verified(db, token.strip())


def sign_in(token: str) -> Caller:
    """Return whose key this is and remember it in the signed cookie. Raises NotSignedIn."""
    here = rooms()
    with here.store.session() as db:
        caller = _verified(db, token)
        audit.append(db, here.clock.now(), f"key:{caller.key_id}", "signed_in", caller.name, {})
    session.clear()
    session.permanent = True
    session[_SESSION_KEY] = caller.key_id
    return caller


def sign_out() -> None:
    """Forget the caller of this browser."""
    session.clear()


def session_caller() -> Caller | None:
    """Return who is signed in to the dashboard, None when nobody is or the key is revoked or expired."""
    key_id = session.get(_SESSION_KEY)
    if not isinstance(key_id, str):
        return None
    here = rooms()
    now = here.clock.now()
    try:
        with here.store.session() as db:
            key = api_keys.get(db, key_id)
    except UnknownName:
        return None
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        return None
    return Caller(key.key_id, key.name, frozenset(key.scopes))


def public_reading() -> bool:
    """Return whether this request may read without a key: settings allow it, and it stays on this machine."""
    web = rooms().settings.web
    return web.public_read and is_loopback(web.host) and asked_from_this_machine()


def require_key(scope: Scope) -> Caller:
    """Return the caller of an API route. Raises NotSignedIn or NotAllowed."""
    caller = bearer_caller()
    if caller is None:
        if scope == "read" and public_reading():
            return LOCAL_READER
        raise NotSignedIn("this route needs an API key", "Send `Authorization: Bearer xck_…`")
    if not caller.may(scope) and not (scope == "read" and public_reading()):
        raise NotAllowed(f"the key '{caller.name}' lacks the scope '{scope}'", "Use a key that has it")
    return caller


def page_caller() -> Caller:
    """Return the caller of a dashboard page that `app.dashboard` found before the view ran."""
    caller: Caller = g.caller
    return caller


def may_see_sealed() -> bool:
    """Return whether this page may show what rests on sealed days: to who may approve, and to readers on this machine.

    A proposer may hold a key that reads; it holds none that approves.
    """
    return page_caller().may("approve") or public_reading()


def require_page_scope(scope: Scope) -> Caller:
    """Return the signed-in caller of a dashboard form. Raises NotSignedIn or NotAllowed."""
    caller = page_caller()
    if not caller.key_id:
        raise NotSignedIn("this needs a signed-in person", "Sign in with an API key")
    if not caller.may(scope):
        raise NotAllowed(f"the key '{caller.name}' lacks the scope '{scope}'", "Sign in with a key that has it")
    return caller


def _verified(db: Session, token: str) -> Caller:
    here = rooms()
    now = here.clock.now()
    key = api_keys.verify(db, token, here.secret, now)
    if key is None:
        raise NotSignedIn("the API key is unknown, revoked or expired", "Ask an administrator for a new one")
    if key.last_used_at is None or now - key.last_used_at >= _TOUCH_EVERY:
        api_keys.touch(db, key.key_id, now)
    return Caller(key.key_id, key.name, frozenset(key.scopes))


def _create_secret(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
        # Linking fails when another process was first; then its secret counts for both.
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink(missing_ok=True)
