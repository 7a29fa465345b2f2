"""A gate that breaks its promises is stopped; bad luck within them, and too few facts, stop nothing."""

import json
from dataclasses import replace
from datetime import timedelta
from math import comb

import numpy as np
import pytest
from sqlalchemy import update

from core.clustered import Estimate
from core.model.aftermath import Aftermath
from core.model.canonical import sha256_of
from core.model.proposal import Check, Verdict
from core.store import aftermaths, ledger, proposals, tables, verdicts
from strategies.gate.honesty import (
    MIN_N,
    HonestyFacts,
    Promise,
    measure_honesty,
    promotions_stopped,
    read_honesty_facts,
    week_of,
)
from strategies.gate.records import verdict_id
from strategies.gate.screen import STATISTIC
from tests.gate_world import initial_version, make_gate, make_proposal

EVEN = tuple((k + 0.5) / MIN_N for k in range(MIN_N))


def facts(p_values=(), promises=(), fault=""):
    return HonestyFacts(fault, tuple(p_values), tuple(promises))


def promises(slope, n_weeks=30, a_week=5, seed=4, noise=0.05):
    rng = np.random.default_rng(seed)
    promised = rng.normal(0.0, 0.1, n_weeks * a_week)
    realised = slope * promised + rng.normal(0.0, noise, len(promised))
    return [Promise(float(x), float(y), k // a_week) for k, (x, y) in enumerate(zip(promised, realised, strict=True))]


def stopped(made):
    return promotions_stopped(measure_honesty(made))


def test_even_placebo_p_values_keep_the_promise_and_small_ones_break_it():
    honest = measure_honesty(facts(EVEN))
    assert honest.ks_p > 0.9 and promotions_stopped(honest) == ""
    assert "placebos pass too easily" in stopped(facts([p / 3 for p in EVEN]))


def test_the_distance_of_placebo_p_values_is_the_hand_worked_one():
    # All twenty at 0.5: the empirical distribution is 0.5 above the uniform one there. Birnbaum, Tingey 1951.
    n, d = MIN_N, 0.5
    terms = (comb(n, j) * (d + j / n) ** (j - 1) * (1 - d - j / n) ** (n - j) for j in range(n // 2 + 1))
    assert measure_honesty(facts([0.5] * n)).ks_p == pytest.approx(d * sum(terms), rel=1e-6)


def test_large_placebo_p_values_break_no_promise():
    assert stopped(facts([1 - p / 3 for p in EVEN])) == ""


def test_too_few_placebos_stop_nothing_and_say_so():
    honest = measure_honesty(facts([0.001] * (MIN_N - 1)))
    assert (honest.ks_p, promotions_stopped(honest)) == (None, "")
    assert honest.ks_reason == "19 placebo tests are too few to tell; 20 are needed"


@pytest.mark.parametrize("slope", [1.0, 0.4, 0.0])
def test_promises_that_are_kept_in_part_or_mean_nothing_stop_nothing(slope):
    honest = measure_honesty(facts(promises=promises(slope)))
    assert honest.slope.low < slope < honest.slope.high and promotions_stopped(honest) == ""


def test_a_screen_that_misleads_is_stopped():
    assert "what screens better turns out worse: slope -0.9" in stopped(facts(promises=promises(-1.0, seed=5)))


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (facts(EVEN, fault="a row is gone"), "a row is gone"),
        (facts([*EVEN, float("nan")]), "not a probability"),
        (facts([*EVEN, 1.5]), "not a probability"),
    ],
)
def test_what_cannot_be_computed_stops(made, words):
    assert words in stopped(made)


def test_a_slope_that_is_no_number_stops():
    honest = replace(measure_honesty(facts()), slope=Estimate(float("nan"), 0.0, 1.0, 30, 30.0, 12, 9.0))
    assert "not a number" in promotions_stopped(honest)


def test_an_honest_gate_is_seldom_stopped_over_a_year_of_weekly_looks():
    rng = np.random.default_rng(8)
    stops = 0
    for _ in range(60):
        p_values = rng.uniform(size=52)
        stops += any(stopped(facts(p_values[:n])) for n in range(MIN_N, 53, 4))
    assert stops <= 0.1 * 60


def test_weeks_begin_on_monday_in_korea_and_follow_each_other(clock):
    monday = clock.now().replace(hour=0) - timedelta(hours=9)
    assert week_of(monday) == week_of(monday + timedelta(days=6.9)) == week_of(monday + timedelta(days=7)) - 1
    assert week_of(monday - timedelta(seconds=1)) == week_of(monday) - 1


def queue_one(session, gate, clock):
    base = initial_version(session, clock.now())
    gate.split_history(session, clock.now())
    proposal = replace(make_proposal(base, clock.now(), spread_threshold=50.0), state="queued")
    proposals.add(session, proposal)
    check = Check(STATISTIC, True, 1.0, None, "", veto=False)
    name = verdict_id(proposal.proposal_id, "screen")
    words = (name, proposal.proposal_id, "screen", "queued", "", (check,), (), (), (), (), 1, clock.now())
    verdicts.add(session, Verdict(*words))
    return proposal


def test_a_stopped_gate_has_no_champion_writes_why_once_and_goes_on_when_the_cause_ends(store, clock):
    gate = make_gate(store, clock, None)
    with store.session() as session:
        proposal = queue_one(session, gate, clock)
        assert gate.champion(session) == proposal
        assert ledger.rows(session, "promotions_stop") == []
        for _ in range(MIN_N):
            ledger.append(session, clock.now(), "placebo_test", "market_making", "p", {"p_value": 0.01})
        for _ in range(2):
            assert gate.champion(session) is None
        [stop] = ledger.rows(session, "promotions_stop")
        assert "placebos pass too easily" in json.loads(stop.payload)["reason"]
        for k in range(52):
            ledger.append(session, clock.now(), "placebo_test", "market_making", "p", {"p_value": (k + 0.5) / 52})
        assert gate.champion(session) == proposal
        reasons = [json.loads(row.payload)["reason"] for row in ledger.rows(session, "promotions_stop")]
        assert reasons[1:] == [""]


def test_a_ledger_that_was_tampered_with_promotes_nothing(store, clock):
    gate = make_gate(store, clock, None)
    with store.session() as session:
        queue_one(session, gate, clock)
        session.execute(update(tables.ledger).where(tables.ledger.c.n == 2).values(kind="other"))
        assert gate.champion(session) is None


def test_the_facts_are_those_of_thirty_days_of_the_last_year_with_both_numbers(store, clock):
    now = clock.now()
    with store.session() as session:
        for name, days, age, promised, realised in (
            ("counts", 30, 100, 0.1, 0.2),
            ("short", 7, 100, 0.1, 0.2),
            ("old", 30, 400, 0.1, 0.2),
            ("unscreened", 30, 100, None, 0.2),
            ("no-sign", 30, 100, 0.1, None),
        ):
            at = now - timedelta(days=age)
            value = Aftermath(
                name, name, days, "mm-1", "market_making", "rule", "", at, at, at, "better", "", days, 9, realised,
                realised, promised, promised, now,
            )  # fmt: skip
            aftermaths.add(session, value)
            ledger.append(session, now, "aftermath", "m", name, {"aftermath_id": name, "sha256": sha256_of(value)})
        read = read_honesty_facts(session, now)
    assert read == facts(promises=[Promise(0.1, 0.2, week_of(now - timedelta(days=100)))])
