"""The gate's decision on daily series alone, for whoever wants to measure the gate: no market, engine or store.

Screen, budget and sealed test are the functions that production calls. What series cannot tell is left out: admission,
costs, plateau, changed trades, stress, the stop of a gate that breaks its promises. The ledger is the object's own, and
lasts as long as it does.
"""

import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from pydantic import ValidationError

from core.clock import kst_day_bounds
from core.errors import BadInput
from core.metrics import Series
from core.model.proposal import Check
from core.settings_sections import GateSettings
from strategies.gate.budget import BudgetState, SpentTest, budget_after
from strategies.gate.paired import paired_difference
from strategies.gate.screen import paired_mean_check, shown_checks
from strategies.gate.sealed import judge_sealed_series

EPOCH = date(1970, 1, 1)
DAYS_OF_CALENDAR = (-700_000, 2_900_000)
"""Day numbers between which Python's calendar holds the whole quarter: years 54 to 9909."""


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """What is known of one proposal. Daily returns, oldest first; None where a fact is lacking."""

    day: float
    """KST days since 1970-01-01, a whole number."""
    sealed_inc: Series
    sealed_cand: Series
    n_trials: float | None = None
    """A whole number."""
    seen_inc: Series | None = None
    seen_cand: Series | None = None
    seen_pool: Series | None = None
    """Paired differences of everything tried, days x trials."""
    fresh_inc: Series | None = None
    fresh_cand: Series | None = None


@dataclass(frozen=True, slots=True)
class SeriesDecision:
    """What was decided, and why."""

    accepted: bool
    deciding: str
    checks: tuple[Check, ...] = ()
    level: float | None = None
    """What the sealed test spent of the quarter's budget; None when there was none."""


class SeriesGate:
    """One stream of decisions with a ledger of its own. Not to be shared between threads."""

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self._tests: list[SpentTest] = []
        self._promoted_at: list[datetime] = []

    def decide(self, p: Mapping[str, Any]) -> bool:
        """Return whether the sealed test passed at the level in force; see `parse_facts` for the keys of `p`.

        Data that cannot be judged is False. Raises BadInput for a missing key or a value of the wrong type.
        """
        return self.judge(parse_facts(p)).accepted

    def judge(self, facts: SeriesFacts) -> SeriesDecision:
        """Return the decision with its numbers. A sealed test that ran has spent one of its quarter's tests."""
        fault = _fault_of(facts)
        if fault:
            return SeriesDecision(False, fault)
        seen = _screen(facts)
        if seen.deciding:
            return seen
        at = _start_of(facts.day)
        budget = budget_after(self._tests, self._promoted_at, at, self._settings)
        if budget.tests_left == 0:
            return SeriesDecision(False, f"no sealed test is left in {budget.quarter}", seen.checks)
        n_days, n_needed = min(facts.sealed_inc.size, facts.sealed_cand.size), self._settings.min_sealed_days
        if n_days < n_needed:
            deciding = f"no sealed test: {n_days} sealed days are there and {n_needed} are needed"
            return SeriesDecision(False, deciding, seen.checks)
        result = judge_sealed_series(facts.sealed_cand, facts.sealed_inc, budget, n_needed)
        accepted = result.outcome == "accepted"
        self._tests.append(SpentTest(at, budget.level))
        if accepted:
            self._promoted_at.append(at)
        return SeriesDecision(accepted, result.deciding, (*seen.checks, *result.checks), budget.level)

    def budget(self, day: int) -> BudgetState:
        """Return where the budget of the quarter that holds `day` stands. Raises BadInput outside the calendar."""
        if not DAYS_OF_CALENDAR[0] <= day <= DAYS_OF_CALENDAR[1]:
            raise BadInput(f"day {day} is outside the calendar", "Count days since 1970-01-01")
        return budget_after(self._tests, self._promoted_at, _start_of(day), self._settings)


def factory(alpha_quarter: float, tests_per_quarter: int, seed: int) -> SeriesGate:
    """Return a gate with nothing spent. `seed` is taken for the sake of callers: no decision draws a random number.

    Sealed days must be as many as production needs by default, 365. Raises BadInput for a budget that the settings
    would refuse.
    """
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral):
        raise BadInput(f"the seed is {type(seed).__name__}, not a whole number")
    try:
        return SeriesGate(GateSettings(alpha_quarter=alpha_quarter, tests_per_quarter=tests_per_quarter))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise BadInput(f"the budget is wrong: {first['loc'][0]}: {first['msg']}") from None


def parse_facts(p: Mapping[str, Any]) -> SeriesFacts:
    """Return the facts that `p` holds; needed are `day`, `sealed_inc` and `sealed_cand`.

    `seen_inc`, `seen_cand`, `seen_pool`, `fresh_inc`, `fresh_cand` and `n_trials` may be missing, None or empty, and
    are lacking then. Raises BadInput naming the key that is missing or no number or series of numbers.
    """
    if not isinstance(p, Mapping):
        raise BadInput(f"a proposal is a mapping, not {type(p).__name__}")
    day = _number(p, "day")
    if day is None:
        raise BadInput("the proposal has no 'day'", "Give the KST days since 1970-01-01")
    sealed_inc, sealed_cand = _series(p, "sealed_inc"), _series(p, "sealed_cand")
    if sealed_inc is None or sealed_cand is None:
        missing = "sealed_inc" if sealed_inc is None else "sealed_cand"
        raise BadInput(f"the proposal has no '{missing}'", "Give its daily returns, oldest first")
    return SeriesFacts(
        day=day,
        sealed_inc=sealed_inc,
        sealed_cand=sealed_cand,
        n_trials=_number(p, "n_trials"),
        seen_inc=_filled(_series(p, "seen_inc")),
        seen_cand=_filled(_series(p, "seen_cand")),
        seen_pool=_filled(_series(p, "seen_pool")),
        fresh_inc=_filled(_series(p, "fresh_inc")),
        fresh_cand=_filled(_series(p, "fresh_cand")),
    )


def _screen(facts: SeriesFacts) -> SeriesDecision:
    """Return the screen's veto, or no deciding reason and the checks. Without seen facts there is nothing to veto."""
    if facts.seen_inc is None or facts.seen_cand is None:
        return SeriesDecision(False, "")
    d = paired_difference(facts.seen_cand, facts.seen_inc)
    if isinstance(d, str):
        return SeriesDecision(False, f"no comparison on seen days: {d}")
    check = paired_mean_check(d, f"{float(d.mean()):+.2e} a day at equal volatility")
    if not check.passed:
        return SeriesDecision(False, f"{check.name}: {check.detail}", (check,))
    n_trials = int(facts.n_trials or 1)
    tried = None if facts.seen_pool is None else facts.seen_pool.T
    return SeriesDecision(False, "", (check, *shown_checks(facts.seen_cand, facts.seen_inc, d, tried, n_trials)))


def _fault_of(facts: SeriesFacts) -> str:
    """Return what is wrong with the data; empty when it can be judged. Sealed values are the sealed test's to judge."""
    if not (facts.day.is_integer() and DAYS_OF_CALENDAR[0] <= facts.day <= DAYS_OF_CALENDAR[1]):
        return f"{facts.day:g} is no day of the calendar"
    if facts.n_trials is not None and not (facts.n_trials.is_integer() and facts.n_trials >= 1):
        return f"{facts.n_trials:g} is no number of trials"
    lines = (facts.sealed_inc, facts.sealed_cand, facts.seen_inc, facts.seen_cand, facts.fresh_inc, facts.fresh_cand)
    if any(line is not None and line.ndim != 1 for line in lines):
        return "a series of daily returns has more than one dimension"
    for name, one, other in (
        ("seen", facts.seen_inc, facts.seen_cand),
        ("fresh", facts.fresh_inc, facts.fresh_cand),
    ):
        if (0 if one is None else one.size) != (0 if other is None else other.size):
            return f"the {name} days of incumbent and candidate are not the same"
    pool = facts.seen_pool
    if pool is not None and (pool.ndim != 2 or (facts.seen_inc is not None and len(pool) != facts.seen_inc.size)):
        return "the pool of trials is not seen days x trials"
    apart = (facts.seen_inc, facts.seen_cand, facts.fresh_inc, facts.fresh_cand, pool)
    if any(values is not None and not np.isfinite(values).all() for values in apart):
        return "a daily result is not a number"
    return ""


def _start_of(day: float) -> datetime:
    return kst_day_bounds(EPOCH + timedelta(days=day))[0]


def _number(p: Mapping[str, Any], key: str) -> float | None:
    value = p.get(key)
    if value is None:
        return None
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise BadInput(f"'{key}' is {type(value).__name__}, not a whole number")
    return float(value)


def _series(p: Mapping[str, Any], key: str) -> Series | None:
    value = p.get(key)
    if value is None:
        return None
    try:
        found = np.asarray(value)
    except ValueError:
        raise BadInput(f"'{key}' is no series: its rows differ in length") from None
    if found.dtype.kind not in "fiu" or found.ndim == 0:
        raise BadInput(f"'{key}' is not a series of numbers but of {found.dtype}")
    with np.errstate(over="ignore"):
        return found.astype(np.float64)


def _filled(series: Series | None) -> Series | None:
    return series if series is not None and series.size else None
