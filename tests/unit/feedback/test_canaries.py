"""Canaries in the cycles: begun by the weekly one, advanced by the daily one, taken back by the monitor at once."""

import json
import math
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import pytest

from core.clock import kst_day, kst_day_bounds
from core.settings_sections import GateSettings
from core.store import Session, alerts, canaries, ledger, notifications
from feedback.alerts import AlertDesk
from feedback.cycles.canaries import CanaryRoom
from tests.canary_world import CAPITAL_USD, HOUR, LIVE, MarkedWorld
from tests.difference_world import differences

GATE = GateSettings(shadow_days=3, canary_shares=(0.5, 1.0), canary_step_days=(2, 2), canary_max_days=20, watch_days=3)
SEALED = 1e4 * differences(np.random.default_rng(1), 1, 730, 8.0)[0]
INCUMBENT = 20.0 * np.random.default_rng(2).standard_normal(730)


@dataclass
class SealedDays:
    """The gate, as far as canaries ask it."""

    found: object = (INCUMBENT + SEALED, INCUMBENT)
    programs: dict[str, str] = None

    def sealed_results(self, proposal):
        return self.found


class Replay:
    """Plays every shadow as it was, or finds it to be another one."""

    fault = ""

    def checked(self, canary, day):
        return replace(day, fault=self.fault) if self.fault and not day.fault else day


class RoomWorld(MarkedWorld):
    """A world with the room of canaries, driven by days. Its transaction is ended wherever the room opens its own."""

    def __init__(self, clock, store, session):
        super().__init__(clock, session)
        self.gate, self.replay, self.over, self.saved = SealedDays(programs={}), Replay(), {}, []
        self.room = CanaryRoom(
            store, clock, GATE, self.gate, self.desk, AlertDesk(clock, 0, "en"), {LIVE: CAPITAL_USD}, self.replay
        )

    def begin(self, **edits):
        """Plan and begin what was accepted; returns the newest canary, or None."""
        self.judged(**edits)
        self.session.commit()
        self.room.save_plans(self.session, self.room.plan())
        self.answer()
        return self.newest

    def live(self, **made_usd):
        """Live through a KST day with these results at the slots, then run the daily step; returns the canary."""
        on = self.today
        for slot, usd in made_usd.items():
            self.mark("" if slot == "live" else slot, usd, **self.over.get(slot, {}))
        self.clock.advance_to(kst_day_bounds(on)[1] + timedelta(minutes=5))
        self.saved = self.advance(on)
        self.answer()
        return self.newest

    def advance(self, on):
        self.session.commit()
        judged = self.room.judge(on)
        saved = json.loads(self.room.save(self.session, judged))
        self.session.commit()
        return saved

    @property
    def today(self):
        """The day that has just begun, or the first one that begins after now."""
        on = kst_day(self.clock.now())
        return on if self.clock.now() - kst_day_bounds(on)[0] < HOUR else on + timedelta(days=1)

    @property
    def newest(self):
        return next(iter(canaries.latest(self.session, 1)), None)

    def told(self, word):
        return [each.text for each in notifications.latest(self.session, 99) if word in each.text]


@pytest.fixture
def world(store, clock):
    clock.advance_to(kst_day_bounds(kst_day(clock.now()))[1] - HOUR)
    with Session(store.engine, expire_on_commit=False) as session:
        yield RoomWorld(clock, store, session)


GOOD = {"shadow": 12, "canary": 6, "live": 10, "incumbent": 5}


def slots(*names, **changed):
    return {name: changed.get(name, GOOD[name]) for name in names}


def test_what_passed_begins_with_schedule_promise_and_terms_from_its_own_sealed_days(world):
    begun = world.begin()
    assert (begun.stage, begun.share, begun.started_on) == ("shadow", 0.0, kst_day(world.clock.now()))
    assert begun.promise.n_days == 730 and begun.promise.annual_ir > 4
    assert begun.terms.loss_budget_usd == pytest.approx(3 * begun.promise.sd_usd * math.sqrt(30))
    assert [step.share for step in begun.schedule.steps] == [0.5, 1.0]
    world.session.commit()
    assert world.room.plan() == ()


def test_what_tells_too_little_waits_and_people_are_told_why(world):
    world.gate.found = "the history was never split"
    assert world.begin() is None
    assert "cannot begin: the history was never split" in world.told("cannot begin")[0]
    world.gate.found = (INCUMBENT, INCUMBENT)
    world.session.commit()
    assert "multiple of it" in world.room.plan()[0].reason
    world.gate.found = SealedDays().found
    [planned] = world.room.plan()
    assert planned.canary is not None


def test_a_change_goes_from_the_shadow_to_confirmed_one_decision_a_day(world):
    world.begin()
    places = []
    for _ in range(9):
        made = world.live(**slots("shadow", "canary", "live", "incumbent", canary=12 * world.newest.share))
        places.append((made.stage, made.share))
    assert places[:8] == [
        ("shadow", 0.0),
        ("shadow", 0.0),
        ("canary", 0.5),
        ("canary", 0.5),
        ("promoted", 1.0),
        ("promoted", 1.0),
        ("promoted", 1.0),
        ("confirmed", 1.0),
    ]
    assert world.runs()[0]["spread_threshold"] == 50.0 == world.runs("incumbent")[0]["spread_threshold"]
    assert world.saved == [] and len(world.told("moved on")) == 4


def test_the_same_day_decides_once_however_often_it_is_asked(world):
    world.begin()
    world.live(**slots("shadow", "incumbent", "live"))
    on, n_rows = kst_day(world.clock.now()) - timedelta(days=1), len(ledger.rows(world.session))
    before = world.newest
    assert world.advance(on) == []
    assert (world.newest, len(ledger.rows(world.session))) == (before, n_rows)


def test_a_gap_holds_with_an_alert_that_ends_with_the_next_sound_day(world):
    world.begin()
    world.live(**slots("shadow", "incumbent", "live"))
    world.live(**slots("shadow", "incumbent", "live"))
    world.over = {"shadow": {"left_out": (4,)}}
    held = world.live(**slots("shadow", "incumbent", "live"))
    assert held.stage == "shadow" and "have a gap" in held.reason
    [alert] = alerts.open(world.session)
    assert (alert.kind, alert.subject) == ("canary_held", LIVE)
    world.over = {}
    assert world.live(**slots("shadow", "incumbent", "live")).stage == "canary"
    assert alerts.open(world.session) == []


def test_a_shadow_that_no_backtest_repeats_never_advances(world):
    world.begin()
    world.replay.fault = "parity"
    for _ in range(4):
        held = world.live(**slots("shadow", "incumbent", "live"))
    assert held.stage == "shadow" and "backtest of the same parameters" in held.reason


def test_nothing_advances_while_the_simulator_is_not_to_be_trusted(world, monkeypatch):
    world.begin()
    monkeypatch.setattr(
        "feedback.cycles.canaries.simulator_alarm", lambda residuals, threshold: f"{len(residuals)} residuals"
    )
    for _ in range(4):
        held = world.live(**slots("shadow", "incumbent", "live"))
    assert (held.stage, held.reason) == ("shadow", "4 residuals")


def test_an_alert_never_tells_the_difference_whose_scale_rests_on_sealed_days(world, monkeypatch):
    world.begin()
    for _ in range(3):
        world.live(**slots("shadow", "incumbent", "live"))
    monkeypatch.setattr("feedback.cycles.canaries.simulator_alarm", lambda residuals, threshold: "no trust")
    for _ in range(2):
        held = world.live(**slots("shadow", "canary", "incumbent", "live", canary=0))
    assert held.stage == "canary" and "USD against the incumbent" in held.reason
    told = [each.message for each in alerts.latest(world.session, 99) if each.kind == "canary_held"]
    assert told and all("no trust" in each and "USD" not in each for each in told)


def test_what_the_engine_refused_of_an_end_is_sent_again_with_the_next_day(world):
    world.begin()
    for _ in range(3):
        world.live(**slots("shadow", "incumbent", "live"))
    world.room.stop(world.session, world.newest.canary_id, "kim", "losing")
    for order in world.sent[world.n_answered :]:
        world.ack(order, applied=False)
    world.n_answered = len(world.sent)
    assert world.runs("canary")[1] == 0.5
    world.live(**slots("live", "incumbent"))
    assert (world.runs(), world.runs("canary")[1]) == ((world.base.params, 1.0), 0.0)


def test_a_harm_is_taken_back_and_people_are_told(world):
    begun = world.begin()
    while world.newest.is_open:
        made = world.live(**slots("shadow", "canary", "live", "incumbent", shadow=-30, canary=-15))
    assert made.stage == "rolled_back" and made.ended_on == kst_day(world.clock.now())
    assert world.state(begun) == "rolled_back" and world.runs() == (world.base.params, 1.0)
    assert len(world.told("taken back")) == 1


def test_the_monitor_takes_back_at_once_what_has_lost_its_budget_within_the_day(world):
    world.begin()
    for _ in range(3):
        world.live(**slots("shadow", "incumbent", "live"))
    assert world.newest.stage == "canary"
    budget_usd = world.newest.terms.loss_budget_usd
    made = {"incumbent": 0, "canary": -0.5 * (budget_usd + 60) / world.newest.promise.scale, "live": 0}
    for slot, usd in made.items():
        world.mark("" if slot == "live" else slot, usd, n_hours=6)
    world.clock.advance_to(kst_day_bounds(world.today)[0] + 6 * HOUR)
    [taken] = world.room.watch_budgets(world.session)
    assert taken.stage == "rolled_back" and "within the day, loss budget" in taken.reason
    assert world.room.watch_budgets(world.session) == []
    world.answer()
    assert world.runs() == (world.base.params, 1.0)


def test_days_that_the_cycle_missed_are_made_up_for(world):
    world.begin()
    for _ in range(3):
        on = world.today
        for slot, usd in slots("shadow", "incumbent").items():
            world.mark(slot, usd)
        world.clock.advance_to(kst_day_bounds(on)[1])
    world.advance(on)
    assert world.newest.stage == "canary"
    assert len(canaries.days(world.session, world.newest.canary_id)) == 4
