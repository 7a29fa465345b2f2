"""The gate on bare series: production's decision, a budget that no order of days stretches, closed on doubt."""

from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import kst_day_bounds
from core.errors import BadInput
from core.native import generate
from core.settings_sections import GateSettings
from core.store import ledger, proposals
from market.synthetic import demo_market
from strategies.gate import factory
from strategies.gate.budget import read_budget
from strategies.gate.runs import Laboratory
from strategies.gate.series import parse_facts
from tests.gate_world import initial_version, make_gate, make_proposal

LEVEL = 0.10 / 13
HISTORY_DAYS = 925
START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


def facts(edge=0.0, seed=5, day=20_000, n_sealed=730, **over):
    """A proposal whose candidate has the given edge on sealed days, in deviations of the difference a day."""
    rng = np.random.default_rng(seed)
    inc = rng.standard_t(5, n_sealed + 180) * 0.01
    own = rng.standard_t(5, n_sealed + 180) * 0.004
    cand = inc + own - own.mean()
    cand[:n_sealed] += edge * 0.004
    cand[n_sealed:] += 0.002
    made = {
        "day": day,
        "n_trials": 50,
        "seen_inc": inc[n_sealed:],
        "seen_cand": cand[n_sealed:],
        "seen_pool": rng.standard_t(5, (180, 50)) * 0.004,
        "sealed_inc": inc[:n_sealed],
        "sealed_cand": cand[:n_sealed],
        "fresh_inc": inc[:90],
        "fresh_cand": cand[:90],
    }
    return {**made, **over}


GOOD, POOR = facts(edge=0.5), facts(edge=-0.5)


def gate(alpha=0.10, n_tests=13):
    return factory(alpha, n_tests, seed=1)


def test_an_edge_passes_and_its_absence_does_not():
    assert gate().decide(GOOD) is True
    assert gate().decide(POOR) is False


def test_each_sealed_test_spends_one_and_a_promotion_raises_the_level():
    one = gate()
    assert [one.decide(POOR), one.decide(GOOD)] == [False, True]
    assert (one.budget(20_000).tests_used, one.budget(20_000).promotions) == (2, 1)
    assert one.budget(20_000).level == pytest.approx(2 * LEVEL)


def test_after_the_last_test_the_best_is_refused_until_the_next_quarter():
    one = gate(n_tests=2)
    first_of_april = (date(2026, 4, 1) - date(1970, 1, 1)).days
    assert [one.decide({**POOR, "day": first_of_april - 1}) for _ in range(2)] == [False, False]
    assert one.decide({**GOOD, "day": first_of_april - 1}) is False
    assert one.decide({**GOOD, "day": first_of_april}) is True


def test_the_screen_refuses_before_anything_is_spent():
    one = gate()
    worse = {**GOOD, "seen_cand": GOOD["seen_cand"] - 0.1}
    assert one.decide(worse) is False
    assert one.budget(20_000).tests_used == 0


def test_lacking_facts_are_no_failure_and_shown_figures_veto_nothing():
    bare = {key: GOOD[key] for key in ("day", "sealed_inc", "sealed_cand")}
    assert gate().decide(bare) is True
    empty = {**bare, "seen_inc": [], "seen_cand": [], "seen_pool": [], "fresh_inc": [], "fresh_cand": None}
    assert gate().decide(empty) is True
    assert gate().decide({**GOOD, "n_trials": 10**9}) is True
    shown = {check.name: check for check in gate().judge(parse_facts(GOOD)).checks}
    assert {"deflated_sharpe", "overfitting", "p_value", "budget"} <= set(shown)
    assert shown["overfitting"].value is not None


def hole(series, value=np.nan):
    broken = np.array(series)
    broken.flat[7] = value
    return broken


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "key", ["seen_inc", "seen_cand", "seen_pool", "sealed_inc", "sealed_cand", "fresh_inc", "fresh_cand"]
)
def test_what_is_no_number_is_refused_wherever_it_stands(key, value):
    assert gate().decide({**GOOD, key: hole(GOOD[key], value)}) is False


@pytest.mark.parametrize(
    "over",
    [
        {"sealed_cand": GOOD["sealed_inc"]},
        {"sealed_cand": 1.5 * GOOD["sealed_inc"]},
        {"sealed_cand": GOOD["sealed_inc"] + 0.01},
        {"sealed_cand": np.full(730, 0.01)},
        {"sealed_cand": GOOD["sealed_cand"] * 1e305, "sealed_inc": GOOD["sealed_inc"] * 1e305},
        {"seen_cand": 1.5 * GOOD["seen_inc"]},
        {"sealed_inc": GOOD["sealed_inc"][:364], "sealed_cand": GOOD["sealed_cand"][:364]},
        {"sealed_inc": [], "sealed_cand": []},
        {"sealed_cand": GOOD["sealed_cand"][1:]},
        {"sealed_cand": GOOD["sealed_cand"].reshape(365, 2)},
        {"seen_inc": GOOD["seen_inc"][:59], "seen_cand": GOOD["seen_cand"][:59], "seen_pool": []},
        {"seen_cand": GOOD["seen_cand"][1:]},
        {"seen_cand": None},
        {"fresh_cand": []},
        {"seen_pool": GOOD["seen_pool"][1:]},
        {"seen_pool": GOOD["seen_pool"][:, 0]},
        {"n_trials": 0},
        {"n_trials": 1.5},
        {"day": float("nan")},
        {"day": 10**12},
        {"day": -(10**12)},
    ],
)
def test_what_cannot_be_judged_is_false_and_no_exception(over):
    assert gate().decide({**GOOD, **over}) is False


def test_the_sealed_test_needs_the_days_that_production_needs():
    assert gate().decide(facts(edge=1.0, n_sealed=365)) is True
    short = gate()
    assert short.decide(facts(edge=1.0, n_sealed=364)) is False
    assert short.budget(20_000).tests_used == 0


@pytest.mark.parametrize(
    ("p", "why"),
    [
        ({key: value for key, value in GOOD.items() if key != "day"}, "'day'"),
        ({key: value for key, value in GOOD.items() if key != "sealed_cand"}, "'sealed_cand'"),
        ({**GOOD, "day": "today"}, "'day' is str"),
        ({**GOOD, "day": True}, "'day' is bool"),
        ({**GOOD, "sealed_inc": "abc"}, "'sealed_inc'"),
        ({**GOOD, "seen_inc": ["1", "2"]}, "'seen_inc'"),
        ({**GOOD, "seen_pool": [[1.0], [1.0, 2.0]]}, "'seen_pool'"),
        ([1, 2], "a mapping"),
    ],
)
def test_what_is_missing_or_of_another_type_is_named(p, why):
    with pytest.raises(BadInput, match=why):
        gate().decide(p)


@pytest.mark.parametrize("wrong", [(0.0, 13, 1), (0.10, 0, 1), (float("nan"), 13, 1), (0.1, 13, "x")])
def test_a_budget_that_the_settings_refuse_is_refused(wrong):
    with pytest.raises(BadInput):
        factory(*wrong)


def test_lists_and_read_only_mappings_will_do_and_nothing_is_changed():
    plain = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in GOOD.items()}
    assert gate().decide(MappingProxyType(plain)) is True
    frozen = {**GOOD}
    for value in frozen.values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    assert gate().decide(frozen) is True


DAYS = st.lists(st.tuples(st.integers(-400, 800), st.booleans()), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(days=DAYS, n_tests=st.integers(1, 5))
def test_no_sequence_of_days_spends_more_than_a_quarter_has(days, n_tests):
    one = gate(n_tests=n_tests)
    spent: dict[str, list[float]] = {}
    promoted: dict[str, int] = {}
    for day, is_good in days:
        decision = one.judge(parse_facts({**(GOOD if is_good else POOR), "day": day}))
        quarter = one.budget(day).quarter
        if decision.level is not None:
            spent.setdefault(quarter, []).append(decision.level)
        promoted[quarter] = promoted.get(quarter, 0) + decision.accepted
    for quarter, levels in spent.items():
        assert len(levels) <= n_tests
        assert sum(levels) <= 0.10 * (1 + promoted[quarter]) * (1 + 1e-9)


def test_a_day_that_goes_back_finds_the_tests_of_later_quarters_spent():
    one = gate(n_tests=2)
    assert [one.decide({**POOR, "day": 20_000}) for _ in range(2)] == [False, False]
    assert one.decide({**GOOD, "day": 20_000 - 100}) is False
    assert one.budget(20_000 - 100).tests_left == 0


def test_the_budget_is_the_one_that_the_ledger_would_have(store):
    rng = np.random.default_rng(11)
    one, thresholds = gate(n_tests=4), GateSettings(tests_per_quarter=4)
    for step in range(60):
        day = 20_000 + int(rng.integers(-120, 200)) + step
        at, _ = kst_day_bounds(date(1970, 1, 1) + timedelta(days=day))
        with store.session() as session:
            assert read_budget(session, at, thresholds) == one.budget(day)
            decision = one.judge(parse_facts({**(GOOD if rng.random() < 0.3 else POOR), "day": day}))
            if decision.level is not None:
                ledger.append(session, at, "sealed_test", "market_making", "p", {"level": decision.level})
            if decision.accepted:
                ledger.append(session, at, "promotion", "market_making", "p", {})


@pytest.mark.parametrize("edit", [{"spread_threshold": 50.0}, {"spread_threshold": 75.0}, {"inventory_skew": 0.6}])
def test_production_decides_the_same_on_the_same_series(store, clock, edit):
    first = (START - timedelta(days=HISTORY_DAYS)).replace(hour=0)
    production = make_gate(store, clock, generate(demo_market(1, first, HISTORY_DAYS, n_symbols=2)))
    with store.session() as session:
        split = production.split_history(session, clock.now())
        proposal = make_proposal(initial_version(session, clock.now()), clock.now(), **edit)
    admission = production.admit(proposal)
    with store.session() as session:
        production.save_admission(session, proposal, admission)
        proposals.set_state(session, proposal.proposal_id, "queued")
    verdict = production.judge_sealed(proposal).verdict
    laboratory = Laboratory(
        proposal,
        production.archive.symbols(),
        production.capital[proposal.instance_id],
        production.costs,
        production.archive,
        clock.now(),
    )
    candidate, incumbent, _ = laboratory.run_sealed(split)
    day = (clock.now() - datetime(1970, 1, 1, tzinfo=UTC)).days
    decision = gate().judge(
        parse_facts({"day": day, "sealed_inc": incumbent.pnl_usd, "sealed_cand": candidate.pnl_usd})
    )
    assert (decision.accepted, decision.deciding) == (verdict.outcome == "accepted", verdict.deciding)
    assert decision.checks == verdict.checks
