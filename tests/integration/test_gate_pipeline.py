"""The gate from proposal to sealed test, with the real engine, on a seeded market with a planted optimum."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import update

from core.clock import to_ns
from core.errors import Conflict, Refused
from core.native import generate
from core.settings_sections import CostSettings
from core.store import backtests, ledger, param_versions, proposals, tables, verdicts
from market.synthetic import demo_market
from strategies.gate import Gate
from strategies.gate.records import verdict_id
from strategies.gate.split import read_split
from tests.gate_world import INSTANCE, initial_version, make_gate, make_proposal

HISTORY_DAYS = 925
START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
"""The test clock's start."""


@pytest.fixture(scope="module")
def market():
    first = (START - timedelta(days=HISTORY_DAYS)).replace(hour=0)
    return generate(demo_market(1, first, HISTORY_DAYS, n_symbols=2))


@dataclass
class World:
    """A store, a gate, and the instance's first version."""

    store: object
    clock: object
    gate: Gate
    base: object

    def propose(self, **edits):
        return make_proposal(self.base, self.clock.now(), **edits)

    def admitted(self, **edits):
        proposal = self.propose(**edits)
        verdict = self.gate.admit(proposal)
        with self.store.session() as session:
            self.gate.save_admission(session, proposal, verdict)
        return proposal, verdict

    def screened(self, **edits):
        proposal, _ = self.admitted(**edits)
        judgement = self.gate.screen(proposal)
        with self.store.session() as session:
            self.gate.save_screen(session, proposal, judgement)
        return proposal, judgement

    def queued(self, **edits):
        """A proposal that waits for its sealed test, without the backtests of a screen."""
        proposal, _ = self.admitted(**edits)
        with self.store.session() as session:
            return proposals.set_state(session, proposal.proposal_id, "queued")

    def sealed(self, proposal):
        judgement = self.gate.judge_sealed(proposal)
        with self.store.session() as session:
            self.gate.save_sealed(session, proposal, judgement)
        return judgement

    def state(self, proposal):
        with self.store.session() as session:
            return proposals.get(session, proposal.proposal_id).state

    def rows(self, kind=None):
        with self.store.session() as session:
            return ledger.rows(session, kind)

    def budget(self):
        with self.store.session() as session:
            return self.gate.budget(session)


def make_world(store, clock, bars, **settings):
    gate = make_gate(store, clock, bars, **settings)
    with store.session() as session:
        base = initial_version(session, clock.now())
        gate.split_history(session, clock.now())
    return World(store, clock, gate, base)


@pytest.fixture
def world(store, clock, market):
    return make_world(store, clock, market)


def test_an_improvement_is_screened_queued_tested_and_accepted(world):
    proposal, judgement = world.screened(spread_threshold=45.0)
    assert judgement.verdict.outcome == "queued", judgement.verdict.deciding
    assert len(judgement.verdict.folds) == 6
    assert len(judgement.verdict.equity_days) == len(judgement.verdict.equity_candidate) == 180
    with world.store.session() as session:
        champion = world.gate.champion(session)
    sealed = world.sealed(champion)
    assert (champion.proposal_id, world.state(proposal)) == (proposal.proposal_id, "accepted")
    assert "<= 0.0077 on 730 sealed days" in sealed.verdict.deciding
    assert (world.budget().tests_used, world.budget().promotions) == (1, 1)


def test_sealed_days_speak_only_for_what_the_ledger_saw_pass(world):
    passed = world.queued(spread_threshold=45.0)
    verdict = world.sealed(passed).verdict
    forged = world.queued(inventory_skew=0.6)
    with world.store.session() as session:
        named = verdict_id(forged.proposal_id, "sealed")
        verdicts.add(session, replace(verdict, verdict_id=named, proposal_id=forged.proposal_id))
    assert verdict.outcome == "accepted"
    assert len(world.gate.sealed_results(passed)) == 2
    assert "the ledger knows of no sealed test" in world.gate.sealed_results(forged)


def test_a_change_for_the_worse_is_refused_on_seen_days(world):
    proposal, judgement = world.screened(spread_threshold=75.0)
    assert judgement.verdict.outcome == "refused"
    assert world.state(proposal) == "refused"
    assert world.budget().tests_used == 0


def test_a_failed_sealed_test_spends_its_share_and_leaves_one_bit(world):
    proposal = world.queued(spread_threshold=75.0)
    judgement = world.sealed(proposal)
    assert (judgement.verdict.outcome, world.state(proposal)) == ("inconclusive", "inconclusive")
    assert (world.budget().tests_used, world.budget().promotions) == (1, 0)


def test_pre_registration_stands_on_the_ledger_before_any_backtest(world):
    proposal, _ = world.screened(spread_threshold=75.0)
    kinds = [row.kind for row in world.rows() if row.proposal_id == proposal.proposal_id]
    assert kinds[:2] == ["verdict", "preregistration"]
    assert set(kinds[2:-1]) == {"backtest"}
    with world.store.session() as session:
        assert len(backtests.for_proposal(session, proposal.proposal_id)) == kinds.count("backtest") == 4
        assert ledger.count_trials(session, "market_making") == 4
        assert ledger.verify(session) is None


def test_saving_a_second_time_has_no_effect(world):
    proposal, admission = world.admitted(spread_threshold=75.0)
    judgement = world.gate.screen(proposal)
    with world.store.session() as session:
        world.gate.save_screen(session, proposal, judgement)
    queued = world.queued(inventory_skew=0.6)
    sealed = world.sealed(queued)
    before = world.rows()
    with world.store.session() as session:
        world.gate.save_admission(session, proposal, admission)
        world.gate.save_screen(session, proposal, judgement)
        world.gate.save_sealed(session, queued, sealed)
    assert world.rows() == before


def test_a_crash_before_the_commit_leaves_nothing_and_the_repeat_decides_the_same(world):
    proposal, _ = world.admitted(spread_threshold=75.0)
    first = world.gate.screen(proposal)
    before = world.rows()
    with pytest.raises(RuntimeError), world.store.session() as session:
        world.gate.save_screen(session, proposal, first)
        raise RuntimeError("killed")
    assert world.rows() == before
    assert world.gate.screen(proposal) == first


def test_without_pre_registration_nothing_is_judged(world):
    proposal = replace(world.propose(spread_threshold=50.0), state="queued")
    with world.store.session() as session:
        proposals.add(session, proposal)
    for judgement in (world.gate.screen(proposal), world.gate.judge_sealed(proposal)):
        assert judgement.verdict.outcome == "refused"
        assert "no pre-registration" in judgement.verdict.deciding
        assert (judgement.backtests, judgement.budget) == ((), None)


def test_a_threshold_edited_without_a_ledger_row_stops_the_gate(world):
    proposal = world.queued(spread_threshold=50.0)
    looser = replace(world.gate, settings=world.gate.settings.model_copy(update={"alpha_quarter": 0.5}))
    cheaper = replace(world.gate, costs=CostSettings(taker_fee_bps=0.0))
    for gate in (looser, cheaper):
        judgement = gate.judge_sealed(proposal)
        assert judgement.verdict.outcome == "refused"
        assert "thresholds" in judgement.verdict.deciding
    with world.store.session() as session:
        looser.split_history(session, world.clock.now())
    assert len(world.rows("thresholds")) == 2


def test_sealed_bars_that_are_not_those_of_the_ledger_stop_the_sealed_test(world):
    proposal = world.queued(spread_threshold=50.0)
    with world.store.session() as session:
        sealed = read_split(session)
    other = replace(world.gate, archive=Dearer(world.gate.archive, sealed.sealed_start_at + timedelta(days=3)))
    judgement = other.judge_sealed(proposal)
    assert judgement.verdict.outcome == "refused"
    assert "are not those" in judgement.verdict.deciding and "BTCUSDT" in judgement.verdict.deciding
    assert world.gate.judge_sealed(proposal).verdict.outcome in ("accepted", "inconclusive")
    for _ in range(2):
        with world.store.session() as session:
            other.split_history(session, world.clock.now())
    assert len(world.rows("sealed_bars")) == 2
    assert other.judge_sealed(proposal).verdict.outcome in ("accepted", "inconclusive")


@dataclass(frozen=True)
class Dearer:
    """Bars whose highs of one symbol are a little higher on one day."""

    bars: object
    from_at: object

    def symbols(self):
        return self.bars.symbols()

    def span(self, symbols=None):
        return self.bars.span(symbols)

    def load(self, symbols, start_at, end_at):
        loaded = self.bars.load(symbols, start_at, end_at)
        day = (loaded.opened_at_ns >= to_ns(self.from_at)) & (
            loaded.opened_at_ns < to_ns(self.from_at + timedelta(days=1))
        )
        if "BTCUSDT" not in symbols:
            return loaded
        moved = day & (loaded.symbol == symbols.index("BTCUSDT"))
        return replace(loaded, high=np.where(moved, loaded.high + 1.0, loaded.high))


def test_a_ledger_that_was_tampered_with_stops_the_sealed_test(world):
    proposal = world.queued(spread_threshold=50.0)
    with world.store.session() as session:
        session.execute(update(tables.ledger).where(tables.ledger.c.n == 2).values(payload="{}"))
    with world.store.session() as session:
        assert ledger.verify(session).n == 2
    judgement = world.sealed(proposal)
    assert judgement.verdict.outcome == "refused"
    assert "row 2 was changed" in judgement.verdict.deciding
    assert world.budget().tests_used == 0


def test_the_last_test_of_the_quarter_leaves_the_queue_waiting(store, clock, market):
    world = make_world(store, clock, market, tests_per_quarter=1)
    world.sealed(world.queued(spread_threshold=75.0))
    waiting, judgement = world.screened(inventory_skew=0.6)
    if judgement.verdict.outcome != "queued":
        with store.session() as session:
            waiting = proposals.set_state(session, waiting.proposal_id, "queued")
    with store.session() as session:
        assert world.gate.champion(session) is None
    with pytest.raises(Refused, match="no sealed test is left in 2026Q1"):
        world.gate.judge_sealed(waiting)
    assert world.state(waiting) == "queued"


def test_two_tests_cannot_be_spent_from_the_same_share(world):
    both = [world.propose(spread_threshold=75.0), world.propose(inventory_skew=0.6)]
    admissions = [world.gate.admit(proposal) for proposal in both]
    with world.store.session() as session:
        for proposal, admission in zip(both, admissions, strict=True):
            world.gate.save_admission(session, proposal, admission)
            proposals.set_state(session, proposal.proposal_id, "queued")
    first, second = (world.gate.judge_sealed(proposal) for proposal in both)
    with world.store.session() as session:
        world.gate.save_sealed(session, both[0], first)
    with pytest.raises(Conflict, match="budget"), world.store.session() as session:
        world.gate.save_sealed(session, both[1], second)
    assert world.budget().tests_used == 1


def test_without_history_screen_and_sealed_test_are_inconclusive_and_say_so(store, clock):
    world = make_world(store, clock, None)
    proposal, judgement = world.screened(spread_threshold=50.0)
    assert (judgement.verdict.outcome, world.state(proposal)) == ("inconclusive", "inconclusive")
    assert "0 seen days" in judgement.verdict.deciding
    sealed = world.sealed(world.queued(inventory_skew=0.6))
    assert "0 sealed days are there and 365 are needed" in sealed.verdict.deciding
    assert world.budget().tests_used == 0


def test_screens_never_load_a_bar_from_before_the_embargo_ends_and_sealed_tests_none_after_it_begins(world):
    asked = []

    class Spy:
        def __getattr__(self, name):
            return getattr(world.gate.archive, name)

        def load(self, symbols, start_at, end_at):
            asked.append((start_at, end_at))
            return world.gate.archive.load(symbols, start_at, end_at)

    gate = replace(world.gate, archive=Spy())
    proposal = world.queued(spread_threshold=50.0)
    with world.store.session() as session:
        split = read_split(session)
    gate.screen(proposal)
    by_screen = list(asked)
    assert by_screen and all(start_at >= split.seen_start_at for start_at, _ in by_screen)
    gate.judge_sealed(proposal)
    by_sealed = asked[len(by_screen) :]
    assert by_sealed and all(end_at <= split.sealed_end_at for _, end_at in by_sealed)
    assert split.sealed_end_at == split.seen_start_at - timedelta(days=5)


def test_of_two_proposals_of_one_analysis_for_one_instance_the_first_is_admitted(world):
    one, two = world.propose(spread_threshold=50.0), world.propose(inventory_skew=0.6)
    with world.store.session() as session:
        proposals.add(session, one)
        proposals.add(session, two)
    outcomes = sorted(world.gate.admit(each).outcome for each in (one, two))
    assert outcomes == ["accepted", "refused"]


def test_a_refuted_change_is_refused_naming_the_earlier_one_and_an_untested_one_is_not(world):
    refuted, _ = world.screened(spread_threshold=75.0)
    world.clock.advance_to(START + timedelta(days=10))
    again = world.gate.admit(world.propose(spread_threshold=75.0))
    assert (again.outcome, refuted.proposal_id in again.deciding) == ("refused", True)
    _, verdict = world.admitted(spread_threshold=30.0)
    assert verdict.outcome == "refused"
    assert "repeat" not in world.gate.admit(world.propose(spread_threshold=30.0)).deciding


def test_a_tested_parameter_cools_down(world):
    world.sealed(world.queued(spread_threshold=75.0))
    assert world.gate.admit(world.propose(spread_threshold=50.0)).deciding.startswith("cooldown")
    world.clock.advance_to(START + timedelta(days=3))
    assert world.gate.admit(world.propose(spread_threshold=50.0)).outcome == "accepted"


def test_old_and_outdated_proposals_expire(world):
    old = world.queued(spread_threshold=50.0)
    world.clock.advance_to(START + timedelta(days=28, seconds=1))
    with world.store.session() as session:
        assert world.gate.champion(session) is None
        assert [each.proposal_id for each in world.gate.expire(session)] == [old.proposal_id]
    fresh = world.queued(inventory_skew=0.6)
    with world.store.session() as session:
        newer = replace(world.base, version=2, sha256="0" * 64, origin="other", active=False)
        param_versions.add(session, newer)
        param_versions.activate(session, INSTANCE, 2)
        assert [each.proposal_id for each in world.gate.expire(session)] == [fresh.proposal_id]


def test_a_narrowing_is_registered_and_needs_no_test(world):
    proposal, verdict = world.admitted(order_size=4.0)
    assert (verdict.outcome, world.state(proposal)) == ("narrowed", "narrowed")
    assert len(world.rows("preregistration")) == 1


def test_an_out_of_range_value_is_refused_counted_and_not_registered(world):
    proposal, verdict = world.admitted(spread_threshold=1.0)
    assert (verdict.outcome, world.state(proposal)) == ("refused", "refused")
    assert "bounds" in json.loads(world.rows("verdict")[-1].payload)["failed"]
    assert world.rows("preregistration") == []


def test_only_a_queued_proposal_goes_to_the_sealed_test(world):
    proposal, _ = world.admitted(spread_threshold=50.0)
    with pytest.raises(Conflict, match="pending"):
        world.gate.judge_sealed(proposal)


def test_both_databases_keep_what_the_gate_writes(any_store, clock, market):
    world = make_world(any_store, clock, market)
    proposal, judgement = world.screened(spread_threshold=75.0)
    with any_store.session() as session:
        stored = verdicts.for_proposal(session, proposal.proposal_id)
        assert judgement.verdict in stored
        assert {verdict.stage for verdict in stored} == {"admission", "screen"}
        assert ledger.verify(session) is None


def test_an_instance_that_the_settings_no_longer_run_is_refused_and_its_queue_expires(world):
    queued = world.queued(spread_threshold=50.0)
    without = replace(world.gate, capital={})
    assert without.admit(world.propose(inventory_skew=0.6)).deciding.startswith("instance")
    with world.store.session() as session:
        assert without.champion(session) is None
        assert [each.proposal_id for each in without.expire(session)] == [queued.proposal_id]
