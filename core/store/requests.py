"""Wishes of web, CLI and Telegram that wait for the worker."""

from dataclasses import asdict
from typing import Any, Literal

from sqlalchemy import Select, select, update

from core.errors import Conflict, UnknownName
from core.model.operations import Request
from core.store.once import fields_of, insert_new
from core.store.session import Session
from core.store.work_tables import request as table


def add(session: Session, request: Request) -> bool:
    """Keep a request; False when it is kept already, whatever became of it. Raises Conflict on another wish."""
    if insert_new(session, table, asdict(request)):
        return True
    if _wish(get(session, request.request_id)) == _wish(request):
        return False
    raise Conflict(f"request {request.request_id} exists and asks for something else", "Send it under a new id")


def get(session: Session, request_id: str) -> Request:
    """Return a request. Raises UnknownName."""
    found = _all(session, select(table).where(table.c.request_id == request_id))
    if not found:
        raise UnknownName(f"no request '{request_id}' is stored", "List the requests to see their ids")
    return found[0]


def open(session: Session) -> list[Request]:
    """Return the requests still to be carried out, oldest first."""
    query = select(table).where(table.c.state == "open")
    return _all(session, query.order_by(table.c.at, table.c.request_id))


def latest(session: Session, limit: int) -> list[Request]:
    """Return up to `limit` requests, newest first."""
    return _all(session, select(table).order_by(table.c.at.desc(), table.c.request_id).limit(limit))


def finish(session: Session, request_id: str, state: Literal["done", "failed"], result: str) -> bool:
    """Write down what became of an open request; False when that is written already. Raises Conflict, UnknownName."""
    query = update(table).where(table.c.request_id == request_id, table.c.state == "open")
    if session.execute(query.values(state=state, result=result).returning(table.c.request_id)).first():
        return True
    stored = get(session, request_id)
    if (stored.state, stored.result) == (state, result):
        return False
    raise Conflict(f"request {request_id} ended before as {stored.state}: {stored.result}")


def _wish(request: Request) -> tuple[str, ...]:
    return (request.kind, request.subject_id, request.by, request.via, request.reason)


def _all(session: Session, query: Select[Any]) -> list[Request]:
    return [fields_of(row, Request) for row in session.execute(query)]
