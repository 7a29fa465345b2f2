"""`/api/proposals`: what was proposed, what the gate found on seen data, and the last word.

A proposer can read the API. So the sealed stage shows its outcome here and no number; people see the numbers on the
dashboard's evidence page.
"""

from datetime import datetime
from typing import Annotated, Any, get_args

from pydantic import Field

from app.api.insights import edits_of, verdict_outcome
from app.api.insights_model import EditView, VerdictOutcome
from app.api.operations import Answer, Asked, Operation, operation
from app.api.requests import ReasonBody, RequestView, ask_decision, view_of
from app.auth import Caller
from app.rooms import rooms
from core.model.proposal import (
    Check,
    Deployment,
    ExpectedEffect,
    Fold,
    Outcome,
    Proposal,
    ProposalState,
    Stage,
    Verdict,
)
from core.store import deployments as deployment_rows
from core.store import proposals as rows
from core.store import verdicts as verdict_rows
from strategies.program_text import tell_program_change

STATES: tuple[str, ...] = get_args(ProposalState)
SEALED: Stage = "sealed"


class ProposalQuery(Asked):
    """Which proposals."""

    state: ProposalState | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class ProposalView(Answer):
    """A bounded change of one instance's parameters or rule set. `rationale` is untrusted: show it escaped."""

    proposal_id: str
    analysis_id: str
    instance_id: str
    strategy: str
    base_version: int
    base_sha256: str
    edits: tuple[EditView, ...]
    rules: Annotated[
        str | None, Field(description="The rule set that it asks for, as JSON text; null keeps the base's")
    ]
    rules_change: Annotated[tuple[str, ...], Field(description="What goes (-) and comes (+), by expression")]
    rationale: str
    expected_effect: ExpectedEffect
    confidence: float
    source: str
    created_at: datetime
    state: ProposalState
    hold: bool
    verdict: VerdictOutcome | None


class ProposalPage(Answer):
    """The newest proposals first."""

    items: tuple[ProposalView, ...]


class VerdictView(Answer):
    """What one stage decided. Of the sealed stage: stage, outcome and time alone."""

    verdict_id: str
    stage: Stage
    outcome: Outcome
    decided_at: datetime
    deciding: str | None = None
    checks: tuple[Check, ...] = ()
    folds: tuple[Fold, ...] = ()
    equity_days: tuple[str, ...] = ()
    equity_incumbent: tuple[float, ...] = ()
    equity_candidate: tuple[float, ...] = ()
    n_trials: int | None = None


class ProposalEvidence(ProposalView):
    """The proposal with all that was found about it, and its way to the engine."""

    verdicts: tuple[VerdictView, ...]
    deployments: tuple[Deployment, ...]


@operation(Operation(summary="Proposals, newest first", answer=ProposalPage, scope="read", query=ProposalQuery))
def list_proposals(caller: Caller, query: ProposalQuery) -> ProposalPage:
    """Answer with the newest proposals."""
    with rooms().store.session() as session:
        return ProposalPage(
            items=tuple(
                ProposalView(**_fields(one, verdict_rows.for_proposal(session, one.proposal_id)))
                for one in rows.latest(session, query.limit, query.state)
            )
        )


@operation(Operation(summary="One proposal with its evidence on seen data", answer=ProposalEvidence, scope="read"))
def show_proposal(caller: Caller, proposal_id: str) -> ProposalEvidence:
    """Answer with one proposal and its evidence."""
    with rooms().store.session() as session:
        proposal = rows.get(session, proposal_id)
        verdicts = verdict_rows.for_proposal(session, proposal_id)
        return ProposalEvidence(
            **_fields(proposal, verdicts),
            verdicts=tuple(open_view(verdict) for verdict in verdicts),
            deployments=tuple(deployment_rows.for_proposal(session, proposal_id)),
        )


@operation(
    Operation(
        summary="Ask the worker to approve the proposal's waiting change",
        answer=RequestView,
        scope="approve",
        body=ReasonBody,
        status=202,
        errors=(409,),
    )
)
def approve(caller: Caller, proposal_id: str, body: ReasonBody) -> RequestView:
    """Store the wish and answer with it."""
    here = rooms()
    with here.store.session() as session:
        return view_of(ask_decision(session, here.clock.now(), caller, "approve", proposal_id, body.reason))


@operation(
    Operation(
        summary="Ask the worker to reject the proposal's waiting change",
        answer=RequestView,
        scope="approve",
        body=ReasonBody,
        status=202,
        errors=(409,),
    )
)
def reject(caller: Caller, proposal_id: str, body: ReasonBody) -> RequestView:
    """Store the wish and answer with it."""
    here = rooms()
    with here.store.session() as session:
        return view_of(ask_decision(session, here.clock.now(), caller, "reject", proposal_id, body.reason))


def open_view(verdict: Verdict) -> VerdictView:
    """Return what anyone may read of a verdict."""
    bare = VerdictView(
        verdict_id=verdict.verdict_id, stage=verdict.stage, outcome=verdict.outcome, decided_at=verdict.decided_at
    )
    if verdict.stage == SEALED:
        return bare
    return bare.model_copy(
        update={
            "deciding": verdict.deciding,
            "checks": verdict.checks,
            "folds": verdict.folds,
            "equity_days": verdict.equity_days,
            "equity_incumbent": verdict.equity_incumbent,
            "equity_candidate": verdict.equity_candidate,
            "n_trials": verdict.n_trials,
        }
    )


def _fields(proposal: Proposal, verdicts: list[Verdict]) -> dict[str, Any]:
    return {
        "proposal_id": proposal.proposal_id,
        "analysis_id": proposal.analysis_id,
        "instance_id": proposal.instance_id,
        "strategy": proposal.strategy,
        "base_version": proposal.base_version,
        "base_sha256": proposal.base_sha256,
        "edits": edits_of(proposal),
        "rules": proposal.rules,
        "rules_change": tell_program_change(proposal.base_rules, proposal.program),
        "rationale": proposal.rationale,
        "expected_effect": proposal.expected_effect,
        "confidence": proposal.confidence,
        "source": proposal.source,
        "created_at": proposal.created_at,
        "state": proposal.state,
        "hold": proposal.hold,
        "verdict": verdict_outcome(verdicts),
    }
