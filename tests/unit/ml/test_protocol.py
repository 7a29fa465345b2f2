"""The whole protocol on made series: planted skill is measured as planted, none as none, a break is survived."""

import math

import numpy as np
import pytest

from core.errors import BadInput
from ml.evaluate.lineup import LAST_RETURN, TREND, VOLATILITY, build_lineup, find_models
from ml.evaluate.protocol import OutOfFold, Plan, calibrate, locked_bars, make_folds, plan_for, predict_out_of_fold
from ml.evaluate.report import NO_SKILL, Run, evaluate_task
from ml.evaluate.tasks import TASKS, find_tasks
from ml.labels import sign_label
from ml.models.logistic import Logistic
from ml.models.prior import Prior
from ml.models.xgboost_trees import XgboostTrees
from tests.ml_world import HOUR_MS, planted

SIGN = find_tasks("sign:1")[0]
EXPERTS = (Prior(), Logistic(0.1), XgboostTrees(n_trees=12, learning_rate=0.2, max_depth=2, column_share=1.0))
PLAIN = (Prior(), Logistic(0.1))
N = 5200


def judged(skill: float, seed: int = 1, break_at: int | None = None, task=SIGN, experts=EXPERTS, **more):
    table = planted(N, skill, seed, break_at=break_at)
    run = Run(Plan(2000, N, 800), experts, 7, {task.key: 4}, **more)
    return evaluate_task(table, task, run), run


def test_planted_skill_is_measured_as_it_was_planted():
    row, _ = judged(0.08)
    low, high = row.accuracy_ci
    assert abs(row.accuracy - 0.58) < 0.02 and low < row.accuracy < high and high - low < 0.06
    assert row.skill == "skill" and row.n_folds == 4 and row.trials == 4 and not row.is_ledgered
    # Binary entropy: the log loss of 58 % is 1.85 % below that of one half.
    assert row.log_loss_skill == pytest.approx(0.0185, abs=0.008)
    assert row.ece < 0.035 and row.auc == pytest.approx(0.58, abs=0.03)
    assert row.n_effective == row.n and abs(sum(row.base_rates.values()) - 1) < 1e-12


def test_where_there_is_nothing_nothing_is_claimed():
    row, _ = judged(0.0, seed=2)
    low, high = row.accuracy_ci
    assert row.skill == NO_SKILL and low <= 0.5 <= high and abs(row.log_loss_skill) < 0.004
    assert row.net_bps < 0 < row.fee_bps


def test_a_break_of_regime_costs_no_more_than_the_bound():
    row, _ = judged(0.12, seed=3, break_at=3600)
    assert row.regret_nats <= row.bound_nats + 1e-9
    best = min(figures.log_loss for figures in row.experts)
    assert row.log_loss <= best + row.bound_nats / row.n + 1e-12
    assert min(row.by_quarter) < 0.5 < row.by_quarter[0]
    assert {figures.name for figures in row.experts if figures.is_disabled} & {"logistic", "xgboost"}


@pytest.mark.parametrize("key", ["sign:5", "big_move", "triple_barrier", "two_percent", "move_over_sigma"])
def test_every_task_gives_a_whole_row(key):
    task = find_tasks(key)[0]
    row, run = judged(0.1, task=task, experts=PLAIN)
    assert row.regret_nats <= row.bound_nats + 1e-9
    assert 0.0 <= row.accuracy <= 1.0 and math.isfinite(row.log_loss) and row.n_effective <= row.n
    assert sum(row.base_rates.values()) == pytest.approx(1) and row.majority == max(row.base_rates.values())
    assert (row.gross_bps is None) == (not task.is_direction)
    assert len(run.answered) == (2 if task.is_three else 1)
    if row.conformal:
        assert abs(row.conformal.coverage - row.conformal.target) <= row.conformal.bound


def test_a_question_that_two_tasks_share_is_answered_once():
    table = planted(N, 0.1, 1)
    tasks = find_tasks("big_move,two_percent")
    run = Run(Plan(3600, N, 1600), PLAIN, 7, {task.key: 1 for task in tasks})
    for task in tasks:
        evaluate_task(table, task, run)
    assert set(run.answered) == {"big_move:5", "two_percent:5:side"}


def test_the_same_seed_gives_the_same_row_on_any_number_of_threads():
    assert judged(0.08, n_threads=1)[0] == judged(0.08, n_threads=3)[0]


def test_calibration_of_a_fold_knows_only_what_was_settled_before_it():
    rng = np.random.default_rng(4)
    n = 900
    y = rng.integers(0, 2, n).astype(float)
    end = np.arange(n) + 10
    found = OutOfFold(np.arange(n), np.repeat([0, 1, 2], 300), rng.uniform(0.2, 0.8, (n, 2)))
    before = calibrate(found, ("prior", "a"), y, end)
    later = y.copy()
    later[590:] = 1 - later[590:]
    after = calibrate(found, ("prior", "a"), later, end)
    assert np.array_equal(before, after)
    later[589] = 1 - later[589]
    assert not np.array_equal(before[600:], calibrate(found, ("prior", "a"), later, end)[600:])
    assert np.array_equal(before[:, 0], found.p[:, 0]) and np.array_equal(before[:300], found.p[:300])


def test_the_plan_locks_the_end_and_never_reads_it():
    plan = plan_for(41_101, HOUR_MS)
    assert plan == Plan(17_520, 41_101 - 2_184, 2_184)
    assert locked_bars(20_448, 300_000) == 2_044
    labels = sign_label(planted(3000, 0.1, 1), 5)
    plan = plan_for(3000, HOUR_MS)
    folds = make_folds(labels, plan)
    assert max(fold.test.max() for fold in folds) < plan.past_last == 2700
    opened = plan_for(3000, HOUR_MS, opens_locked=True)
    assert (opened.first_scored, opened.past_last) == (2700, 3000)
    with pytest.raises(BadInput, match="too few"):
        plan_for(2000, HOUR_MS)


class Shouting:
    name, lookback = "shouting", 1

    def fit(self, x, segment, rows, y, weight, seed):
        return self

    def predict(self, x, segment, rows):
        return np.full(len(rows), 1.5)


def test_a_model_that_gives_no_probability_is_named():
    table = planted(3000, 0.1, 1)
    labels = sign_label(table, 1)
    folds = make_folds(labels, Plan(1500, 3000, 500))
    with pytest.raises(ValueError, match="shouting"):
        predict_out_of_fold(table.values, table.segment, labels, labels.y, folds, (Shouting(),), 1)


def test_line_ups_and_tasks_are_found_by_name():
    names = tuple(expert.name for expert in build_lineup(("a", LAST_RETURN, TREND, VOLATILITY), ("xgboost",)))
    assert names == ("prior", "last_sign", "reversal", "sma_cross", "ewma_volatility", "xgboost")
    with pytest.raises(BadInput, match="baselines"):
        build_lineup(("a",))
    with pytest.raises(BadInput, match="no model"):
        find_models("xgbost")
    assert [task.key for task in find_tasks("sign,big_move")] == ["sign:1", "sign:5", "sign:24", "big_move:5"]
    with pytest.raises(BadInput, match="no task"):
        find_tasks("sing")
    assert len({task.key for task in TASKS}) == len(TASKS)
