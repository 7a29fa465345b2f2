"""The error budget of a quarter: how much chance of a false promotion the next sealed test may spend.

level = (alpha_quarter / tests_per_quarter) * (1 + promotions this quarter), over KST calendar quarters. If no proposal
is any good, the chance of any false promotion in a quarter is at most alpha_quarter (Bonferroni, whatever the
dependence). The ledger's rows are the only state. Two things cannot stretch the budget: a clock set back finds the
tests of later quarters used up in its own, and settings edited within a quarter only share out what is left of it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from core.clock import kst_day, kst_day_bounds
from core.settings_sections import GateSettings
from core.store import ledger
from core.store.session import Session


@dataclass(frozen=True, slots=True)
class BudgetState:
    """Where the quarter stands. `level` is what the next test may use; zero when no test is left."""

    quarter: str
    alpha_quarter: float
    tests_per_quarter: int
    tests_used: int
    promotions: int
    level: float
    renews_at: datetime

    @property
    def tests_left(self) -> int:
        """How many sealed tests the quarter still allows."""
        return max(0, self.tests_per_quarter - self.tests_used) if self.level > 0 else 0


@dataclass(frozen=True, slots=True)
class SpentTest:
    """One sealed test: when it was judged, and the level it spent."""

    at: datetime
    level: float


def quarter_bounds(at: datetime) -> tuple[str, datetime, datetime]:
    """Return name (`2026Q1`), start and end in UTC of the KST calendar quarter that holds `at`."""
    on = kst_day(at)
    quarter = (on.month - 1) // 3
    first = date(on.year, quarter * 3 + 1, 1)
    following = date(on.year + 1, 1, 1) if quarter == 3 else date(on.year, quarter * 3 + 4, 1)
    return f"{on.year}Q{quarter + 1}", kst_day_bounds(first)[0], kst_day_bounds(following)[0]


def budget_after(
    tests: Sequence[SpentTest], promoted_at: Sequence[datetime], at: datetime, settings: GateSettings
) -> BudgetState:
    """Return the state of the quarter that holds `at` after these sealed tests and promotions, in any order."""
    name, start_at, end_at = quarter_bounds(at)
    levels = [test.level for test in tests if test.at >= start_at]
    n_promotions = sum(start_at <= promotion < end_at for promotion in promoted_at)
    share = settings.alpha_quarter / settings.tests_per_quarter * (1 + n_promotions)
    unspent = settings.alpha_quarter * (1 + n_promotions) - sum(levels)
    # Under one setting the unspent part always suffices, but for the last digits of its sum.
    level = share if unspent >= share * (1 - 1e-9) else max(0.0, unspent)
    return BudgetState(
        quarter=name,
        alpha_quarter=settings.alpha_quarter,
        tests_per_quarter=settings.tests_per_quarter,
        tests_used=len(levels),
        promotions=n_promotions,
        level=level if len(levels) < settings.tests_per_quarter else 0.0,
        renews_at=end_at,
    )


def read_budget(session: Session, at: datetime, settings: GateSettings) -> BudgetState:
    """Return the state of the quarter that holds `at`, from the ledger."""
    _, start_at, _ = quarter_bounds(at)
    tests = [
        SpentTest(row.at, json.loads(row.payload)["level"]) for row in ledger.since(session, start_at, "sealed_test")
    ]
    promoted_at = [row.at for row in ledger.since(session, start_at, "promotion")]
    return budget_after(tests, promoted_at, at, settings)
