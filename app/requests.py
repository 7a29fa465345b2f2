"""What web, command line and Telegram may ask of the worker, and how the worker carries it out."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Literal, get_args

from core.clock import Clock, kst_day
from core.errors import BadInput, Conflict, UnknownName, XcrackError
from core.log import get_logger
from core.model.canary import Canary
from core.model.canonical import short_id
from core.model.operations import Request
from core.store import Session, Store, canaries, deployments, model_versions, param_versions, requests
from strategies.rollout import brought_by

Via = Literal["web", "cli", "telegram"]
Action = Callable[[Session, Request], str]
"""Has its effect inside the transaction that ends the request."""
Errand = Callable[[Request], str]
"""Takes long and is durable by itself; doing it twice has no second effect."""
KINDS = get_args(Request.__annotations__["kind"])


def build_request(kind: str, subject: str, by: str, via: Via, reason: str, at: datetime, nonce: str) -> Request:
    """Return an open request whose id derives from `nonce`, so that the same click is one request. Raises BadInput."""
    if kind not in KINDS:
        raise BadInput(f"'{kind[:40]}' is not a request", f"One of {', '.join(KINDS)}")
    if not subject or len(subject) > 80 or not subject.isprintable():
        raise BadInput("a request needs the id of what it is about")
    if kind in {"daily_cycle", "weekly_cycle"}:
        _require_past(kind, subject, at)
    if not by.strip():
        raise BadInput("a request needs the name of who makes it", "Give one: the audit chain keeps it")
    if len(reason) > 500:
        raise BadInput(f"the reason has {len(reason)} characters", "Keep it under 500")
    return Request(short_id("req", via, nonce), kind, subject, by[:80], via, reason, at, "open", "")  # type: ignore[arg-type]


def _require_past(kind: str, due: str, at: datetime) -> None:
    """Raise BadInput unless `due` is a KST date that has come, and a Sunday for the weekly cycle."""
    try:
        on = date.fromisoformat(due)
    except ValueError:
        raise BadInput(f"'{due[:40]}' is not a date", "Write YYYY-MM-DD, for example 2025-03-09") from None
    if on > kst_day(at):
        raise BadInput(f"{on} has not come: today is {kst_day(at)} in Korea", "Name the date the cycle was due")
    if kind == "weekly_cycle" and on.weekday() != 6:
        raise BadInput(f"{on} is no Sunday, and the weekly cycle is due on Sundays", "Name a Sunday")


def place_request(
    store: Store, clock: Clock, kind: str, subject: str, by: str, via: Via, reason: str, nonce: str
) -> Request:
    """Store a request and return it; the worker carries it out. Raises UnknownName where nothing has that id."""
    request = build_request(kind, subject, by, via, reason, clock.now(), nonce)
    with store.session() as session:
        if kind in {"approve", "reject"}:
            deployment_of(session, subject)
        elif kind == "stop_canary":
            canaries.get(session, subject)
        elif kind == "promote_model":
            require_promotable(session, subject)
        elif kind == "rollback_model":
            require_former(session, subject)
        elif kind == "rollback" and open_canary_of(session, subject) is None:
            _require_way_back(session, subject)
        requests.add(session, request)
    return request


def require_promotable(session: Session, model_id: str) -> None:
    """Raise UnknownName, and Conflict for a version that serves already or cannot."""
    version = model_versions.get(session, model_id)
    if version.status in ("active", "failed") or not version.has_files:
        why = f"is {version.status}" if version.has_files else "has no files any more"
        raise Conflict(f"model {model_id[:12]} {why} and cannot come to serve", "Choose another version")


def require_former(session: Session, slot: str) -> None:
    """Raise UnknownName for a slot without models, and Conflict where no earlier version that served is kept."""
    if not model_versions.of_slot(session, slot):
        raise UnknownName(f"no model answers '{slot[:80]}'", "List them with `xcrack models list`")
    if model_versions.former(session, slot) is None:
        raise Conflict(f"no earlier version of {slot[:80]} that served is kept", "Train one")


def deployment_of(session: Session, subject: str) -> str:
    """Return the id of the deployment that a deployment or proposal id means. Raises UnknownName."""
    if deployments.find(session, subject) is not None:
        return subject
    made = deployments.for_proposal(session, subject)
    if not made:
        raise UnknownName(
            f"nothing waits under '{subject}'", "List proposals; only accepted or narrowed ones are deployed"
        )
    return made[-1].deployment_id


def active_deployment_of(session: Session, subject: str) -> str:
    """Return the id of the deployment in force that a deployment, proposal or instance id means. Raises UnknownName."""
    of_instance = [d for d in deployments.of_instance(session, subject) if d.state == "active"]
    return of_instance[-1].deployment_id if of_instance else deployment_of(session, subject)


def _require_way_back(session: Session, subject: str) -> None:
    """Raise UnknownName where an id means no instance, deployment or proposal, Conflict where nothing leads back."""
    active = param_versions.find_active(session, subject)
    made = deployments.of_instance(session, subject)
    if active is not None and not made:
        raise Conflict(
            f"instance {subject} runs version {active.version}, which no deployment made",
            "There is no earlier version to go back to",
        )
    if not made and deployments.find(session, subject) is None and not deployments.for_proposal(session, subject):
        raise UnknownName(
            f"'{subject}' is no instance, deployment or proposal that was deployed",
            "See what is in force with `xcrack params show`",
        )


def open_canary_of(session: Session, subject: str) -> Canary | None:
    """Return the open canary of an id: its own, its proposal's, its instance's, or of what is in force; or None."""
    found = canaries.find(session, subject) or canaries.for_proposal(session, subject)
    found = found or canaries.open_of(session, subject)
    if found is None:
        made = [d for d in deployments.of_instance(session, subject) if d.state == "active"]
        named = deployments.find(session, subject)
        target = made[-1] if made else named
        proposal_id = None if target is None else brought_by(session, target).proposal_id
        found = None if proposal_id is None else canaries.for_proposal(session, proposal_id)
    return found if found is not None and found.is_open else None


def carry_out(store: Store, actions: Mapping[str, Action], errands: Mapping[str, Errand]) -> int:
    """Carry out every open request, oldest first; returns how many there were. A refused one ends as failed.

    So does one that meets a defect: left open, it would come first again and keep all later ones waiting.
    """
    log = get_logger("requests")
    with store.session() as session:
        waiting = requests.open(session)
    for request in waiting:
        try:
            done = errands[request.kind](request) if request.kind in errands else None
            with store.session() as session:
                result = actions[request.kind](session, request) if done is None else done
                requests.finish(session, request.request_id, "done", result)
        except XcrackError as error:
            log.warning("request failed", request_id=request.request_id, error=str(error))
            _fail(store, request, str(error))
        except Exception as error:
            log.exception("request met a defect", request_id=request.request_id)
            _fail(store, request, f"a defect stopped it: {type(error).__name__}; the worker's log has the rest")
    return len(waiting)


def _fail(store: Store, request: Request, why: str) -> None:
    with store.session() as session:
        requests.finish(session, request.request_id, "failed", why)
