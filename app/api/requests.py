"""Wishes that only the worker may carry out: stored, audited, and answered with 202 and where to look."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from app.api.operations import Answer, Asked
from app.auth import Caller
from app.requests import build_request, require_former, require_promotable
from core.errors import Conflict
from core.model.operations import Request
from core.model.proposal import ParamVersion
from core.store import Session, audit, canaries, deployments, param_versions, proposals, requests
from strategies.rollout import brought_by, is_way_back

MAX_REASON = 280


class ReasonBody(Asked):
    """Why, for the audit trail."""

    reason: Annotated[str, Field(max_length=MAX_REASON)] = ""


class RequestView(Answer):
    """A wish and what became of it."""

    request_id: str
    kind: str
    subject_id: str
    by: str
    via: str
    reason: str
    at: datetime
    state: Literal["open", "done", "failed"]
    result: str


def ask_decision(
    session: Session, at: datetime, caller: Caller, kind: Literal["approve", "reject"], proposal_id: str, reason: str
) -> Request:
    """Return the stored wish to approve or reject the proposal's waiting deployment.

    Raises UnknownName without the proposal and Conflict when nothing of it waits for approval.
    """
    proposal = proposals.get(session, proposal_id)
    waiting = [one for one in deployments.for_proposal(session, proposal_id) if one.state == "awaiting_approval"]
    if not waiting:
        raise Conflict(
            f"proposal {proposal_id} is '{proposal.state}' and no change of it waits for approval",
            "See its state on the proposals page",
        )
    return _ask(session, at, caller, kind, waiting[-1].deployment_id, reason)


def ask_rollback(session: Session, at: datetime, caller: Caller, instance_id: str, reason: str) -> Request:
    """Return the stored wish to undo the deployment in force on the instance. Raises UnknownName or Conflict.

    While a canary of it is open, that is the change to undo: it is stopped.
    """
    active = param_versions.active(session, instance_id)
    canary = canaries.open_of(session, instance_id)
    if canary is not None:
        return _ask(session, at, caller, "rollback", canary.canary_id, reason)
    made = [one for one in deployments.of_instance(session, instance_id) if one.version == active.version]
    if not made:
        raise Conflict(
            f"instance {instance_id} runs version {active.version}, which no deployment made",
            "There is no earlier version to go back to",
        )
    return _ask(session, at, caller, "rollback", made[-1].deployment_id, reason)


def find_way_back(session: Session, active: ParamVersion) -> ParamVersion | None:
    """Return the version whose parameters a rollback of the deployment in force brings back, or None without one.

    A deployment that only moved the share of the capital is passed over: what brought the parameters is undone. What
    itself took parameters back is not undone.
    """
    made = [one for one in deployments.of_instance(session, active.instance_id) if one.version == active.version]
    if not made:
        return None
    target = brought_by(session, made[-1])
    if is_way_back(param_versions.get(session, active.instance_id, target.version)):
        return None
    former = param_versions.get(session, active.instance_id, target.rollback_to)
    return None if former.sha256 == active.sha256 else former


def ask_stop(session: Session, at: datetime, caller: Caller, canary_id: str, reason: str) -> Request:
    """Return the stored wish to take the canary back. Raises UnknownName, and Conflict when it is over."""
    canary = canaries.get(session, canary_id)
    if not canary.is_open:
        raise Conflict(f"canary {canary_id} is over: it is {canary.stage}", "See its page")
    return _ask(session, at, caller, "stop_canary", canary_id, reason)


def ask_promotion(session: Session, at: datetime, caller: Caller, model_id: str, reason: str) -> Request:
    """Return the stored wish to let a model serve. Raises UnknownName, and Conflict when it cannot."""
    require_promotable(session, model_id)
    return _ask(session, at, caller, "promote_model", model_id, reason)


def ask_model_rollback(session: Session, at: datetime, caller: Caller, slot: str, reason: str) -> Request:
    """Return the stored wish to serve the slot's earlier version again. Raises UnknownName or Conflict."""
    require_former(session, slot)
    return _ask(session, at, caller, "rollback_model", slot, reason)


def view_of(request: Request) -> RequestView:
    """Return what the API tells of a request."""
    return RequestView(
        request_id=request.request_id,
        kind=request.kind,
        subject_id=request.subject_id,
        by=request.by,
        via=request.via,
        reason=request.reason,
        at=request.at,
        state=request.state,
        result=request.result,
    )


def _ask(
    session: Session,
    at: datetime,
    caller: Caller,
    kind: Literal["approve", "reject", "rollback", "stop_canary", "promote_model", "rollback_model"],
    subject_id: str,
    reason: str,
) -> Request:
    for known in requests.open(session):
        if known.subject_id != subject_id:
            continue
        if known.kind == kind:
            return known
        raise Conflict(f"a request to {known.kind} {subject_id} is already open", "Wait for the worker")
    nonce = f"{kind}:{subject_id}:{caller.key_id}:{at.isoformat()}"
    wish = build_request(kind, subject_id, caller.name, "web", reason, at, nonce)
    requests.add(session, wish)
    payload = {"request_id": wish.request_id, "reason": reason}
    audit.append(session, at, f"key:{caller.key_id}", f"asked_{kind}", subject_id, payload)
    return wish
