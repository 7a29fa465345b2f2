"""Probes and the description of the API."""

from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from flask import Response, current_app

from app.api.openapi import build_spec
from app.api.operations import Answer, Operation, answer_json, operation
from app.problems import MEDIA_TYPE, RETRY_AFTER_S, Problem
from app.rooms import WebRooms, rooms
from core.errors import XcrackError
from core.store import engine_states, leases
from core.store.schema import require_current

WORKER_LEASE = "worker"


class Alive(Answer):
    """The process answers."""

    status: Literal["ok"]


class CheckResult(Answer):
    """One condition. `age_s` is how long ago it was last heard of."""

    name: Literal["store", "worker", "engine"]
    ok: bool
    detail: str
    age_s: float | None = None


class Ready(Answer):
    """Whether the whole system works: this process, its database, the worker and the engine."""

    status: Literal["ready"]
    checks: tuple[CheckResult, ...]


class NotReady(Problem):
    """The problem with every check beside it."""

    checks: tuple[CheckResult, ...]


class Described(Answer):
    """OpenAPI 3.1 document."""

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]
    components: dict[str, Any]


@operation(Operation(summary="Whether this process answers; touches nothing", answer=Alive))
def healthz() -> Alive:
    """Answer at once."""
    return Alive(status="ok")


@operation(Operation(summary="Whether database, schema, worker and engine are there", answer=Ready, errors=(503,)))
def readyz() -> Response:
    """Answer 200 when every check holds and 503 naming those that do not."""
    here = rooms()
    store = _check_store(here)
    checks = (store,) if not store.ok else (store, *_check_heartbeats(here))
    ready = all(check.ok for check in checks)
    if ready:
        return answer_json(Ready(status="ready", checks=checks))
    failed = next(check for check in checks if not check.ok)
    problem = NotReady(
        title="Service Unavailable",
        status=503,
        detail=f"{failed.name}: {failed.detail}",
        remedy="Mend what `checks` names; the rest of the web process works on",
        instance="/readyz",
        checks=checks,
    )
    response = Response(problem.model_dump_json(), status=503, mimetype=MEDIA_TYPE)
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


@operation(Operation(summary="This description", answer=Described))
def openapi() -> Response:
    """Answer with the OpenAPI document."""
    return Response(msgspec.json.encode(build_spec(current_app)), mimetype="application/json")


def _check_store(here: WebRooms) -> CheckResult:
    try:
        require_current(here.store)
    except XcrackError as error:
        return CheckResult(name="store", ok=False, detail=str(error))
    return CheckResult(name="store", ok=True, detail="the schema is the one this program was written for")


def _check_heartbeats(here: WebRooms) -> tuple[CheckResult, CheckResult]:
    now = here.clock.now()
    try:
        with here.store.session() as session:
            lease = leases.holder(session, WORKER_LEASE)
            engine = engine_states.latest(session)
    except XcrackError as error:
        down = str(error)
        return CheckResult(name="worker", ok=False, detail=down), CheckResult(name="engine", ok=False, detail=down)
    if lease is None:
        worker = CheckResult(name="worker", ok=False, detail="no worker has run yet; start `xcrack worker`")
    else:
        held = lease.until > now
        detail = f"held by {lease.owner}" if held else f"the lease of {lease.owner} ran out; start `xcrack worker`"
        worker = CheckResult(name="worker", ok=held, detail=detail, age_s=None if held else _age(lease.until, now))
    if engine is None:
        return worker, CheckResult(
            name="engine", ok=False, detail="no engine was heard of yet; start `xcrack engine run`"
        )
    fresh = now - engine.heard_at <= timedelta(seconds=here.settings.alerts.silence_s)
    detail = (
        f"{engine.engine_id} is {engine.state}"
        if fresh
        else f"{engine.engine_id} is silent; see `xcrack engine status`"
    )
    return worker, CheckResult(name="engine", ok=fresh, detail=detail, age_s=_age(engine.heard_at, now))


def _age(since: datetime, now: datetime) -> float:
    return max(0.0, round((now - since).total_seconds(), 1))
