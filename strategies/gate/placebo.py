"""The placebo test: random changes on sealed days, to see whether the gate's p-values are what they claim to be.

It is the sealed test outside the error budget: no level, no verdict in anyone's favour, one ledger row. Where a random
change is no better than what runs, P(p <= a) must be at most a. What a placebo finds is never deployed, whoever asks.
"""

from dataclasses import dataclass

import numpy as np

from core.model.proposal import BacktestRun, Proposal, Verdict
from core.store import Session, ledger, proposals, verdicts
from strategies.backtest import DailyFacts
from strategies.gate import records
from strategies.gate.paired import paired_test
from strategies.gate.records import Judgement

KIND = "placebo_test"
DECIDING = "a placebo: its sealed test only calibrates the gate, and it is never deployed"


@dataclass(frozen=True, slots=True)
class PlaceboTest:
    """What the sealed days say of a placebo. `p_value` is None with a `refusal`."""

    verdict: Verdict
    n_days: int
    p_value: float | None
    refusal: str
    backtests: tuple[BacktestRun, ...] = ()


def first_queued(session: Session) -> list[Proposal]:
    """Return the queued placebos, oldest first: not the best one, because picking by result would bias its p-value."""
    return [each for each in proposals.in_state(session, "queued") if each.is_placebo]


def judge_placebo_runs(candidate: DailyFacts, incumbent: DailyFacts) -> tuple[int, float | None, str]:
    """Return days, one-sided p-value and the reason why there is none, by the very test that promotes."""
    if not np.array_equal(candidate.days, incumbent.days):
        return int(candidate.days.size), None, "candidate and incumbent were not run on the same days"
    test = paired_test(candidate.pnl_usd, incumbent.pnl_usd)
    return test.n_days, test.p_value, test.refusal


def save_placebo_test(session: Session, proposal: Proposal, test: PlaceboTest) -> str:
    """Store the test, its backtests and one ledger row, and end the proposal; return the verdict's id.

    Nothing of the error budget is spent. A repeat has no effect.
    """
    verdict = test.verdict
    if verdicts.find(session, verdict.verdict_id) is None:
        payload = {"p_value": test.p_value, "n_days": test.n_days, "refusal": test.refusal}
        ledger.append(session, verdict.decided_at, KIND, proposal.strategy, proposal.proposal_id, payload)
        records.save_verdict(session, proposal, Judgement(verdict, test.backtests), "inconclusive")
    return verdict.verdict_id
