"""Placebos measure the gate: tested on sealed days, outside the budget, telling nobody anything, deployed never."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import Conflict, Refused
from core.model.proposal import PLACEBO, Check, Verdict
from core.native import generate
from core.settings import Settings
from core.store import deployments, ledger, param_versions, proposals, verdicts
from feedback.cycles.daily import deploy_narrowed
from feedback.memory import refuted_edits
from market.synthetic import demo_market
from strategies.gate.records import Judgement, verdict_id
from strategies.gate.screen import STATISTIC
from strategies.rollout import CanaryDesk, Rollout
from tests.canaries import canary
from tests.gate_world import initial_version, make_gate, make_proposal

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
"""The test clock's start."""


@pytest.fixture(scope="module")
def market():
    return generate(demo_market(1, (START - timedelta(days=560)).replace(hour=0), 560, n_symbols=1))


class World:
    """A gate, a rollout, and proposals of any source put where a test wants them."""

    def __init__(self, store, clock, bars):
        self.store, self.clock, self.sent = store, clock, []
        self.gate = make_gate(store, clock, bars, sealed_days=365)
        self.rollout = Rollout(clock, Settings(), lambda session, message: self.sent.append(message) or 1)
        with store.session() as session:
            self.base = initial_version(session, clock.now())
            self.gate.split_history(session, clock.now())

    def propose(self, source=PLACEBO, **edits):
        return replace(make_proposal(self.base, self.clock.now(), **edits), source=source)

    def in_state(self, state, source=PLACEBO, statistic=None, **edits):
        proposal = self.propose(source, **edits)
        verdict = self.gate.admit(proposal)
        assert verdict.outcome == "accepted", verdict.deciding
        with self.store.session() as session:
            self.gate.save_admission(session, proposal, verdict)
            if statistic is not None:
                verdicts.add(session, self.screened(proposal, statistic))
            return proposals.set_state(session, proposal.proposal_id, state)

    def screened(self, proposal, statistic):
        check = Check(STATISTIC, True, statistic, None, "", veto=False)
        return replace(self.verdict(proposal, "screen", "queued"), checks=(check,))

    def verdict(self, proposal, stage, outcome):
        name = verdict_id(proposal.proposal_id, stage)
        return Verdict(name, proposal.proposal_id, stage, outcome, "p", (), (), (), (), (), 1, self.clock.now())

    def tested(self, proposal):
        test = self.gate.judge_placebo(proposal)
        with self.store.session() as session:
            self.gate.save_placebo(session, proposal, test)
        return test

    def rows(self, kind=None):
        with self.store.session() as session:
            return ledger.rows(session, kind)

    def state(self, proposal):
        with self.store.session() as session:
            return proposals.get(session, proposal.proposal_id).state

    def budget(self):
        with self.store.session() as session:
            return self.gate.budget(session)


@pytest.fixture
def world(store, clock, market):
    return World(store, clock, market)


def test_a_placebo_is_tested_on_sealed_days_spends_nothing_and_ends_undecided(world):
    placebo = world.in_state("queued", spread_threshold=45.0)
    before = world.budget()
    test = world.tested(placebo)
    assert test.n_days == 365 and 0 <= test.p_value <= 1
    assert world.budget() == before and world.rows("sealed_test") == world.rows("promotion") == []
    [row] = world.rows("placebo_test")
    assert json.loads(row.payload) == {"n_days": 365, "p_value": test.p_value, "refusal": ""}
    assert {run.window for run in test.backtests} == {"sealed"} and len(world.rows("backtest")) == 2
    assert world.state(placebo) == "inconclusive"
    with world.store.session() as session:
        assert str(test.p_value) not in str(verdicts.for_proposal(session, placebo.proposal_id))


def test_saving_a_placebo_test_again_has_no_effect(world):
    placebo = world.in_state("queued", spread_threshold=45.0)
    test = world.tested(placebo)
    before = world.rows()
    with world.store.session() as session:
        world.gate.save_placebo(session, placebo, test)
    assert world.rows() == before
    with pytest.raises(Conflict, match="inconclusive"):
        world.gate.judge_placebo(placebo)


def test_only_placebos_are_tested_outside_the_budget(world):
    real = world.in_state("queued", "tpe", spread_threshold=45.0)
    with pytest.raises(Refused, match="no placebo"):
        world.gate.judge_placebo(real)
    with pytest.raises(Refused, match="no placebo"):
        world.gate.judge_placebo(replace(real, source=PLACEBO))


def test_a_placebo_is_never_the_champion_and_never_spends_a_sealed_test(world):
    placebo = world.in_state("queued", statistic=99.0, inventory_skew=0.6)
    with world.store.session() as session:
        assert world.gate.champion(session) is None
    real = world.in_state("queued", "rule", statistic=0.1, spread_threshold=45.0)
    with world.store.session() as session:
        assert world.gate.champion(session).proposal_id == real.proposal_id
    for asked in (placebo, replace(placebo, source="rule")):
        with pytest.raises(Refused, match="is a placebo"):
            world.gate.judge_sealed(asked)
    forged = Judgement(world.verdict(placebo, "sealed", "accepted"), (), world.budget())
    with pytest.raises(Refused, match="is a placebo"), world.store.session() as session:
        world.gate.save_sealed(session, replace(placebo, source="rule"), forged)
    assert world.state(placebo) == "queued" and world.rows("promotion") == []


@pytest.mark.parametrize(("stage", "outcome"), [("sealed", "accepted"), ("admission", "narrowed")])
@pytest.mark.parametrize("told", [PLACEBO, "rule"])
def test_no_verdict_and_no_relabelling_gets_a_placebo_deployed(world, stage, outcome, told):
    placebo = world.in_state("queued", spread_threshold=45.0)
    verdict = world.verdict(placebo, stage, outcome)
    with world.store.session() as session:
        if stage == "sealed":
            verdicts.add(session, verdict)
        proposals.set_state(session, placebo.proposal_id, outcome)
    for attempt in (
        lambda session: world.rollout.deploy(session, replace(placebo, source=told), verdict),
        lambda session: deploy_narrowed(session, world.rollout),
        lambda session: CanaryDesk(world.clock, world.rollout).begin(session, canary(proposal_id=placebo.proposal_id)),
    ):
        with world.store.session() as session:
            try:
                attempt(session)
            except Refused as error:
                assert "is a placebo" in error.message
            assert deployments.for_proposal(session, placebo.proposal_id) == []
            assert param_versions.active(session, "mm-1").version == 1
    assert world.sent == []


def test_a_placebo_has_no_way_around_the_test_by_narrowing(world):
    assert world.gate.admit(world.propose("rule", order_size=4.0)).outcome == "narrowed"
    assert world.gate.admit(world.propose(order_size=4.0)).outcome == "accepted"


def test_nobody_waits_behind_a_placebo_and_it_waits_only_behind_its_like(world):
    world.in_state("queued", spread_threshold=45.0)
    assert world.gate.admit(world.propose("rule", inventory_skew=0.6)).outcome == "accepted"
    assert world.gate.admit(world.propose(inventory_skew=0.6)).deciding.startswith("one_at_a_time")
    world.in_state("queued", "rule", inventory_skew=0.6)
    with world.store.session() as session:
        [placebo] = [each for each in proposals.in_state(session, "queued") if each.is_placebo]
        proposals.set_state(session, placebo.proposal_id, "expired")
    assert world.gate.admit(world.propose(spread_threshold=50.0)).outcome == "accepted"


def test_what_became_of_a_placebo_refutes_nothing_and_reaches_no_memory(world):
    placebo = world.in_state("queued", spread_threshold=45.0)
    world.tested(placebo)
    world.clock.advance_to(START + timedelta(hours=1))
    assert world.gate.admit(world.propose("rule", spread_threshold=45.0)).outcome == "accepted"
    again = world.gate.admit(world.propose(spread_threshold=45.0))
    assert again.outcome == "refused" and "repeat" in again.deciding, "a placebo is drawn anew"
    with world.store.session() as session:
        assert refuted_edits(session) == ()
        proposals.set_state(session, placebo.proposal_id, "refused")
        assert refuted_edits(session) == ()


def test_the_one_that_waits_longest_is_next_and_not_the_best(world):
    first = world.in_state("queued", statistic=0.1, spread_threshold=45.0)
    with world.store.session() as session:
        proposals.set_state(session, first.proposal_id, "pending")
    world.clock.advance_to(START + timedelta(hours=1))
    with world.store.session() as session:
        other = replace(world.propose(inventory_skew=0.6), state="queued")
        proposals.add(session, other)
        verdicts.add(session, world.screened(other, 99.0))
        proposals.set_state(session, first.proposal_id, "queued")
        assert world.gate.next_placebo(session).proposal_id == first.proposal_id
        proposals.set_state(session, first.proposal_id, "inconclusive")
        assert world.gate.next_placebo(session).proposal_id == other.proposal_id
        proposals.set_state(session, other.proposal_id, "expired")
        assert world.gate.next_placebo(session) is None


def test_without_sealed_days_a_placebo_ends_without_a_p_value(store, clock):
    world = World(store, clock, None)
    test = world.tested(world.in_state("queued", spread_threshold=45.0))
    assert test.p_value is None and "0 sealed days are there" in test.refusal
    assert json.loads(world.rows("placebo_test")[0].payload)["p_value"] is None
