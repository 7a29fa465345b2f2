"""The path that pages draw says what the guard says, and its interval is the one that may be looked at every day."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.canary import Canary
from strategies.gate.sequential import MIN_SEQUENCE_DAYS, confidence_sequence_path
from strategies.rollout.guard import judge_guard
from strategies.rollout.path import LEVEL, guard_path
from tests.canaries import SD_USD, TERMS, canary, day, days
from tests.canary_pages import SCHEDULE, days_of


def promoted(n_since: int = 30) -> tuple[Canary, list[float | None]]:
    made = canary(stage="promoted", step=3, share=1.0, schedule=SCHEDULE)
    n_before = SCHEDULE.shadow_days + sum(step.n_days for step in SCHEDULE.steps[:-1])
    return made, [SD_USD / 4 * math.sin(1.7 * n) for n in range(n_before + n_since)]


def test_the_last_point_is_what_the_guard_judges() -> None:
    made, d = promoted()
    d[3] = None
    lived = days_of(made, d)
    judged, last = judge_guard(made, lived), guard_path(made, lived)[-1]
    since = guard_path(made, lived)[-31].sum_usd
    assert (last.n_days, last.statistic, last.drift) == (judged.n_days, judged.statistic, judged.drift)
    assert last.sum_usd - since == pytest.approx(judged.sum_usd)


@given(st.lists(st.one_of(st.none(), st.floats(-20, 20)), max_size=60))
def test_before_the_promotion_sum_and_t_are_the_guards_on_every_day(d: list[float | None]) -> None:
    made = canary(stage="canary", step=0, share=0.1)
    lived = days(made, d)
    for n, point in enumerate(guard_path(made, lived), start=1):
        judged = judge_guard(made, lived[:n])
        if judged.fired:
            break
        assert (point.n_days, point.statistic) == (judged.n_days, judged.statistic)
        assert point.sum_usd == judged.sum_usd
        assert (point.floor_usd, point.drift) == (-TERMS.loss_budget_usd, None)


def test_the_interval_is_the_confidence_sequence_of_the_known_days_and_begins_when_there_are_enough() -> None:
    made = canary(stage="canary", step=0, share=0.1)
    d: list[float | None] = [2.0 + 9.0 * math.sin(n) for n in range(40)]
    d[10] = None
    path = guard_path(made, days(made, d))
    known = np.array([value for value in d if value is not None])
    low, high = confidence_sequence_path(known, LEVEL)
    assert [point.n_days for point in path if point.low_usd is not None][0] == MIN_SEQUENCE_DAYS
    assert path[-1].low_usd == pytest.approx(39 * low[-1]) and path[-1].high_usd == pytest.approx(39 * high[-1])
    assert path[-1].promised_usd == 39 * made.promise.mean_usd
    assert path[10].d_usd is None and path[10].sum_usd == path[9].sum_usd


def test_from_the_promotion_on_the_nearer_of_both_budgets_is_the_floor() -> None:
    made, d = promoted()
    for gained, floor in ((50.0, 50.0 - TERMS.loss_budget_usd), (-50.0, -TERMS.loss_budget_usd)):
        path = guard_path(made, days_of(made, [gained, *[0.0] * (len(d) - 1)]))
        assert (path[0].floor_usd, path[-1].floor_usd) == (-TERMS.loss_budget_usd, pytest.approx(floor))


def test_without_days_or_without_results_nothing_is_claimed() -> None:
    made = canary()
    assert guard_path(made, []) == ()
    [point] = guard_path(made, [day(made, made.started_on, None)])
    assert (point.n_days, point.sum_usd, point.low_usd, point.statistic) == (0, 0.0, None, None)
