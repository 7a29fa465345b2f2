"""From a search to at most one proposal: search, fresh re-test, and the numbers of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.model.proposal import ExpectedEffect, Proposal
from strategies.proposers.build import build_proposal
from strategies.proposers.fresh import N_RETESTED, Retest, retest
from strategies.proposers.protocol import Judge, Proposer
from strategies.proposers.search import SearchRequest, SearchResult, search
from strategies.proposers.space import Space

CONFIDENCE = 0.5
"""A search states no confidence of its own."""
HORIZON_DAYS = 7


@dataclass(frozen=True, slots=True)
class Proposed:
    """What a search came to. Each trial and each retest was a backtest, and is a row for the ledger."""

    proposal: Proposal | None
    reason: str
    """Why there is no proposal, or empty."""
    search: SearchResult
    retests: tuple[Retest, ...]
    """Best fresh score first."""


def propose(
    arms: Sequence[Proposer], request: SearchRequest, judge_fresh: Judge, analysis_id: str, at: datetime
) -> Proposed:
    """Return the find that gains most on the fresh days, as a proposal of whoever thought of it first.

    A proposal that an arm was handed comes back untouched. Writes nothing; the same request gives the same answer.
    """
    result = search(arms, request)
    retests = retest(result.best(N_RETESTED), judge_fresh)
    if not retests:
        return Proposed(None, f"none of {len(result.trials)} trials gains on the searched days", result, ())
    if not retests[0].passed:
        return Proposed(None, f"none of {len(retests)} finds gains on the fresh days", result, retests)
    winner = retests[0]
    handed = result.handed.get(winner.trial.params_sha256)
    proposal = handed or _proposal_of(winner, request.space, len(result.trials), analysis_id, at)
    return Proposed(proposal, "", result, retests)


def _proposal_of(winner: Retest, space: Space, n_trials: int, analysis_id: str, at: datetime) -> Proposal:
    searched, fresh = winner.trial.score, winner.fresh
    rationale = (
        f"Best of {n_trials} backtests: {searched.value or 0:+.2f} USD a day on {searched.n_days} searched days, "
        f"{fresh.value or 0:+.2f} on {fresh.n_days} later ones, at equal volatility."
    )
    return build_proposal(
        space.running,
        space.edits_to(winner.trial.params),
        rationale,
        ExpectedEffect("daily_pnl_usd", "up", round(fresh.value or 0.0, 4), HORIZON_DAYS),
        CONFIDENCE,
        analysis_id=analysis_id,
        source=winner.trial.source,
        at=at,
        rules=winner.trial.rules,
    )
