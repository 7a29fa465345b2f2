"""What was tried and failed, for the proposer to see. Only names and states: no number of a test is ever read here."""

from datetime import date, timedelta

from core.clock import kst_day
from core.model.dataset import RefutedEdit
from core.model.proposal import Proposal, ProposalState
from core.store import Session, proposals, verdicts

REFUTED_STATES: tuple[ProposalState, ...] = ("refused", "inconclusive", "rolled_back", "expired")
REFUTED_FOR = timedelta(days=180)
"""Markets change: what failed longer ago is told no more, and may be tried again."""
_STAGE_OF_STATE = {"rolled_back": "rollout", "expired": "queue"}


def refuted_edits(session: Session, limit: int = 200, on: date | None = None) -> tuple[RefutedEdit, ...]:
    """Return up to `limit` edits that failed, newest first, each change once; as of the KST day `on`, without the old.

    A proposal refused at admission was never tried (a cool-down, a stale base), so it refutes nothing. A placebo is
    nobody's idea, and what became of it informs nobody.
    """
    found: dict[tuple[str, str, float, float], RefutedEdit] = {}
    failed = [proposal for state in REFUTED_STATES for proposal in proposals.in_state(session, state)]
    for proposal in sorted(failed, key=lambda one: (one.created_at, one.proposal_id), reverse=True):
        stage = _STAGE_OF_STATE.get(proposal.state) or verdicts.last_stage(session, proposal.proposal_id)
        if stage is None or stage == "admission" or proposal.is_placebo:
            continue
        if on is not None and kst_day(proposal.created_at) + REFUTED_FOR < on:
            break
        for edit in _edits(proposal, stage):
            found.setdefault((edit.strategy, edit.param, edit.from_value, edit.to_value), edit)
        if len(found) >= limit:
            break
    return tuple(found.values())[:limit]


def _edits(proposal: Proposal, stage: str) -> list[RefutedEdit]:
    return [
        RefutedEdit(
            strategy=proposal.strategy,
            param=edit.param,
            from_value=proposal.base_params[edit.param],
            to_value=edit.value,
            state=proposal.state,
            stage=stage,
            on=kst_day(proposal.created_at),
            proposal_id=proposal.proposal_id,
        )
        for edit in proposal.edits
        if edit.param in proposal.base_params
    ]
