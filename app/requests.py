"""What web, command line and Telegram may ask of the worker, and how the worker carries it out."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal, get_args

from core.clock import Clock
from core.errors import BadInput, XcrackError
from core.log import get_logger
from core.model.canonical import short_id
from core.model.operations import Request
from core.store import Session, Store, requests

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
    if len(reason) > 500:
        raise BadInput(f"the reason has {len(reason)} characters", "Keep it under 500")
    return Request(short_id("req", via, nonce), kind, subject, by[:80], via, reason, at, "open", "")  # type: ignore[arg-type]


def place_request(
    store: Store, clock: Clock, kind: str, subject: str, by: str, via: Via, reason: str, nonce: str
) -> Request:
    """Store a request and return it; the worker carries it out."""
    request = build_request(kind, subject, by, via, reason, clock.now(), nonce)
    with store.session() as session:
        requests.add(session, request)
    return request


def carry_out(store: Store, actions: Mapping[str, Action], errands: Mapping[str, Errand]) -> int:
    """Carry out every open request, oldest first; returns how many there were. A refused one ends as failed."""
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
            with store.session() as session:
                requests.finish(session, request.request_id, "failed", str(error))
    return len(waiting)
