"""The sealed test: the one that spends the error budget, on days that no prompt, metric or search has seen.

One bit comes out for the proposer: the state of the proposal. The numbers stay in the verdict, for people.
"""

from dataclasses import dataclass

import numpy as np

from core.metrics import Series
from core.model.proposal import Check, Outcome
from strategies.backtest import DailyFacts
from strategies.gate.budget import BudgetState
from strategies.gate.paired import PairedTest, paired_test


@dataclass(frozen=True, slots=True)
class SealedResult:
    """What the sealed test found. Whatever it found, one of the quarter's tests is spent."""

    outcome: Outcome
    deciding: str
    checks: tuple[Check, ...]


def judge_sealed_runs(
    candidate: DailyFacts, incumbent: DailyFacts, budget: BudgetState, n_needed_days: int
) -> SealedResult:
    """Return accepted when p is at most the level on enough days, else inconclusive. What ran is spent."""
    if not np.array_equal(candidate.days, incumbent.days):
        return _not_accepted("candidate and incumbent were not run on the same days", ())
    return judge_sealed_series(candidate.pnl_usd, incumbent.pnl_usd, budget, n_needed_days)


def judge_sealed_series(candidate: Series, incumbent: Series, budget: BudgetState, n_needed_days: int) -> SealedResult:
    """Return accepted when p is at most the level on enough days, else inconclusive. Results of the same days."""
    test = paired_test(candidate, incumbent)
    days = Check("sealed_days", test.n_days >= n_needed_days, float(test.n_days), float(n_needed_days), "sealed days")
    if not days.passed:
        return _not_accepted(f"{test.n_days} sealed days could be run and {n_needed_days} are needed", (days,))
    if test.p_value is None:
        return _not_accepted(f"no p-value on {test.n_days} sealed days: {test.refusal}", (days,))
    accepted = test.p_value <= budget.level
    checks = (days, *_figures(test, budget))
    sign = "<=" if accepted else ">"
    deciding = (
        f"p = {_p_text(test.p_value)} {sign} {budget.level:.4f} on {test.n_days} sealed days, "
        f"annual IR {test.annual_ir or 0.0:.1f}"
    )
    return SealedResult("accepted" if accepted else "inconclusive", deciding, checks)


def _figures(test: PairedTest, budget: BudgetState) -> tuple[Check, ...]:
    p_value = test.p_value if test.p_value is not None else 1.0
    return (
        Check("p_value", p_value <= budget.level, test.p_value, budget.level, "one-sided, the worse of both methods"),
        Check("p_block", True, test.p_block, None, "t-test on 24 block means", veto=False),
        Check("p_hac", True, test.p_hac, None, "normal with a Bartlett long-run variance", veto=False),
        Check("annual_ir", True, test.annual_ir, None, "information ratio of the difference, a year", veto=False),
        Check(
            "budget",
            True,
            float(budget.tests_used + 1),
            float(budget.tests_per_quarter),
            f"test {budget.tests_used + 1} of {budget.tests_per_quarter} in {budget.quarter}",
            veto=False,
        ),
    )


def _p_text(p_value: float) -> str:
    return f"{p_value:.4f}" if p_value >= 1e-4 else f"{p_value:.1e}"


def _not_accepted(deciding: str, checks: tuple[Check, ...]) -> SealedResult:
    return SealedResult("inconclusive", deciding, checks)
