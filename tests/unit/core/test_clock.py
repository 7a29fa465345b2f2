from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import KST, SystemClock, VirtualClock, from_ns, kst_day, kst_day_bounds, require_utc, to_ns

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


def test_the_system_clock_tells_aware_utc_time_and_never_goes_back():
    clock = SystemClock()
    assert clock.now().utcoffset() == timedelta(0)
    first = clock.monotonic()
    assert clock.monotonic() >= first


def test_a_virtual_clock_stands_still_until_moved():
    clock = VirtualClock(START)
    assert clock.now() == clock.now() == START
    clock.advance_to(START + timedelta(seconds=90))
    assert clock.now() - START == timedelta(seconds=90)
    assert clock.monotonic() == START.timestamp() + 90


def test_a_virtual_clock_refuses_to_go_back():
    clock = VirtualClock(START)
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance_to(START - timedelta(microseconds=1))
    assert clock.now() == START


def test_a_naive_time_is_refused_everywhere():
    naive = datetime(2026, 3, 2)  # noqa: DTZ001
    for act in (require_utc, VirtualClock, to_ns):
        with pytest.raises(ValueError, match="no time zone"):
            act(naive)


def test_a_time_of_another_zone_becomes_the_same_instant_in_utc():
    there = START.astimezone(timezone(timedelta(hours=-5)))
    assert require_utc(there) == START
    assert require_utc(there).tzinfo is UTC


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_nanoseconds_keep_a_time_to_the_microsecond(at):
    assert from_ns(to_ns(at)) == at


def test_nanoseconds_below_a_microsecond_are_rounded_down():
    assert from_ns(1_999) == datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)


def test_a_korean_day_begins_at_three_in_the_afternoon_utc_of_the_day_before():
    start, end = kst_day_bounds(date(2026, 3, 2))
    assert start == datetime(2026, 3, 1, 15, 0, tzinfo=UTC)
    assert end - start == timedelta(days=1)
    assert start.tzinfo is UTC


def test_a_day_holds_its_start_and_not_its_end():
    on = date(2026, 12, 31)
    start, end = kst_day_bounds(on)
    assert kst_day(start) == on
    assert kst_day(end - timedelta(microseconds=1)) == on
    assert kst_day(end) == date(2027, 1, 1)
    assert kst_day(start.astimezone(KST)) == on
