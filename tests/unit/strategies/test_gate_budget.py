"""The quarter's error budget is what the ledger's rows say."""

from datetime import UTC, datetime, timedelta

import pytest

from core.settings_sections import GateSettings
from core.store import ledger
from strategies.gate.budget import quarter_bounds, read_budget

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
SETTINGS = GateSettings()


def write(store, kind, at, n=1, level=0.10 / 13):
    with store.session() as session:
        for _ in range(n):
            ledger.append(session, at, kind, "market_making", "p", {"level": level})


def budget(store, at=NOW, settings=SETTINGS):
    with store.session() as session:
        return read_budget(session, at, settings)


def test_a_fresh_quarter_has_thirteen_tests_at_a_thirteenth_each(store):
    fresh = budget(store)
    assert (fresh.tests_left, fresh.quarter) == (13, "2026Q1")
    assert fresh.level == pytest.approx(0.10 / 13)


def test_a_promotion_raises_the_level_of_the_tests_after_it(store):
    write(store, "sealed_test", NOW)
    write(store, "promotion", NOW)
    assert budget(store).level == pytest.approx(2 * 0.10 / 13)


def test_after_the_last_test_the_level_is_zero(store):
    write(store, "sealed_test", NOW, n=13)
    spent = budget(store)
    assert (spent.tests_left, spent.level) == (0, 0.0)


def test_the_budget_renews_with_the_kst_quarter(store):
    write(store, "sealed_test", datetime(2026, 3, 31, 14, 59, tzinfo=UTC), n=13)
    assert budget(store, datetime(2026, 3, 31, 14, 59, tzinfo=UTC)).tests_left == 0
    assert budget(store, datetime(2026, 3, 31, 15, 0, tzinfo=UTC)).tests_left == 13


def test_a_clock_set_back_finds_no_fresh_budget(store):
    write(store, "sealed_test", NOW, n=13)
    before = budget(store, datetime(2025, 12, 30, tzinfo=UTC))
    assert (before.quarter, before.tests_left, before.level) == ("2025Q4", 0, 0.0)


def test_settings_edited_within_a_quarter_share_out_only_what_is_left_of_it(store):
    write(store, "sealed_test", NOW, n=12)
    one_big_test = GateSettings(tests_per_quarter=1)
    assert budget(store, settings=one_big_test).tests_left == 0
    thrifty = budget(store, settings=GateSettings(tests_per_quarter=20, alpha_quarter=0.094))
    assert thrifty.level == pytest.approx(0.094 - 12 * 0.10 / 13)
    assert budget(store, settings=GateSettings(tests_per_quarter=20, alpha_quarter=0.05)).tests_left == 0


def test_the_last_test_under_unchanged_settings_has_its_whole_share(store):
    write(store, "sealed_test", NOW, n=12)
    assert budget(store).level == 0.10 / 13


@pytest.mark.parametrize(
    ("at", "name", "days"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), "2026Q1", 90),
        (datetime(2026, 12, 31, 14, tzinfo=UTC), "2026Q4", 92),
        (datetime(2026, 12, 31, 15, tzinfo=UTC), "2027Q1", 90),
        (datetime(2026, 6, 1, tzinfo=UTC), "2026Q2", 91),
    ],
)
def test_quarters_are_calendar_quarters_in_kst(at, name, days):
    found, start, end = quarter_bounds(at)
    assert (found, end - start) == (name, timedelta(days=days))
    assert start <= at < end
