"""The screen's vetoes, one at a time, on made-up daily results; and the stress gap."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from core.model.proposal import ParamVersion
from core.settings_sections import CostSettings, GateSettings
from strategies.backtest import DailyFacts, dearer
from strategies.gate.budget import BudgetState
from strategies.gate.screen import STATISTIC, ScreenRuns, folds_of, judge_screen, neighbours_of
from strategies.gate.sealed import judge_sealed_runs
from strategies.gate.stress import Paths, Scenario
from strategies.schema import default_params, load_param_specs
from tests.gate_world import make_proposal

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def daily(series, trades=range(50)):
    days = np.arange(20_000, 20_000 + len(series), dtype=np.int64)
    return DailyFacts(days, np.asarray(series, dtype=float), 50, 1.0, 1.0, frozenset((float(k),) for k in trades))


def paths(path_day=-20.0, fall=-2.0, n=200):
    """Every path of the candidate has one bad day and falls a little on all others; the incumbent makes nothing."""
    candidate = np.full((n, 30), fall)
    candidate[:, 7] = path_day
    return Paths(candidate, np.zeros((n, 30)))


def runs(
    gain=0.5,
    neighbour_gain=0.5,
    n_days=180,
    changed=range(100, 150),
    crash=-100.0,
    path_day=0.0,
    fall=0.0,
):
    rng = np.random.default_rng(12)
    base = rng.normal(1.0, 10.0, n_days)
    other = base + rng.normal(0, 1.0, n_days)

    def shifted(by):
        # Exactly matched in volatility, so that the paired mean is the gain.
        return (other - other.mean()) * base.std(ddof=1) / other.std(ddof=1) + base.mean() + by

    return ScreenRuns(
        incumbent=daily(base),
        candidate=daily(shifted(gain), changed),
        neighbours=[("spread_threshold", daily(shifted(neighbour_gain))) for _ in range(2)],
        scenarios=[Scenario("gap", "a gap", [np.array([crash, 5.0])], [np.array([-100.0, 5.0])])],
        paths=paths(path_day, fall),
        capital_usd=100.0,
    )


def judge(made, **settings):
    return judge_screen(made, GateSettings(**settings), n_trials=3)


def vetoes(result):
    return [check.name for check in result.checks if check.veto and not check.passed]


def test_a_gain_its_neighbours_share_is_queued_with_its_numbers():
    result = judge(runs())
    assert (result.outcome, vetoes(result)) == ("queued", [])
    by_name = {check.name: check for check in result.checks}
    assert by_name["paired_mean"].value == pytest.approx(0.5)
    assert by_name["plateau"].value == pytest.approx(1.0)
    assert by_name["changed_trades"].value == 100
    assert by_name[STATISTIC].value > 0


@pytest.mark.parametrize(
    ("made", "veto"),
    [
        (runs(gain=-0.1), "paired_mean"),
        (runs(neighbour_gain=0.2), "plateau"),
        (runs(changed=range(29)), "changed_trades"),
        (runs(crash=-126.0), "stress_gap"),
        (runs(path_day=-10.1), "stress_path_day"),
        (runs(fall=-0.7), "stress_path_drawdown"),
    ],
)
def test_each_veto_refuses_by_itself(made, veto):
    result = judge(made)
    assert result.outcome == "refused"
    assert veto in vetoes(result)
    assert veto in result.deciding


def test_deflated_sharpe_and_overfitting_veto_nothing():
    shown = [check for check in judge(runs(gain=0.01, neighbour_gain=0.01)).checks if not check.veto]
    assert {"deflated_sharpe", "overfitting"} <= {check.name for check in shown}
    assert judge_screen(runs(), GateSettings(), n_trials=10**6).outcome == "queued"


def test_fewer_than_sixty_days_are_inconclusive():
    result = judge(runs(n_days=59))
    assert result.outcome == "inconclusive"
    assert "59" in result.deciding


def test_an_identical_candidate_is_refused():
    made = runs()
    assert judge(replace(made, candidate=made.incumbent)).outcome == "refused"


def test_a_nan_is_refused():
    made = runs()
    broken = made.candidate.pnl_usd.copy()
    broken[5] = np.nan
    assert judge(replace(made, candidate=replace(made.candidate, pnl_usd=broken))).outcome == "refused"


def test_results_on_other_days_are_refused():
    made = runs()
    moved = replace(made.candidate, days=made.candidate.days + 1)
    assert judge(replace(made, candidate=moved)).outcome == "refused"


def test_six_folds_add_up_to_the_whole():
    made = runs()
    folds = folds_of(made)
    assert len(folds) == 6
    assert sum(fold.candidate_usd for fold in folds) == pytest.approx(made.candidate.pnl_usd.sum())
    assert folds[0].start_on == "2024-10-04"


def test_neighbours_are_one_step_away_and_never_the_incumbent():
    base = ParamVersion("mm-1", "market_making", 1, default_params("market_making"), "x", "initial", NOW, True)
    found = neighbours_of(make_proposal(base, NOW, spread_threshold=59.0), load_param_specs("market_making"))
    assert [params["spread_threshold"] for _, params in found] == [58.0]
    found = neighbours_of(make_proposal(base, NOW, spread_threshold=50.0), load_param_specs("market_making"))
    assert [params["spread_threshold"] for _, params in found] == [49.0, 51.0]


def test_dearer_costs_never_pay_a_larger_rebate():
    costs = dearer(CostSettings(maker_fee_bps=-1.0, taker_fee_bps=4.0, slippage_bps=2.0), 2.0)
    assert (costs.maker_fee_bps, costs.taker_fee_bps, costs.slippage_bps) == (-0.5, 8.0, 4.0)


BUDGET = BudgetState("2026Q1", 0.10, 13, 0, 0, 0.10 / 13, NOW)


def test_the_sealed_test_accepts_at_the_level_and_says_so_in_words():
    rng = np.random.default_rng(3)
    base = rng.normal(0, 10, 730)
    better = base + rng.normal(0.6, 2.0, 730)
    result = judge_sealed_runs(daily(better), daily(base), BUDGET, 365)
    assert result.outcome == "accepted"
    assert "<= 0.0077 on 730 sealed days, annual IR" in result.deciding


@pytest.mark.parametrize("candidate", ["noise", "leverage", "nan", "short"])
def test_what_is_not_shown_is_inconclusive(candidate):
    rng = np.random.default_rng(8)
    base = rng.normal(0, 10, 730)
    series = {
        "noise": base + rng.normal(0, 2.0, 730),
        "leverage": base * 1.5,
        "nan": np.where(np.arange(730) == 9, np.nan, base + 1),
        "short": base + rng.normal(1, 2.0, 730),
    }[candidate]
    n = 300 if candidate == "short" else 730
    result = judge_sealed_runs(daily(series[:n]), daily(base[:n]), BUDGET, 365)
    assert result.outcome == "inconclusive"
