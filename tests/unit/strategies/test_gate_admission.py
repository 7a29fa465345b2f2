"""Admission refuses what may not be tried, names why, and recognises narrowing."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.model.proposal import Edit, ParamVersion
from core.native import validate_params
from core.settings_sections import GateSettings
from strategies.gate.admission import AdmissionFacts, check_admission
from strategies.schema import default_params
from tests.gate_world import make_proposal

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


def version(strategy="market_making", **params):
    values = {**default_params(strategy), **params}
    sha256 = validate_params(strategy, values)
    return ParamVersion("mm-1", strategy, 1, values, sha256, "initial", NOW, True)


def facts(active=None, **changed):
    active = active or version()
    known = AdmissionFacts(active, active.params, (), (), (), {}, NOW)
    return replace(known, **changed)


def admit(proposal, known=None, **settings):
    return check_admission(proposal, known or facts(), GateSettings(**settings))


def failures(admission):
    return [check.name for check in admission.failed]


def test_a_bounded_step_on_the_grid_is_admitted():
    assert failures(admit(make_proposal(version(), NOW, spread_threshold=50.0))) == []


@pytest.mark.parametrize(
    ("edits", "why"),
    [
        ({"spread": 50.0}, "schema"),
        ({"spread_threshold": 60.0}, "changes"),
        ({"spread_threshold": 50.5}, "grid"),
        ({"spread_threshold": 44.0}, "step"),
        ({"spread_threshold": 1.0}, "bounds"),
        ({"inventory_cap": 51.0}, "bounds"),
        ({"spread_threshold": math.nan}, "finite"),
        ({"spread_threshold": math.inf}, "finite"),
        ({"spread_threshold": 1e308}, "bounds"),
        ({"inventory_skew": -1e308}, "grid"),
        ({}, "changes"),
    ],
)
def test_a_change_outside_the_rules_is_refused_by_name(edits, why):
    assert why in failures(admit(make_proposal(version(), NOW, **edits)))


def test_a_quarter_of_the_value_is_the_largest_step_and_one_grid_step_is_always_allowed():
    assert failures(admit(make_proposal(version(), NOW, spread_threshold=45.0))) == []
    low = version(order_layers=2.0)
    assert failures(admit(make_proposal(low, NOW, order_layers=3.0), facts(low))) == []


def test_a_parameter_named_twice_is_refused():
    twice = replace(make_proposal(version(), NOW, spread_threshold=50.0), edits=(Edit("spread_threshold", 50.0),) * 2)
    assert "single_edits" in failures(admit(twice))


def test_parameters_that_contradict_each_other_are_refused():
    sma = version("sma_cross", fast=20.0, slow=22.0)
    assert failures(admit(make_proposal(sma, NOW, fast=23.0), facts(sma))) == ["rules"]


def test_a_proposal_for_a_former_version_is_refused():
    stale = replace(make_proposal(version(), NOW, spread_threshold=50.0), base_sha256="0" * 64)
    assert failures(admit(stale)) == ["base"]


def test_a_proposal_that_lies_about_the_running_parameters_is_refused():
    lying = make_proposal(version(), NOW, spread_threshold=50.0)
    lying = replace(lying, base_params={**lying.base_params, "order_size": 1.0})
    assert failures(admit(lying)) == ["base"]


def test_an_unknown_instance_or_strategy_is_refused():
    proposal = make_proposal(version(), NOW, spread_threshold=50.0)
    assert failures(admit(proposal, replace(facts(), active=None))) == ["instance"]
    assert failures(admit(replace(proposal, strategy="astrology"))) == ["strategy"]


def test_a_repeat_of_a_tried_change_is_refused_and_names_the_earlier_one():
    earlier = make_proposal(version(), NOW - timedelta(days=30), spread_threshold=50.0)
    admission = admit(make_proposal(version(), NOW, spread_threshold=50.0), facts(refuted=[earlier]))
    assert failures(admission) == ["repeat"]
    assert earlier.proposal_id in admission.failed[0].detail


def test_a_second_change_waits_for_the_first_one_of_its_instance():
    first = make_proposal(version(), NOW, inventory_skew=0.6)
    assert failures(admit(make_proposal(version(), NOW, spread_threshold=50.0), facts(queued=[first]))) == [
        "one_at_a_time"
    ]


@pytest.mark.parametrize(("days", "refused"), [(2.9, ["cooldown"]), (3.0, [])])
def test_a_parameter_rests_for_three_days_after_it_was_touched(days, refused):
    touched = facts(touched_at={"spread_threshold": NOW - timedelta(days=days)})
    assert failures(admit(make_proposal(version(), NOW, spread_threshold=50.0), touched)) == refused


def test_the_cool_down_is_per_parameter():
    touched = facts(touched_at={"inventory_skew": NOW})
    assert failures(admit(make_proposal(version(), NOW, spread_threshold=50.0), touched)) == []


def test_lowering_caps_is_narrowing():
    assert admit(make_proposal(version(), NOW, order_size=4.0, inventory_cap=15.0)).is_narrowing


@pytest.mark.parametrize(
    "edits",
    [
        {"spread_threshold": 50.0},
        {"spread_threshold": 70.0},
        {"order_size": 4.0, "spread_threshold": 70.0},
        {"order_size": 5.5},
        {"order_size": 4.0, "inventory_cap": 21.0},
    ],
)
def test_thresholds_raised_caps_and_mixtures_are_not_narrowing(edits):
    assert not admit(make_proposal(version(), NOW, **edits)).is_narrowing


def test_narrowing_ends_at_half_of_the_evidenced_value():
    narrowed = version(order_size=3.0)
    known = facts(narrowed, evidenced=version().params)
    assert admit(make_proposal(narrowed, NOW, order_size=2.5), known).is_narrowing
    deeper = version(order_size=2.5)
    below = admit(make_proposal(deeper, NOW, order_size=2.0), facts(deeper, evidenced=version().params))
    assert not below.is_narrowing


def test_going_back_up_to_the_evidenced_value_needs_no_test_and_beyond_it_does():
    narrowed = version(order_size=4.0)
    known = facts(narrowed, evidenced=version().params)
    assert admit(make_proposal(narrowed, NOW, order_size=5.0), known).is_narrowing
    near = version(order_size=4.5)
    beyond = admit(make_proposal(near, NOW, order_size=5.5), facts(near, evidenced=version().params))
    assert not beyond.is_narrowing


def test_narrowing_neither_waits_in_the_queue_nor_cools_down():
    waiting = make_proposal(version(), NOW, inventory_skew=0.6)
    known = facts(queued=[waiting], touched_at={"order_size": NOW})
    assert failures(admit(make_proposal(version(), NOW, order_size=4.0), known)) == []


def test_narrowing_waits_for_a_deployment_that_is_on_its_way():
    known = facts(on_the_way=["deployment-1"])
    assert failures(admit(make_proposal(version(), NOW, order_size=4.0), known)) == ["one_at_a_time"]


def test_nothing_is_clamped_into_the_bounds():
    outside = make_proposal(version(), NOW, spread_threshold=1.0)
    admission = admit(outside)
    assert [check.value for check in admission.checks if check.name == "bounds"] == [1.0]
    assert outside.params["spread_threshold"] == 1.0


@pytest.mark.parametrize(
    ("strategy", "edit", "needs"),
    [
        ("predictive", {"min_confidence": 0.6}, "predictions"),
        ("micro_arbitrage", {"min_edge": 2.5}, "quotes"),
        ("liquidation", {"min_profit": 12.0}, "loans"),
    ],
)
def test_what_no_backtest_can_speak_for_is_refused_by_that_name(strategy, edit, needs):
    active = version(strategy)
    admission = admit(make_proposal(active, NOW, **edit), facts(active))
    assert failures(admission) == ["no_evidence"]
    assert f"decides on {needs}" in admission.failed[0].detail


@pytest.mark.parametrize(("said_share", "fails"), [(0.0, True), (0.79, True), (0.8, False), (1.0, False)])
def test_predictions_are_judged_where_models_spoke_on_enough_days(said_share, fails):
    active = version("predictive")
    known = replace(facts(active), said_share=said_share)
    admission = admit(make_proposal(active, NOW, min_confidence=0.6), known)
    assert failures(admission) == (["no_evidence"] if fails else [])


@pytest.mark.parametrize("strategy", ["predictive", "micro_arbitrage", "liquidation"])
def test_its_caps_may_still_be_lowered_and_never_raised(strategy):
    active = version(strategy)
    lower, higher = (make_proposal(active, NOW, size=active.params["size"] + step) for step in (-1.0, 1.0))
    narrowed = admit(lower, facts(active))
    assert narrowed.is_narrowing and failures(narrowed) == []
    assert failures(admit(higher, facts(active))) == ["no_evidence"]
