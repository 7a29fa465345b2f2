"""The rules of others on worlds small enough to work out by hand, and our gate beside them."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from core.metrics import daily_sharpe
from core.sharpe import deflated_sharpe, return_shape
from strategies.gate.evaluation import attacks, leaks, peers, years
from strategies.gate.evaluation.rules import Decisions, Rule, all_rules, sealed_p_values
from strategies.gate.evaluation.worlds import N_SEALED, make_proposals, propose

FOLD = (0.01, -0.01, 0.01, -0.01)
"""Four days without a profit, so that what is added to them is the mean."""


def folds(*means):
    """Six folds of four days with the given means."""
    return np.concatenate([np.array(FOLD) + mean for mean in means])


def world(incumbent, *trials):
    """One world of 24 known days, all of them searched."""
    lines = np.array([trials])
    return propose(20_000, np.array([incumbent]), lines, given=None, known=slice(0, 24))


FLAT = folds(0, 0, 0, 0, 0, 0)
EARLY = folds(0.02, 0.02, 0.02, 0.02, -0.01, -0.01)
LATE = folds(-0.01, -0.01, -0.01, -0.01, 0.02, 0.02)
STEADY = folds(0.001, 0.001, 0.001, 0.001, -0.001, -0.001)
HALF = folds(0.05, 0.05, 0.05, -0.001, -0.001, -0.001)


@pytest.fixture(autouse=True)
def whole_history_is_seen(monkeypatch):
    monkeypatch.setattr("strategies.gate.evaluation.worlds.SEEN", slice(0, 24))


@pytest.mark.parametrize(
    ("judge", "incumbent", "trials", "picked", "accepted"),
    [
        (peers.best_of_k, FLAT, (LATE, EARLY), 1, True),
        (peers.best_of_k, EARLY, (LATE, FLAT), 0, False),
        (peers.best_of_k, EARLY, (EARLY,), 0, False),
        (peers.single_split, FLAT, (LATE, EARLY), 1, False),
        (peers.single_split, FLAT, (LATE, LATE - 0.01), 0, True),
        (peers.walk_forward, FLAT, (EARLY,), 0, True),
        (peers.walk_forward, FLAT, (HALF,), 0, False),
        (peers.profitable_split, EARLY, (STEADY,), 0, False),
        (peers.profitable_split, EARLY, (-STEADY,), 0, True),
    ],
)
def test_each_rule_picks_and_judges_as_it_says(judge, incumbent, trials, picked, accepted):
    found, goes = judge(world(incumbent, *trials))
    assert (found.tolist(), goes.tolist()) == ([picked], [accepted])


def test_a_given_candidate_is_judged_and_no_better_one_searched():
    given = replace(world(FLAT, LATE, EARLY), is_given=True, picked=np.array([0]))
    assert peers.single_split(given)[0].tolist() == [0]
    assert peers.single_split(given)[1].tolist() == [True]


def test_leverage_is_no_better_than_its_original():
    assert not peers.best_of_k(world(EARLY, EARLY * 1.5))[1][0]


def test_the_deflated_sharpe_ratio_is_that_of_the_published_form():
    rng = np.random.default_rng(2)
    rose = 0
    for shift in np.linspace(0.0, 0.6, 13):
        trials = rng.normal(0, 0.01, (20, 180))
        trials[3] += shift * 0.01
        made = propose(20_000, trials[:1], trials[None], known=slice(0, 180))
        picked, accepted = peers.deflated_alone(made)
        best = trials[picked[0]]
        shape, ratios = return_shape(best), [daily_sharpe(each) for each in trials]
        variance = float(np.var(ratios, ddof=1))
        dsr = deflated_sharpe(daily_sharpe(best), 180, shape.skewness, shape.kurtosis, 20, variance)
        assert accepted[0] == (dsr >= 0.95)
        rose += accepted[0]
    assert 0 < rose < 13


def test_overfitting_is_cut_where_it_says():
    noise = np.random.default_rng(765).normal(0, 1, (30, 240))
    luck = noise - noise.mean(axis=1, keepdims=True)
    skill = noise.copy()
    skill[7] += 0.6
    for trials, expected in ((luck, False), (skill, True)):
        made = propose(20_000, trials[:1], trials[None], known=slice(0, 240))
        assert peers.overfitting_cut(0.2)(made)[1].tolist() == [expected]


def rule(name):
    return next(each for each in all_rules() if each.name == name)


def test_our_gate_comes_first_and_names_are_unique():
    names = [each.name for each in all_rules()]
    assert names[0] == "xcrack" and len(set(names)) == len(names)


def test_levels_decide_between_the_rules_on_sealed_days():
    """Our first level is .0077; that of LORD++ is .05 x .0772 log 2 = .0027."""
    made = make_proposals(np.random.default_rng(12), 60, 20_000, planted_ir=2.0)
    p_values = sealed_p_values(made)
    for name, level in (
        ("xcrack", 0.10 / 13),
        ("lord_plus_plus", 0.05 * 0.07720838 * np.log(2)),
        ("sealed_5pct", 0.05),
    ):
        expected = [p is not None and p <= level for p in p_values]
        assert rule(name).open(60).decide(made).accepted.tolist() == expected
        assert 0 < sum(expected) < 60


class Stubborn:
    """Takes everything, or nothing."""

    def __init__(self, accepts):
        self.accepts = accepts

    def decide(self, proposals):
        return Decisions(proposals.picked, np.full(len(proposals.picked), self.accepts))


YES = Rule("yes", "yes", lambda _: Stubborn(True), is_sealed=True)
NO = Rule("no", "no", lambda _: Stubborn(False), is_sealed=True)


def test_a_year_has_four_calendar_quarters_of_thirteen_weeks():
    days = [date(1970, 1, 1) + timedelta(days=years.FIRST_DAY + 7 * week) for week in range(years.N_WEEKS)]
    assert [(day.month - 1) // 3 for day in days] == [week // 13 for week in range(52)]


def test_on_nothing_every_acceptance_is_false_and_no_refusal_is():
    played = years.play_years(np.random.default_rng(1), 2, years.NOTHING, [YES, NO])
    assert played["yes"].is_false.all() and years.false_by_quarter(played["yes"]).tolist() == [[True] * 4] * 2
    assert not played["no"].accepted.any() and not years.false_by_quarter(played["no"]).any()


def test_on_a_landscape_what_is_accepted_becomes_the_incumbent_and_falls_are_counted():
    played = years.play_years(np.random.default_rng(1), 2, years.LANDSCAPES["rich"], [YES, NO])
    assert (played["no"].gain == 0).all()
    assert (played["yes"].gain != 0).all()
    # Of a quality drawn anew each week about every second one is below the one before.
    assert 0.3 < played["yes"].is_false.mean() < 0.7


def test_whoever_says_yes_is_fooled_by_every_climber_and_whoever_says_no_by_none():
    rng = np.random.default_rng(2)
    for fooled in (
        leaks.climb_on_one_bit(rng, 2, [YES, NO]),
        leaks.climb_on_scores(rng, 2, [YES, NO], leaks.SEALED_SCORES),
        leaks.search_the_sealed(rng, 2, [YES, NO]),
    ):
        assert fooled["yes"].all() and not fooled["no"].any()


def test_a_climber_on_sealed_scores_proposes_what_did_well_on_sealed_days():
    class Spy(Stubborn):
        means: list[float] = []

        def decide(self, proposals):
            d = proposals.candidate[:, :N_SEALED] - proposals.incumbent[:, :N_SEALED]
            self.means.append(float((d.mean(axis=1) / d.std(axis=1)).mean()))
            return super().decide(proposals)

    leaks.climb_on_scores(np.random.default_rng(3), 3, [replace(NO, open=lambda _: Spy(False))], leaks.SEALED_SCORES)
    assert Spy.means == sorted(Spy.means)
    # An annual information ratio of more than one out of nothing.
    assert Spy.means[-1] * np.sqrt(365) > 1


@pytest.mark.parametrize("name", ["leverage", "identical", "nan"])
def test_our_gate_refuses_what_only_looks_better(name):
    assert not attacks.attack(np.random.default_rng(4), name, 3, [rule("xcrack")])["xcrack"].any()


def test_the_penny_picker_collects_what_it_loses_and_stress_sees_it():
    rng = np.random.default_rng(5)
    raw = attacks.Raw(np.zeros((200, 1_000)), np.zeros((200, 1_000)))
    made = attacks.penny_picker(rng, raw)
    assert abs(made.mean()) < 4 * made.std() / np.sqrt(made.size)
    assert attacks.passes_stress() is False
