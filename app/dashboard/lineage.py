"""How a parameter version came to be: version <- proposal <- analysis, its verdict, its canary, and who approved it."""

from dataclasses import dataclass
from typing import Literal

from app.api.insights import verdict_outcome
from app.api.insights_model import VerdictOutcome
from core.model.canary import Canary
from core.model.proposal import Deployment, ParamVersion, Proposal
from core.store import Session, analyses, canaries, deployments, proposals, verdicts
from strategies.rollout.checks import ROLLBACK
from strategies.rollout.deployments import GATE
from strategies.rollout.records import CANARY

Cause = Literal["initial", "proposal", "rollback", "share", "other"]


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a version comes from. What is not known, or has no part in it, is None or empty."""

    cause: Cause
    proposal: Proposal | None = None
    has_analysis: bool = False
    """Whether the proposal's study is kept, so that a link leads somewhere."""
    verdict: VerdictOutcome | None = None
    canary: Canary | None = None
    approved_by: str = ""
    """The person or rule that let it through."""
    undoes: str = ""
    """Deployment that it took back."""
    reason: str = ""


def read_lineage(session: Session, version: ParamVersion, made: Deployment | None) -> Lineage:
    """Return where a version comes from; `made` is the deployment that brought it, None for the first one."""
    if version.origin.startswith(ROLLBACK):
        undoes = version.origin.removeprefix(ROLLBACK)
        undone = deployments.find(session, undoes)
        found = _of_proposal(session, "rollback", "" if undone is None else undone.proposal_id or "")
        return Lineage(
            "rollback",
            found.proposal,
            found.has_analysis,
            found.verdict,
            found.canary,
            "" if made is None else made.approved_by,
            undoes,
            "" if made is None else made.reason,
        )
    if version.origin.startswith(f"{CANARY}:"):
        canary = canaries.find(session, version.origin.removeprefix(f"{CANARY}:"))
        return Lineage("share", canary=canary, approved_by="" if made is None else made.approved_by)
    if version.origin.startswith("live:"):
        return Lineage("share", approved_by="" if made is None else made.approved_by)
    if version.origin == "initial":
        return Lineage("initial")
    return _of_proposal(session, "proposal", (made.proposal_id if made is not None else None) or version.origin)


def _of_proposal(session: Session, cause: Cause, proposal_id: str) -> Lineage:
    proposal = proposals.find(session, proposal_id)
    if proposal is None:
        return Lineage(cause if cause == "rollback" else "other")
    approvers = [each.approved_by for each in deployments.for_proposal(session, proposal_id) if each.approved_by]
    return Lineage(
        cause,
        proposal,
        analyses.find(session, proposal.analysis_id) is not None,
        verdict_outcome(verdicts.for_proposal(session, proposal_id)),
        canaries.for_proposal(session, proposal_id),
        # A person's word for the first money counts more than the rule that sent the rest.
        next((by for by in approvers if by != GATE), next(iter(approvers), "")),
    )
