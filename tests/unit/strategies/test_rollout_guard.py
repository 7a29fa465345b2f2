"""How often the guard takes back what does no harm, and how soon what does: measured on the production rules."""

import math
import sys
from dataclasses import replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pytest

from core.model.canary import GuardFigures, GuardRule, GuardTerms
from core.settings_sections import GateSettings
from strategies.gate.boundary import RollbackBoundary, rollback_days
from strategies.rollout.guard import (
    build_schedule,
    calibrate_terms,
    fired_text,
    judge_guard,
    promise_of,
    simulator_alarm,
)
from tests.canaries import STARTED_ON, TERMS, canary, days
from tests.difference_world import differences

N_SEALED = 730
WITHIN_DAYS = 90
Paths = npt.NDArray[np.float64]


def terms_for(d: Paths, seed: int) -> GuardTerms:
    terms = calibrate_terms(d, build_schedule(GateSettings()), GateSettings(), seed)
    assert isinstance(terms, GuardTerms)
    return terms


def shares_taken_back(annual_irs: tuple[float, ...], n_pairs: int, n_paths: int, seed: int) -> list[float]:
    """Return, by shift, the share of paths that the guard ends within 90 days, each pair with its own terms."""
    taken, rng = np.zeros(len(annual_irs)), np.random.default_rng(seed)
    for pair, sealed in enumerate(differences(rng, n_pairs, N_SEALED, 8.0)):
        boundary = boundary_of(terms_for(sealed, pair))
        for n, annual_ir in enumerate(annual_irs):
            crossed, spent = rollback_days(differences(rng, n_paths, WITHIN_DAYS, annual_ir), boundary)
            taken[n] += ((crossed > 0) | (spent > 0)).sum()
    return list(taken / (n_pairs * n_paths))


def boundary_of(terms: GuardTerms) -> RollbackBoundary:
    return RollbackBoundary(
        terms.boundary, terms.loss_budget_usd, terms.n_days, terms.n_min_days, terms.false_share, 1, terms.seed
    )


def test_harm_is_taken_back_and_what_does_no_harm_mostly_stays() -> None:
    false, found = shares_taken_back((0.0, -6.0), n_pairs=10, n_paths=400, seed=1)
    assert false <= 0.20 + 0.03 and found >= 0.90


@pytest.mark.soak
def test_harm_is_taken_back_and_what_does_no_harm_mostly_stays_over_many_pairs(capsys) -> None:
    shifts = (0.0, -2.0, -4.0, -6.0, -10.0, -20.0)
    shares = dict(zip(shifts, shares_taken_back(shifts, n_pairs=200, n_paths=500, seed=3), strict=True))
    with capsys.disabled():
        sys.stdout.write("\n" + ", ".join(f"IR {shift:g}: {share:.1%}" for shift, share in shares.items()) + "\n")
    assert shares[0.0] <= 0.20 + 0.01 and shares[-6.0] >= 0.90, shares


def test_the_guard_that_runs_is_the_one_that_was_measured() -> None:
    rng = np.random.default_rng(4)
    sealed = 1e4 * differences(rng, 1, N_SEALED)[0]
    of = canary(terms=terms_for(sealed, 1), schedule=build_schedule(GateSettings()))
    paths = 1e4 * differences(rng, 25, WITHIN_DAYS, -5.0)
    crossed, spent = rollback_days(paths, boundary_of(of.terms))
    for path, by_boundary, by_budget in zip(paths, crossed, spent, strict=True):
        met = [int(day) for day in (by_boundary, by_budget) if day]
        lived = days(of, path.tolist())
        ends = [judge_guard(of, lived[: n + 1]).fired for n in range(len(lived))]
        first = next((n + 1 for n, fired in enumerate(ends) if fired), 0)
        assert first == min(met, default=0)


@pytest.mark.parametrize(("rule", "told"), [("loss_budget", "-171.50"), ("boundary", "-1.93"), ("drift", "401")])
def test_what_fired_is_told_with_its_figures_and_without_a_limit_from_sealed_days(rule: GuardRule, told: str) -> None:
    text = fired_text(canary(), GuardFigures(12, -171.5, -1.93, 401.0, rule))
    assert told in text and rule.replace("_", " ") in text and "12 days" in text
    assert f"{TERMS.loss_budget_usd:g}" not in text and f"{TERMS.boundary:g}" not in text


def test_the_terms_come_from_the_pair_itself_and_its_seed() -> None:
    sealed = differences(np.random.default_rng(5), 1, N_SEALED)[0]
    terms = terms_for(sealed, 7)
    assert terms == terms_for(sealed, 7) and terms.n_days == 104 and 1 < terms.boundary < 3
    assert terms.loss_budget_usd == pytest.approx(3 * sealed.std(ddof=1) * math.sqrt(30))
    assert isinstance(calibrate_terms(sealed[:30], build_schedule(GateSettings()), GateSettings(), 7), str)


def test_a_promise_is_the_matched_difference_or_a_reason() -> None:
    dice = np.random.default_rng(6)
    incumbent = 10 * dice.standard_normal(N_SEALED)
    candidate = 2 * incumbent + 4 + 3 * dice.standard_normal(N_SEALED)
    found = promise_of(candidate, incumbent)
    assert not isinstance(found, str)
    promise, d = found
    assert promise.scale == pytest.approx(incumbent.std(ddof=1) / candidate.std(ddof=1))
    assert (promise.mean_usd, promise.n_days) == (pytest.approx(d.mean()), N_SEALED)
    for wrong in (incumbent[:-1], 2 * incumbent, np.full(N_SEALED, math.nan), np.zeros(N_SEALED)):
        assert isinstance(promise_of(wrong, incumbent), str)


def test_days_from_before_the_promotion_set_no_alarm_of_the_drift_detector() -> None:
    of = canary(stage="promoted", step=3, share=1.0)
    bad = [replace(day, stage="canary") for day in days(canary(), [-20.0] * 2)]
    good = days(of, [5.0] * 3, STARTED_ON + timedelta(days=2))
    figures = judge_guard(of, [*bad, *good])
    assert (figures.sum_usd, figures.n_days, figures.fired) == (15.0, 5, "")
    assert figures.drift is not None and figures.drift < 5


def test_a_simulator_that_drifts_from_the_account_is_an_alarm_in_either_direction() -> None:
    noise = np.random.default_rng(8).standard_normal(160)
    assert simulator_alarm(noise, 365.0) == ""
    for drift in (-0.8, 0.8):
        found = simulator_alarm(np.concatenate([noise[:70], noise[70:] + drift]), 365.0)
        assert "simulator" in found
    assert "simulator" in simulator_alarm(np.array([1.0, math.nan]), 365.0)
    assert simulator_alarm(np.zeros(100), 365.0) == ""
