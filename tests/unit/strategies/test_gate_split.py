"""Which days are sealed, and that the boundary only ever moves into days nothing has looked at."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.clock import kst_day
from core.errors import BadInput
from core.settings_sections import GateSettings
from core.store import ledger
from strategies.gate.split import grown_split, plan_split, read_split, seen_window, write_split

FIRST = datetime(2026, 3, 1, 15, 0, tzinfo=UTC)
"""KST midnight."""
SETTINGS = GateSettings()


def plan(days):
    return plan_split(FIRST - timedelta(days=days), FIRST, FIRST, SETTINGS)


def lengths(split):
    return (
        (split.sealed_end_at - split.sealed_start_at).days,
        (split.seen_start_at - split.sealed_end_at).days,
        (FIRST - split.seen_start_at).days,
    )


@pytest.mark.parametrize(
    ("days", "expected"),
    [(1000, (730, 5, 180)), (915, (730, 5, 180)), (600, (415, 5, 180)), (185, (0, 5, 180)), (100, (0, 5, 100))],
)
def test_history_splits_oldest_first_into_sealed_embargo_and_seen(days, expected):
    assert lengths(plan(days)) == expected


def test_the_sealed_days_are_the_latest_ones_before_the_embargo():
    assert plan(2000).sealed_start_at == plan(915).sealed_start_at


def test_too_little_history_leaves_nothing_testable_and_says_how_much_is_missing():
    split = plan(400)
    assert not split.is_testable
    assert "215 sealed days are there and 365 are needed" in split.shortfall
    assert plan(550).is_testable


def test_without_history_nothing_is_sealed():
    split = plan_split(None, None, FIRST, SETTINGS)
    assert (split.n_sealed_days, split.is_testable) == (0, False)
    assert split.seen_start_at == FIRST


def test_boundaries_are_kst_midnights_even_for_a_start_in_the_afternoon():
    noon = FIRST + timedelta(hours=5)
    split = plan_split(noon - timedelta(days=1000), noon, noon, SETTINGS)
    assert (split.seen_start_at - FIRST) % timedelta(days=1) == timedelta(0)


def test_older_history_extends_the_sealed_days_but_never_their_end():
    short = plan(400)
    grown = grown_split(short, FIRST - timedelta(days=2000), SETTINGS)
    assert (grown.n_sealed_days, grown.sealed_end_at) == (730, short.sealed_end_at)
    assert grown.seen_start_at == short.seen_start_at


def test_what_was_full_once_never_grows_over_days_that_screens_have_read():
    full = plan(1000)
    longer = SETTINGS.model_copy(update={"sealed_days": 1460})
    assert full.is_full and grown_split(full, FIRST - timedelta(days=3000), longer) == full
    growing = grown_split(plan(400), FIRST - timedelta(days=3000), longer)
    assert (growing.n_sealed_days, growing.is_full) == (730, True)


def test_newer_history_changes_nothing():
    short = plan(400)
    assert grown_split(short, FIRST - timedelta(days=10), SETTINGS) == short
    assert grown_split(short, None, SETTINGS) == short


def test_a_screen_sees_lived_days_and_never_goes_behind_the_embargo():
    split = plan(1000)
    later = FIRST + timedelta(days=30, hours=3)
    start, end = seen_window(split, later, later, 180)
    assert (kst_day(end), (end - start).days) == (kst_day(later), 180)
    start, _ = seen_window(split, FIRST, FIRST, 10_000)
    assert start == split.seen_start_at


def test_a_screen_without_bars_has_no_days():
    split = plan(1000)
    start, end = seen_window(split, FIRST, split.seen_start_at - timedelta(days=3), 180)
    assert start == end


class Bars:
    def __init__(self, span):
        self._span = span

    def span(self, symbols=None):
        if self._span is None:
            raise BadInput("empty")
        return self._span


def test_the_split_is_written_once_and_read_ever_after(store):
    with store.session() as session:
        first = write_split(session, Bars((FIRST - timedelta(days=1000), FIRST)), FIRST, SETTINGS)
        later = FIRST + timedelta(days=90)
        again = write_split(session, Bars((FIRST - timedelta(days=1000), later)), later, SETTINGS)
        assert first == again == read_split(session)
        assert len(ledger.rows(session, "split")) == 1


def test_a_later_import_of_older_days_is_a_new_row(store):
    with store.session() as session:
        empty = write_split(session, Bars(None), FIRST, SETTINGS)
        later = FIRST + timedelta(days=9)
        grown = write_split(session, Bars((FIRST - timedelta(days=800), later)), later, SETTINGS)
        assert (empty.n_sealed_days, grown.n_sealed_days) == (0, 730)
        assert grown.sealed_end_at <= FIRST - timedelta(days=5)
        assert grown.first_start_at == FIRST
        assert len(ledger.rows(session, "split")) == 2


def test_lived_days_are_never_sealed():
    split = plan(915)
    for start in (FIRST - timedelta(days=3000), FIRST, FIRST + timedelta(days=500)):
        assert grown_split(replace(split, n_sealed_days=0), start, SETTINGS).sealed_end_at < FIRST
