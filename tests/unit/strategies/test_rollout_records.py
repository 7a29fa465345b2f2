"""Canaries on record: what is written, what is sent in which order, and that nothing of it happens twice."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from core.errors import Conflict, Refused
from core.store import audit, canaries, deployments, ledger, proposals, verdicts
from strategies.gate.records import load_admission_facts
from tests.canaries import SCHEDULE
from tests.canary_world import BETTER, LIVE, CanaryWorld
from tests.gate_world import make_proposal

CANARY = f"{LIVE}.canary"
SHADOW = f"{LIVE}.shadow"
INCUMBENT = f"{LIVE}.incumbent"


@pytest.fixture
def world(store, clock):
    with store.session() as session:
        yield CanaryWorld(clock, session)


@pytest.fixture
def careful_world(store, clock):
    with store.session() as session:
        yield CanaryWorld(clock, session, require_approval=True)


def test_a_canary_begins_in_the_shadow_with_its_schedule_on_the_ledger_and_without_money(world):
    begun = world.begun()
    assert [(each.instance_id, each.capital_share) for each in world.sent] == [(SHADOW, 1.0)]
    assert world.runs("shadow")[0]["spread_threshold"] == 50.0
    assert (world.runs()[1], world.runs("canary")[1]) == (1.0, 0.0)
    [row] = ledger.rows(world.session, "canary")
    written = json.loads(row.payload)
    assert written["schedule"]["shadow_days"] == SCHEDULE.shadow_days and written["terms"]["seed"] == 1
    assert (world.state(begun), audit.latest(world.session, 1, begun.canary_id)[0].action) == ("accepted", "canary")


def test_beginning_twice_sends_once(world):
    begun = world.begun()
    assert world.desk.begin(world.session, begun) == begun
    assert len(world.sent) == len(ledger.rows(world.session, "canary")) == 1


def test_only_a_passed_sealed_test_begins_one_and_only_one_at_a_time(world):
    with pytest.raises(Refused, match="no verdict"):
        world.desk.begin(world.session, world.canary_of(world.judged("screen", "queued")))
    world.begun()
    with pytest.raises(Conflict, match="one runs at a time"):
        world.desk.begin(world.session, world.canary_of(world.judged(inventory_skew=0.6)))


def test_a_base_that_was_replaced_begins_nothing(world):
    stale = world.canary_of(world.judged(inventory_skew=0.6))
    promoted = world.at("promoted")
    world.decide(promoted, "confirmed", 3, 1.0)
    with pytest.raises(Conflict, match="is in force"):
        world.desk.begin(world.session, stale)


def test_the_first_money_comes_after_the_engine_has_taken_it_from_the_incumbent(world):
    world.decide(world.begun(), "canary", 0, 0.1)
    assert [(each.instance_id, each.capital_share) for each in world.sent[1:]] == [(LIVE, 0.9)]
    assert world.answer() == [(LIVE, 0.9), (CANARY, 0.1)]
    assert world.runs("canary")[0]["spread_threshold"] == 50.0
    assert world.runs()[0]["spread_threshold"] == 60.0


def test_every_step_moves_capital_and_the_promotion_makes_the_candidate_live(world):
    promoted = world.at("promoted")
    assert [(each.instance_id, each.capital_share) for each in world.sent] == [
        (SHADOW, 1.0),
        (LIVE, 0.9),
        (CANARY, 0.1),
        (LIVE, 0.75),
        (CANARY, 0.25),
        (CANARY, 0.0),
        (SHADOW, 0.0),
        (LIVE, 1.0),
    ]
    assert world.runs()[0]["spread_threshold"] == 50.0 and world.runs("incumbent")[0]["spread_threshold"] == 60.0
    assert world.state(promoted) == "deployed"
    newest = deployments.for_proposal(world.session, promoted.proposal_id)[-1]
    assert (newest.instance_id, newest.state) == (LIVE, "active")


def test_a_confirmed_change_has_the_incumbent_follow_and_is_evidence(world):
    confirmed = world.decide(world.at("promoted"), "confirmed", 3, 1.0)
    assert world.answer() == [(INCUMBENT, 1.0)]
    assert world.runs("incumbent") == world.runs()
    assert canaries.all_open(world.session) == [] and confirmed.ended_on is not None
    facts = load_admission_facts(world.session, world.judged(inventory_skew=0.6), world.clock.now())
    assert facts.evidenced["spread_threshold"] == 50.0 and facts.canary_id == ""


def test_a_repeated_answer_sends_nothing_more(world):
    made = world.decide(world.begun(), "canary", 0, 0.1)
    world.answer()
    n_sent = len(world.sent)
    for update in list(world.sent):
        assert world.ack(update) == ""
        assert world.ack(update, applied=False) == ""
    assert (len(world.sent), world.stored(made), world.runs()[1]) == (n_sent, made, 0.9)


def test_a_refused_order_stops_the_move_and_is_sent_again_by_the_next_decision(world):
    made = world.decide(world.begun(), "canary", 0, 0.1)
    world.n_answered += 1
    assert "did not take version 2" in world.ack(world.sent[-1], applied=False)
    assert (len(world.sent), world.runs()[1], world.runs("canary")[1]) == (2, 1.0, 0.0)
    world.decide(made, "canary", 0, 0.1)
    assert world.answer() == [(LIVE, 0.9), (CANARY, 0.1)]


def test_a_day_decides_once_and_what_moved_on_meanwhile_is_left_alone(world):
    begun = world.begun()
    moved = world.decide(begun, "canary", 0, 0.1)
    again = world.decision(moved, "canary", 1, 0.25)
    assert world.desk.save(world.session, moved, (), again) is None
    world.clock.advance_to(world.clock.now() + timedelta(days=1))
    assert world.desk.save(world.session, begun, (), world.decision(begun, "canary", 1, 0.25)) is None
    assert world.stored(begun) == moved and len(canaries.decisions(world.session, begun.canary_id)) == 1


def test_a_canary_that_is_taken_back_gives_its_money_back_first(world):
    made = world.at("canary")
    n = len(world.sent)
    taken = world.decide(made, "rolled_back", 1, 0.0, reason="boundary: t = -2.0")
    assert world.answer() == [(CANARY, 0.0), (SHADOW, 0.0), (LIVE, 1.0)]
    assert world.runs()[0] == world.base.params and len(world.sent) == n + 3
    assert (world.state(made), taken.reason) == ("rolled_back", "boundary: t = -2.0")
    assert ledger.rows(world.session, "canary")[-1].proposal_id == made.proposal_id


def test_a_promoted_change_that_is_taken_back_is_replaced_by_the_old_parameters(world):
    made = world.at("promoted")
    world.decide(made, "rolled_back", 3, 0.0)
    assert world.answer() == [(LIVE, 1.0)]
    assert world.runs()[0] == world.base.params == world.runs("incumbent")[0]
    promotion = next(
        each for each in deployments.for_proposal(world.session, made.proposal_id) if each.instance_id == LIVE
    )
    assert (world.state(made), promotion.state) == ("rolled_back", "rolled_back")
    facts = load_admission_facts(world.session, world.judged(inventory_skew=0.6), world.clock.now())
    assert facts.evidenced == world.base.params


def test_a_person_takes_back_what_is_open_and_nothing_else(world):
    made = world.at("canary")
    ended = world.desk.stop(world.session, made.canary_id, "kim", "holidays")
    world.answer()
    assert (ended.stage, ended.reason, world.runs()[1]) == ("rolled_back", "kim: holidays", 1.0)
    assert audit.latest(world.session, 9, made.canary_id)[0].actor == "kim"
    with pytest.raises(Conflict, match="rolled_back"):
        world.desk.stop(world.session, made.canary_id, "kim", "again")


def test_a_narrowing_of_the_live_instance_goes_ahead_and_stops_the_canary(world):
    made = world.at("canary")
    proposal = world.judged("admission", "narrowed", order_size=4.0)
    world.rollout.deploy(world.session, proposal, narrowing_of(world, proposal))
    assert world.sent[-1].capital_share == 0.75
    world.answer()
    stopped = world.stored(made)
    assert (stopped.stage, world.state(made)) == ("stopped", "expired") and "other parameters" in stopped.reason
    assert world.runs() == ({**world.base.params, "order_size": 4.0}, 1.0)
    assert world.runs("incumbent") == world.runs() and world.runs("canary")[1] == 0.0


def narrowing_of(world, proposal):
    return verdicts.for_proposal(world.session, proposal.proposal_id)[-1]


def test_without_a_canary_the_incumbent_follows_every_change_of_the_live_instance(world):
    proposal = world.judged("admission", "narrowed", order_size=4.0)
    world.rollout.deploy(world.session, proposal, narrowing_of(world, proposal))
    assert world.answer() == [(LIVE, 1.0), (INCUMBENT, 1.0)]


def test_rolling_back_the_promotion_by_its_deployment_ends_the_canary(world):
    made = world.at("promoted")
    world.rollout.rollback(world.session, made.proposal_id, "kim", "losing")
    world.answer()
    assert (world.stored(made).stage, world.state(made)) == ("rolled_back", "rolled_back")
    assert world.runs() == (world.base.params, 1.0)


def test_a_change_from_before_can_be_rolled_back_while_a_canary_has_taken_a_share(world):
    earlier = world.at("promoted", inventory_skew=0.6)
    world.decide(earlier, "confirmed", 3, 1.0)
    world.answer()
    made = world.at("canary", **BETTER)
    world.rollout.rollback(world.session, earlier.proposal_id, "kim", "losing")
    world.answer()
    assert world.runs() == (world.base.params, 1.0)
    assert (world.state(earlier), world.stored(made).stage) == ("rolled_back", "stopped")


def test_the_first_money_waits_for_a_person_where_the_settings_or_a_hold_ask_for_one(careful_world):
    world = careful_world
    begun = world.begun()
    proposal = proposals.get(world.session, begun.proposal_id)
    assert not world.desk.is_approved(world.session, proposal)
    asked = world.decide(begun, "shadow", -1, 0.0, asks=True)
    world.decide(asked, "shadow", -1, 0.0, asks=True)
    [waiting] = deployments.in_state(world.session, "awaiting_approval")
    assert (waiting.instance_id, waiting.capital_share, world.answer()) == (CANARY, 0.0, [])
    world.rollout.approve(world.session, waiting.deployment_id, "kim")
    assert world.answer() == [(CANARY, 0.0)]
    assert world.desk.is_approved(world.session, proposal) and world.state(begun) == "accepted"
    world.decide(world.stored(begun), "canary", 0, 0.1)
    assert world.answer() == [(LIVE, 0.9), (CANARY, 0.1)]


def test_a_hold_asks_for_a_person_and_an_open_canary_is_known_to_admission(world):
    held = world.judged(hold=True)
    assert not world.desk.is_approved(world.session, held)
    assert world.desk.is_approved(world.session, replace(held, hold=False))
    begun = world.desk.begin(world.session, world.canary_of(held))
    other = make_proposal(world.base, world.clock.now(), inventory_skew=0.6)
    assert load_admission_facts(world.session, other, world.clock.now()).canary_id == begun.canary_id


@pytest.mark.parametrize("place", ["canary", "promoted"])
def test_an_end_that_reaches_the_engine_too_late_is_sent_again_when_it_answers(world, place):
    made = world.at(place)
    world.desk.stop(world.session, made.canary_id, "kim", "losing")
    late = world.sent[world.n_answered :]
    world.n_answered = len(world.sent)
    world.clock.advance_to(world.clock.now() + timedelta(hours=2))
    for order in late:
        assert "did not take" in world.ack(order, applied=False)
    world.answer()
    assert (world.runs(), world.runs("canary")[1]) == ((world.base.params, 1.0), 0.0)


@pytest.mark.parametrize("place", ["canary", "promoted"])
def test_an_end_that_the_engine_refuses_is_sent_again_the_next_day_and_not_before(world, place):
    made = world.at(place)
    world.desk.stop(world.session, made.canary_id, "kim", "losing")
    late = world.sent[world.n_answered :]
    n_sent = world.n_answered = len(world.sent)
    for order in late:
        world.ack(order, applied=False)
    assert len(world.sent) == n_sent
    world.desk.settle_what_is_over(world.session, [LIVE])
    world.answer()
    assert (world.runs(), world.runs("canary")[1]) == ((world.base.params, 1.0), 0.0)
    assert world.desk.settle_what_is_over(world.session, [LIVE]) == []


def test_an_end_does_not_wait_for_ever_behind_an_order_that_the_engine_refused(world):
    made = world.decide(world.at("canary"), "canary", 2, 0.5)
    waiting = world.sent[-1]
    world.desk.stop(world.session, made.canary_id, "kim", "losing")
    assert [each.instance_id for each in world.sent[world.n_answered :]] == [LIVE, SHADOW]
    world.n_answered += 1
    world.ack(waiting, applied=False)
    assert world.answer() == [(SHADOW, 0.0), (CANARY, 0.0), (LIVE, 1.0)]


def test_an_approval_outlives_an_engine_that_was_away(careful_world):
    world = careful_world
    asked = world.decide(world.begun(), "shadow", -1, 0.0, asks=True)
    [waiting] = deployments.in_state(world.session, "awaiting_approval")
    world.rollout.approve(world.session, waiting.deployment_id, "kim")
    world.n_answered += 1
    assert "did not take" in world.ack(world.sent[-1], applied=False)
    assert world.desk.is_approved(world.session, proposals.get(world.session, asked.proposal_id))
    world.decide(asked, "canary", 0, 0.1)
    assert world.answer() == [(LIVE, 0.9), (CANARY, 0.1)]
    assert world.runs("canary")[0]["spread_threshold"] == 50.0


@pytest.mark.parametrize("ends", ["guard", "person"])
def test_nobody_is_asked_for_the_first_money_of_a_canary_that_is_over(careful_world, ends):
    world = careful_world
    asked = world.decide(world.begun(), "shadow", -1, 0.0, asks=True)
    [waiting] = deployments.in_state(world.session, "awaiting_approval")
    if ends == "guard":
        world.decide(asked, "rolled_back", -1, 0.0)
    else:
        world.desk.stop(world.session, asked.canary_id, "kim", "holidays")
    assert deployments.in_state(world.session, "awaiting_approval") == []
    with pytest.raises(Conflict, match="it is rejected"):
        world.rollout.approve(world.session, waiting.deployment_id, "kim")
