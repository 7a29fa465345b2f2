"""Every registered proposal is followed over the days lived after it, by the real engine, once, and never before."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, update

from core.native import generate
from core.store import aftermaths, backtests, ledger, proposals, tables
from market.synthetic import demo_market
from strategies.gate.aftermath import DAILY_LIMIT, save_aftermaths
from strategies.gate.honesty import OVERDUE_AFTER, find_fault
from tests.gate_world import initial_version, make_gate, make_proposal

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
"""The test clock's start, at noon in Korea."""
LIVED_FROM = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def market():
    return generate(demo_market(1, (START - timedelta(days=560)).replace(hour=0), 600, n_symbols=1))


class World:
    """A gate over 560 days of history and 40 days to live."""

    def __init__(self, store, clock, bars, **settings):
        self.store, self.clock = store, clock
        self.gate = make_gate(store, clock, bars, sealed_days=365, **settings)
        with store.session() as session:
            self.base = initial_version(session, clock.now())
            self.split = self.gate.split_history(session, clock.now())

    def registered(self, state=None, source="rule", **edits):
        proposal = replace(make_proposal(self.base, self.clock.now(), **edits), source=source)
        verdict = self.gate.admit(proposal)
        with self.store.session() as session:
            self.gate.save_admission(session, proposal, verdict)
            return proposals.set_state(session, proposal.proposal_id, state) if state else proposal

    def live(self, days):
        self.clock.advance_to(LIVED_FROM + timedelta(days=days))
        judged = self.gate.judge_aftermaths()
        with self.store.session() as session:
            save_aftermaths(session, judged)
        return [each.aftermath for each in judged]

    def rows(self, kind=None):
        with self.store.session() as session:
            return ledger.rows(session, kind)

    def fault(self):
        with self.store.session() as session:
            return find_fault(session, self.clock.now())


@pytest.fixture
def world(store, clock, market):
    return World(store, clock, market)


def test_a_proposal_is_followed_after_seven_and_thirty_days_once_each(world):
    proposal = world.registered(spread_threshold=45.0)
    assert world.live(6.99) == []
    [week] = world.live(7)
    assert (week.horizon_days, week.start_at, week.n_days) == (7, LIVED_FROM, 7)
    assert world.live(8) == world.live(29) == []
    [month] = world.live(30)
    assert (month.horizon_days, month.n_days) == (30, 30)
    assert month.outcome in ("better", "worse") and month.n_changed_trades > 30
    assert (month.mean_usd > 0) == (month.outcome == "better") == month.is_better
    assert world.live(35) == []
    with world.store.session() as session:
        assert aftermaths.for_proposal(session, proposal.proposal_id) == [week, month]
        runs = backtests.for_proposal(session, proposal.proposal_id)
    assert sorted((run.window, run.role, run.n_days) for run in runs) == [
        ("lived", "candidate", 7), ("lived", "candidate", 30), ("lived", "incumbent", 7), ("lived", "incumbent", 30),
    ]  # fmt: skip
    assert len(world.rows("backtest")) == 4 and len(world.rows("aftermath")) == 2
    assert world.fault() == ""


def test_whatever_became_of_a_proposal_it_is_followed_and_what_was_never_registered_is_not(world):
    states = ("refused", "inconclusive", "expired", "deployed", "rolled_back", "queued")
    followed = {world.registered(state, spread_threshold=45.0 + n).proposal_id for n, state in enumerate(states)}
    followed.add(world.registered("inconclusive", "placebo_random", inventory_skew=0.6).proposal_id)
    followed.add(world.registered(order_size=4.0).proposal_id)
    never = world.registered(spread_threshold=1.0)
    found = world.live(7)
    assert {each.proposal_id for each in found} == followed and never.proposal_id not in followed
    assert {each.source for each in found} == {"rule", "placebo_random"}


def test_a_repeat_and_a_crash_before_the_commit_have_no_second_effect(world):
    world.registered(spread_threshold=45.0)
    world.clock.advance_to(LIVED_FROM + timedelta(days=7))
    judged = world.gate.judge_aftermaths()
    before = world.rows()
    with pytest.raises(RuntimeError), world.store.session() as session:
        save_aftermaths(session, judged)
        raise RuntimeError("killed")
    assert world.rows() == before
    world.clock.advance_to(LIVED_FROM + timedelta(days=7, minutes=5))
    for again in (judged, world.gate.judge_aftermaths(), judged):
        with world.store.session() as session:
            save_aftermaths(session, again)
    assert len(world.rows()) == len(before) + 3
    assert world.gate.judge_aftermaths() == ()


def test_no_sealed_bar_is_ever_loaded_and_no_day_before_the_first_start_is_judged(world):
    asked = []

    class Spy:
        def __getattr__(self, name):
            return getattr(world.gate.archive, name)

        def load(self, symbols, start_at, end_at):
            asked.append(start_at)
            return world.gate.archive.load(symbols, start_at, end_at)

    world.registered(spread_threshold=45.0)
    world.clock.advance_to(LIVED_FROM + timedelta(days=30))
    spied = replace(world.gate, archive=Spy())
    assert len(spied.judge_aftermaths()) == 2
    assert min(asked) >= world.split.seen_start_at > world.split.sealed_end_at
    with world.store.session() as session:
        ledger.append(
            session, world.clock.now(), "split", "", None,
            {**split_payload(session), "first_start_at": LIVED_FROM + timedelta(days=1)},
        )  # fmt: skip
    [week, _] = [each.aftermath for each in world.gate.judge_aftermaths()]
    assert week.outcome == "not_comparable" and "before the first start" in week.reason


def split_payload(session):
    return json.loads(ledger.last(session, "split").payload)


def test_without_a_split_or_with_a_broken_ledger_nothing_is_judged(store, clock, market):
    world = World(store, clock, market)
    world.registered(spread_threshold=45.0)
    world.clock.advance_to(LIVED_FROM + timedelta(days=7))
    with store.session() as session:
        session.execute(update(tables.ledger).where(tables.ledger.c.n == 2).values(payload="{}"))
    assert world.gate.judge_aftermaths() == ()
    with store.session() as session:
        session.execute(delete(tables.ledger))
    assert world.gate.judge_aftermaths() == ()


def test_a_day_has_bounded_work_and_the_oldest_come_first(world):
    gone = replace(world.gate, capital={})
    for n in range(DAILY_LIMIT + 3):
        proposal = replace(make_proposal(world.base, world.clock.now(), spread_threshold=50.0), proposal_id=f"p-{n:03}")
        with world.store.session() as session:
            proposals.add(session, proposal)
            payload = {"content_sha256": proposals.content_sha256(proposal), "source": "rule"}
            ledger.append(session, START, "preregistration", "market_making", proposal.proposal_id, payload)
    world.clock.advance_to(LIVED_FROM + timedelta(days=7))
    first = gone.judge_aftermaths()
    assert [each.aftermath.proposal_id for each in first] == [f"p-{n:03}" for n in range(DAILY_LIMIT)]
    assert {each.aftermath.reason for each in first} == {"there is no instance mm-1"}
    with world.store.session() as session:
        save_aftermaths(session, first)
    assert len(gone.judge_aftermaths()) == 3


def test_a_changed_a_deleted_and_a_withheld_aftermath_are_found(world):
    world.registered(spread_threshold=45.0)
    [value] = world.live(7)
    with world.store.session() as session:
        flattered = replace(value, mean_usd=1e6, outcome="better")
        session.execute(update(tables.aftermath).values(detail=flattered))
    assert "is not the one on the ledger" in world.fault()
    with world.store.session() as session:
        session.execute(delete(tables.aftermath))
    assert "its row is gone" in world.fault()


def test_what_was_never_followed_is_overdue_and_said_so(world):
    world.registered(spread_threshold=45.0)
    world.clock.advance_to(LIVED_FROM + timedelta(days=7) + OVERDUE_AFTER - timedelta(seconds=1))
    assert world.fault() == ""
    world.clock.advance_to(LIVED_FROM + timedelta(days=7) + OVERDUE_AFTER)
    assert world.fault() == "1 aftermaths are overdue"
