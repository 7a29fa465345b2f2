"""A canary's day from the marks of its slots: what each made at the whole capital, and when the day does not count."""

from datetime import timedelta

import pytest

from core.clock import kst_day, kst_day_bounds
from core.store import canaries
from feedback.cycles.canary_days import measure_day, running_difference
from tests.canary_world import CAPITAL_USD, MarkedWorld

HOUR = timedelta(hours=1)


@pytest.fixture
def world(store, clock):
    with store.session() as session:
        yield MarkedWorld(clock, session)


def measured(world, of):
    return measure_day(world.session, of, world.today, CAPITAL_USD)


def test_a_shadow_and_its_incumbent_are_compared_as_they_are(world):
    begun = world.begun()
    world.mark("shadow", 12)
    world.mark("incumbent", 8)
    found = measured(world, begun)
    assert (found.candidate_usd, found.incumbent_usd, found.fault, found.stage) == (12.0, 8.0, "", "shadow")


def test_a_canary_counts_as_if_it_had_the_whole_capital(world):
    made = world.at("canary")
    world.mark("canary", 3)
    world.mark("incumbent", 8)
    world.mark("", 7.5)
    found = measured(world, made)
    assert (found.candidate_usd, found.incumbent_usd, found.fault) == (12.0, 8.0, "")
    assert found.residual_usd == pytest.approx(7.5 / 0.75 - 8)


def test_what_was_promoted_is_the_live_instance(world):
    made = world.at("promoted")
    world.mark("", 11)
    world.mark("incumbent", 8)
    found = measured(world, made)
    assert (found.candidate_usd, found.incumbent_usd, found.residual_usd) == (11.0, 8.0, None)


def test_a_day_with_a_gap_does_not_count_and_is_known_nevertheless(world):
    begun = world.begun()
    world.mark("shadow", 12, left_out=(5,))
    world.mark("incumbent", 8)
    found = measured(world, begun)
    assert (found.candidate_usd, found.fault) == (12.0, "gap")


@pytest.mark.parametrize("hours", [0, 20])
def test_a_day_whose_end_or_whole_is_not_marked_does_not_count(world, hours):
    begun = world.begun()
    world.mark("incumbent", 8)
    if hours:
        world.mark("shadow", 12, n_hours=hours)
    found = measured(world, begun)
    assert found.fault == ("gap" if hours else "not_marked")


def test_a_mark_from_long_before_the_day_proves_nothing_about_its_start(world):
    begun = world.begun()
    world.mark("incumbent", 8)
    world.mark("shadow", 12, start_at=kst_day_bounds(world.today)[0] + 2 * HOUR, n_hours=22)
    assert measured(world, begun).fault == "not_marked"


def test_a_slot_that_ran_something_else_or_another_share_was_not_in_force(world):
    begun = world.begun()
    world.mark("incumbent", 8)
    world.mark("shadow", 12, capital_usd=CAPITAL_USD / 2)
    found = measured(world, begun)
    assert (found.candidate_usd, found.fault) == (None, "not_in_force")


def test_what_came_into_force_within_the_day_does_not_count_for_it(world):
    world.clock.advance_to(kst_day_bounds(world.today)[0] + 2 * HOUR)
    on = kst_day(world.clock.now())
    begun = world.begun()
    for slot in ("shadow", "incumbent"):
        world.mark(slot, 1, start_at=kst_day_bounds(on)[0])
    assert measure_day(world.session, begun, on, CAPITAL_USD).fault == "not_in_force"


def test_the_running_day_is_known_up_to_the_newest_marks(world):
    made = world.at("canary")
    world.mark("canary", 3, n_hours=6)
    world.mark("incumbent", 8, n_hours=6)
    now = kst_day_bounds(world.today)[0] + 6 * HOUR
    found = running_difference(world.session, made, world.today, now, CAPITAL_USD)
    assert found == pytest.approx(made.promise.scale * 12 - 8)
    assert running_difference(world.session, made, world.today + timedelta(2), now + 48 * HOUR, CAPITAL_USD) is None


def test_days_are_kept_as_measured(world):
    begun = world.begun()
    world.mark("shadow", 12)
    world.mark("incumbent", 8)
    found = measured(world, begun)
    canaries.add_day(world.session, found)
    assert canaries.days(world.session, begun.canary_id) == [found]
