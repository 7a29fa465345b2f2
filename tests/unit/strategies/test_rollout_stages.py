"""The way to the whole capital: what advances, what holds, what is taken back."""

import math
from dataclasses import replace as changed
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.canary import Canary, CanaryDay, CanaryDecision
from strategies.rollout.capital import FUNDED, Holding, Role, SlotState, wanted_holdings
from strategies.rollout.guard import difference_of, judge_guard
from strategies.rollout.stages import Leave, after, days_needed, next_stage, stop
from tests.canaries import SCHEDULE, STARTED_ON, TERMS, canary, day, days

FREE = Leave()
GOOD = [4.0, -1.0, 6.0, 2.0, 5.0]
OLD = Holding({}, "a" * 64, 1.0)
SLOTS: dict[Role, SlotState] = {role: SlotState(OLD) for role in ("live", "canary", "shadow", "incumbent")}


class Journey:
    """A canary that is decided about every day, on days of its own place."""

    def __init__(self, start: Canary | None = None) -> None:
        self.canary = start or canary()
        self.days: list[CanaryDay] = []
        self.today = STARTED_ON
        self.decision: CanaryDecision | None = None

    def live(self, d_usd: float | None, leave: Leave = FREE, **over: object) -> CanaryDecision:
        self.days.append(day(self.canary, self.today, d_usd, **over))
        self.today += timedelta(days=1)
        self.decision = next_stage(self.canary, self.days, self.today, leave)
        self.canary = after(self.canary, self.decision)
        return self.decision

    @property
    def place(self) -> tuple[str, int, float]:
        return self.canary.stage, self.canary.step, self.canary.share


def test_a_change_that_helps_goes_all_the_way_by_its_schedule() -> None:
    journey, places = Journey(), []
    while journey.canary.is_open:
        journey.live(GOOD[len(journey.days) % len(GOOD)])
        if not places or places[-1] != journey.place:
            places.append(journey.place)
    assert places == [
        ("shadow", -1, 0.0),
        ("canary", 0, 0.1),
        ("canary", 1, 0.25),
        ("canary", 2, 0.5),
        ("promoted", 3, 1.0),
        ("confirmed", 3, 1.0),
    ]
    assert len(journey.days) == SCHEDULE.shadow_days + 3 + 2 + 2 + SCHEDULE.watch_days
    assert journey.canary.ended_on == journey.today


def test_a_step_whose_days_are_over_waits_until_the_canary_days_have_not_lost() -> None:
    journey = Journey(canary(stage="canary", step=0, share=0.1))
    for d_usd in (2.0, -4.0, 1.0):
        decision = journey.live(d_usd)
    assert not decision.is_move and "-1.00 USD against the incumbent" in decision.reason
    assert journey.live(1.0).is_move and journey.place == ("canary", 1, 0.25)


def test_only_canary_days_decide_about_a_step() -> None:
    journey = Journey(canary(stage="canary", step=0, share=0.1))
    journey.days = [day(canary(), STARTED_ON - timedelta(1), -9.0)]
    for d_usd in (1.0, 1.0, 1.0):
        journey.live(d_usd)
    assert journey.place == ("canary", 1, 0.25)


@pytest.mark.parametrize("fault", ["not_in_force", "not_marked", "gap", "not_a_number", "parity"])
def test_a_day_that_is_not_sound_holds_and_is_made_up_for(fault: str) -> None:
    journey = Journey()
    journey.live(4.0), journey.live(4.0)
    held = journey.live(4.0 if fault in ("gap", "parity") else None, fault=fault)
    assert not held.is_move and "does not count" in held.reason and "2 of 3" in held.reason
    assert journey.live(4.0).is_move


def test_nothing_advances_while_yesterday_is_unknown() -> None:
    journey = Journey()
    journey.live(4.0), journey.live(4.0), journey.live(4.0)
    late = next_stage(canary(), journey.days, journey.today + timedelta(days=1))
    assert not late.is_move and f"nothing is known of {journey.today}" in late.reason


def test_an_alarm_or_a_missing_approval_holds_and_says_so() -> None:
    journey = Journey()
    journey.live(4.0), journey.live(4.0)
    held = journey.live(4.0, Leave(blocked="the simulator is not to be trusted"))
    assert (held.is_move, held.asks, held.reason) == (False, False, "the simulator is not to be trusted")
    asked = journey.live(4.0, Leave(approved=False))
    assert (asked.is_move, asked.asks, journey.place) == (False, True, ("shadow", -1, 0.0))
    assert journey.live(4.0).stage == "canary"


def test_a_change_that_never_gets_to_the_whole_capital_is_taken_back_as_not_confirmed() -> None:
    journey = Journey(canary(stage="canary", step=0, share=0.1))
    journey.live(-2.0)
    while journey.canary.is_open:
        journey.live(1.0 if len(journey.days) % 2 else -1.0)
    assert journey.canary.stage == "rolled_back" and "not confirmed" in journey.canary.reason
    assert len(journey.days) == SCHEDULE.max_days


@pytest.mark.parametrize("stage", ["shadow", "canary", "promoted"])
def test_a_lost_budget_takes_a_change_back_at_every_stage(stage: str) -> None:
    step, share = {"shadow": (-1, 0.0), "canary": (1, 0.25), "promoted": (3, 1.0)}[stage]
    journey = Journey(canary(stage=stage, step=step, share=share))
    decision = journey.live(-160.0)
    assert (decision.stage, decision.share, decision.figures.fired) == ("rolled_back", 0.0, "loss_budget")
    assert "-160.00 USD after 1 days" in decision.reason and journey.canary.ended_on == journey.today


def test_the_boundary_takes_back_a_small_harm_that_does_not_end() -> None:
    journey = Journey()
    while journey.canary.is_open:
        journey.live(-6.0 if len(journey.days) % 2 else -2.0)
    assert (journey.decision and journey.decision.figures.fired) == "boundary"
    assert "t = " in journey.canary.reason and len(journey.days) <= 12


def test_after_the_promotion_a_drift_is_found_although_the_canary_gained() -> None:
    journey = Journey()
    while journey.canary.stage != "promoted":
        journey.live(GOOD[len(journey.days) % len(GOOD)] * 3)
    terms = {"loss_budget_usd": 1e9, "drift_threshold": 20.0}
    journey.canary = canary(
        stage="promoted", step=3, share=1.0, schedule=changed(SCHEDULE, watch_days=300), terms=changed(TERMS, **terms)
    )
    while journey.canary.is_open:
        journey.live(-9.0 + 2.0 * (len(journey.days) % 3))
    assert journey.decision and journey.decision.figures.fired == "drift"
    assert journey.canary.stage == "rolled_back" and "detector" in journey.canary.reason


def test_what_is_known_of_an_unsound_day_still_counts_for_the_guard() -> None:
    made = [day(canary(), STARTED_ON, -90.0, fault="gap"), day(canary(), STARTED_ON + timedelta(1), -80.0)]
    assert judge_guard(canary(), made).fired == "loss_budget"
    nothing = day(canary(), STARTED_ON, None, fault="not_marked")
    assert (judge_guard(canary(), [nothing]).n_days, difference_of(canary().promise, nothing)) == (0, None)
    endless = day(canary(), STARTED_ON, math.inf)
    assert difference_of(canary().promise, endless) is None


def test_a_person_or_a_narrowing_ends_it() -> None:
    ended = stop(canary(stage="canary", step=1, share=0.25), STARTED_ON, "kim: holidays", rolled_back=True)
    assert (ended.stage, ended.share, ended.ended_on, ended.reason) == ("rolled_back", 0.0, STARTED_ON, "kim: holidays")
    assert stop(canary(), STARTED_ON, "narrowed", rolled_back=False).stage == "stopped"


results = st.one_of(st.none(), st.floats(-60, 60), st.just(math.nan))
faults = st.sampled_from(["", "", "", "gap", "not_marked", "parity"])
leaves = st.sampled_from([Leave(), Leave(), Leave(blocked="an alarm stands"), Leave(approved=False)])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(results, faults, leaves), max_size=60))
def test_whatever_happens_the_rules_hold(happened: list[tuple[float | None, str, Leave]]) -> None:
    journey = Journey()
    for d_usd, fault, leave in happened:
        before = journey.canary
        decision = journey.live(d_usd, leave, fault=fault)
        shares = wanted_holdings(SLOTS, journey.canary)
        assert sum(shares[role].share for role in FUNDED) == pytest.approx(1.0)
        if not before.is_open:
            assert journey.place == (before.stage, before.step, before.share) and not decision.is_move
            continue
        if decision.figures.fired:
            assert journey.canary.stage == "rolled_back"
        elif decision.is_move and journey.canary.stage != "rolled_back":
            assert (fault, leave.blocked) == ("", "") and d_usd is not None and math.isfinite(d_usd)
            assert journey.canary.step - before.step in (0, 1) and journey.canary.share >= before.share
            sound = [d for d in journey.days if (d.stage, d.step, d.fault) == (before.stage, before.step, "")]
            assert len(sound) >= days_needed(before)
        assert journey.canary.reason


def test_the_same_days_give_the_same_decision() -> None:
    made = days(canary(), GOOD[:3])
    today = date(2026, 3, 5)
    assert next_stage(canary(), made, today) == next_stage(canary(), made, today)
    assert next_stage(canary(), made, today).is_move
