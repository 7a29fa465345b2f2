"""What became of a proposal: a sign only where there is one, and the reason where there is none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from core.errors import BadInput
from core.model.proposal import ParamVersion
from core.native import validate_params
from strategies.backtest import DailyFacts
from strategies.gate.aftermath import GRACE, Horizon, judge_horizon
from strategies.gate.runs import Side
from strategies.gate.split import HistorySplit
from strategies.schema import default_params
from tests.gate_world import make_proposal

REGISTERED = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
"""The first KST midnight after it."""
SPLIT = HistorySplit(REGISTERED, *(REGISTERED - timedelta(days=n) for n in (550, 185, 180)), 365, 365)
PARAMS = default_params("market_making")
BASE = ParamVersion(
    "mm-1", "market_making", 1, PARAMS, validate_params("market_making", PARAMS), "initial", REGISTERED, True
)
CALM = [3.0, -3.0, 3.0, -3.0, 3.0, -3.0, 0.0]
"""Mean 0; any order of it has the same deviation."""
TWICE_AND_TWO_MORE = [2 * value + 2 for value in (0.0, 3.0, -3.0, 3.0, -3.0, 3.0, -3.0)]
"""Twice the deviation and a mean of 2: matched to the base, a mean of 1."""


class Bench:
    """Stands for a laboratory: gives made results instead of playing bars."""

    incumbent = Side({})

    def __init__(self, candidate, base, reaches=True, n_changed=10):
        self.sides = [facts(candidate, range(n_changed)), facts(base, ())]
        self.reaches = reaches

    def has_bars_until(self, at):
        return self.reaches

    def run_lived(self, split, start_at, end_at):
        if isinstance(self.sides[0], BadInput):
            raise self.sides[0]
        return (*self.sides, ())


def facts(series, trades):
    if isinstance(series, BadInput):
        return series
    days = np.arange(20_000, 20_000 + len(series), dtype=np.int64)
    return DailyFacts(days, np.asarray(series, dtype=float), 9, 1.0, 1.0, frozenset((float(k),) for k in trades))


def horizon(days=7, **over):
    proposal = make_proposal(BASE, REGISTERED, spread_threshold=50.0)
    return replace(Horizon(proposal, days, REGISTERED, "", "daily.adjustments.v1", 0.8, 0.05), **over)


def judge(bench, due=None, now=MIDNIGHT + timedelta(days=7)):
    judged = judge_horizon(due or horizon(), SPLIT, now, lambda _: bench)
    return None if judged is None else judged.aftermath


def test_the_mean_of_the_matched_difference_is_the_hand_worked_one_and_its_sign_decides():
    found = judge(Bench(TWICE_AND_TWO_MORE, CALM))
    assert (found.outcome, found.is_better, found.reason, found.n_days) == ("better", True, "", 7)
    assert found.mean_usd == pytest.approx(1.0)
    assert found.daily_ir == pytest.approx(1.0 / np.std([-3, 6, -6, 6, -6, 6, -3], ddof=1))
    assert (found.promised_usd, found.promised_ir, found.prompt) == (0.8, 0.05, "daily.adjustments.v1")
    worse = judge(Bench([value - 4 for value in TWICE_AND_TWO_MORE], CALM))
    assert (worse.outcome, worse.is_better) == ("worse", False) and worse.mean_usd == pytest.approx(-1.0)


def test_a_horizon_begins_at_the_first_korean_midnight_after_the_registration():
    assert (horizon().start_at, horizon().end_at) == (MIDNIGHT, MIDNIGHT + timedelta(days=7))


@pytest.mark.parametrize(
    ("bench", "outcome", "words"),
    [
        (Bench(TWICE_AND_TWO_MORE[:6], CALM[:6]), "too_few_days", "6 days hold bars and 7 are needed"),
        (Bench(TWICE_AND_TWO_MORE, CALM, n_changed=4), "too_few_trades", "4 round trips differ and 5"),
        (Bench([0.0] * 7, CALM), "not_comparable", "does not vary"),
        (Bench([2 * value for value in CALM], CALM), "not_comparable", "or a multiple of it"),
        (Bench([*TWICE_AND_TWO_MORE[:6], np.nan], CALM), "not_comparable", "not a number"),
        (Bench(BadInput("there are no bars"), CALM), "not_comparable", "there are no bars"),
    ],
)
def test_what_has_no_sign_is_an_outcome_of_its_own_with_its_reason_and_no_number(bench, outcome, words):
    found = judge(bench)
    assert (found.outcome, found.is_better, found.mean_usd, found.daily_ir) == (outcome, None, None, None)
    assert words in found.reason


def test_a_strategy_that_bars_tell_nothing_and_one_that_is_gone_have_no_sign():
    for strategy, words in (("liquidation", "bars hold none"), ("gone", "gone")):
        due = horizon(proposal=replace(make_proposal(BASE, REGISTERED, spread_threshold=50.0), strategy=strategy))
        found = judge(Bench(TWICE_AND_TWO_MORE, CALM), due)
        assert found.outcome == "not_comparable" and words in found.reason


def test_another_rule_set_or_schema_makes_it_another_strategy():
    due = horizon(proposal=replace(make_proposal(BASE, REGISTERED, spread_threshold=50.0), base_sha256="0" * 64))
    assert "no longer the one" in judge(Bench(TWICE_AND_TWO_MORE, CALM), due).reason


def test_bars_that_are_late_are_waited_for_and_not_for_ever():
    late = Bench(TWICE_AND_TWO_MORE[:5], CALM[:5], reaches=False)
    end = horizon().end_at
    assert judge(late, now=end + GRACE - timedelta(seconds=1)) is None
    assert judge(late, now=end + GRACE).outcome == "too_few_days"


def test_a_registration_of_something_else_stands_for_nothing():
    found = judge(Bench(TWICE_AND_TWO_MORE, CALM), horizon(fault="the pre-registration is of another change"))
    assert (found.outcome, found.n_days) == ("not_comparable", 0)
