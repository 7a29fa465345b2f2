from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from core.clock import VirtualClock
from core.errors import Conflict, UnknownName
from core.model.market import ContextField, Headline
from core.settings_advisor import AdvisorSettings
from core.store import Store, contexts, observations
from feedback.context import MarketContextCollector, usd_krw_at
from market.bars import BarArchive
from market.collector import Collector
from market.sources.reading import USD_KRW, Quantity, Reading, missing, observed

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


class _Rate:
    """Says the rate that was published at `published_at`, like a service that knows only its newest one."""

    name = "rate"
    quantities: tuple[Quantity, ...] = (USD_KRW,)

    def __init__(self, value: float, published_at: datetime) -> None:
        self.value, self.published_at = value, published_at

    async def fetch(self, at: datetime) -> Reading:
        later = Headline(at + timedelta(minutes=1), "test", "SEC sues", -1.0)
        known = Headline(at - timedelta(minutes=1), "test", "Bridge hacked", -1.0)
        return Reading((observed(USD_KRW, self.value, self.published_at, "rate", at),), (later, known))


def _collector(store: Store, tmp_path: Path, source: _Rate, now: datetime = AT) -> MarketContextCollector:
    clock = VirtualClock(now)
    collector = Collector((source,), BarArchive(tmp_path / "bars", clock), deadline_s=2)
    return MarketContextCollector(collector, store, clock, AdvisorSettings())


def test_a_context_is_kept_with_its_observations_and_read_back_whole(store: Store, tmp_path: Path) -> None:
    collector = _collector(store, tmp_path, _Rate(1_390.25, AT - timedelta(hours=3)))
    context = collector.collect_context(AT, ("BTCUSDT",))
    for _ in range(2):
        with store.session() as session:
            collector.save(session, context)
    with store.session() as session:
        assert contexts.get(session, context.context_id) == context
        assert contexts.latest(session) == context
        assert contexts.as_of(session, AT - timedelta(seconds=1)) is None
        assert observations.as_of(session, "usd_krw", AT) == (1_390.25, AT - timedelta(hours=3), "rate")
        assert observations.as_of(session, "close_usd:BTCUSDT", AT) is None
    assert context.value("usd_krw") == 1_390.25
    assert context.key_events == ("hack",)
    assert [headline.title for headline in context.headlines] == ["Bridge hacked"]


def test_the_same_world_gives_the_same_context_id(store: Store, tmp_path: Path) -> None:
    first = _collector(store, tmp_path, _Rate(1_390.0, AT)).collect_context(AT, ())
    again = _collector(store, tmp_path, _Rate(1_390.0, AT)).collect_context(AT, ())
    other = _collector(store, tmp_path, _Rate(1_391.0, AT)).collect_context(AT, ())
    assert first == again
    assert first.context_id != other.context_id


def test_an_earlier_observation_stands_in_when_the_source_knows_only_later_ones(store: Store, tmp_path: Path) -> None:
    hourly = _collector(store, tmp_path, _Rate(1_380.0, AT - timedelta(hours=1)), AT - timedelta(minutes=30))
    fields = hourly.observe()
    with store.session() as session:
        hourly.save_observations(session, fields)
    late = _collector(store, tmp_path, _Rate(1_400.0, AT + timedelta(minutes=4)), AT + timedelta(minutes=5))
    (field,) = late.collect_context(AT, ()).fields
    assert (field.value, field.observed_at, field.freshness) == (1_380.0, AT - timedelta(hours=1), "fresh")


def test_an_observation_too_old_is_stale_and_none_at_all_is_missing(store: Store, tmp_path: Path) -> None:
    collector = _collector(store, tmp_path, _Rate(1_400.0, AT + timedelta(days=9)))
    (field,) = collector.collect_context(AT, ()).fields
    assert (field.freshness, field.reason) == ("missing", "observed after the time asked for")
    with store.session() as session:
        observations.add(session, "usd_krw", AT - timedelta(hours=97), 1_380.0, "rate", AT)
    (field,) = collector.collect_context(AT, ()).fields
    assert (field.freshness, field.value, field.reason) == ("stale", 1_380.0, "older than 96 hours")
    assert collector.collect_context(AT, ()).value("usd_krw") is None


def test_the_first_observation_of_a_time_stays(any_store: Store) -> None:
    with any_store.session() as session:
        assert observations.add(session, "usd_krw", AT, 1_380.0, "rate", AT)
        assert not observations.add(session, "usd_krw", AT, 1_999.0, "rate", AT + timedelta(days=1))
        assert observations.as_of(session, "usd_krw", AT) == (1_380.0, AT, "rate")
        assert observations.as_of(session, "usd_krw", AT - timedelta(microseconds=1)) is None


@pytest.mark.parametrize(("age_hours", "stale"), [(0, False), (96, False), (96.1, True)])
def test_the_rate_is_the_newest_known_and_stale_after_its_age(store: Store, age_hours: float, stale: bool) -> None:
    with store.session() as session:
        observations.add(session, "usd_krw", AT - timedelta(hours=200), 1_111.0, "rate", AT)
        observations.add(session, "usd_krw", AT - timedelta(hours=age_hours), 1_380.12, "rate", AT)
        observations.add(session, "usd_krw", AT + timedelta(seconds=1), 1_500.0, "rate", AT)
        assert usd_krw_at(session, AT, AdvisorSettings()) == (Decimal("1380.12"), stale)


def test_without_any_rate_the_one_of_the_settings_is_used_and_stale(store: Store) -> None:
    with store.session() as session:
        assert usd_krw_at(session, AT, AdvisorSettings(fallback_krw_per_usd=1_350.5)) == (Decimal("1350.5"), True)


def test_an_unknown_context_and_one_with_other_content_are_refused(store: Store, tmp_path: Path) -> None:
    context = _collector(store, tmp_path, _Rate(1_390.0, AT)).collect_context(AT, ())
    with store.session() as session, pytest.raises(UnknownName, match="ctx-none"):
        contexts.get(session, "ctx-none")
    field = missing(USD_KRW, "rate", "gone")
    forged = type(context)(context.context_id, AT, (), (field,), (), ())
    with store.session() as session:
        contexts.add(session, context)
        with pytest.raises(Conflict):
            contexts.add(session, forged)
    assert isinstance(field, ContextField)
