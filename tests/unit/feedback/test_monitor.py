from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from core.clock import VirtualClock
from core.model.operations import Report
from core.settings_sections import AlertSettings
from core.store import Session, Store, alerts, engine_states, equity, frames, notifications, quarantine, reports
from feedback.cycles.monitor import HostLoad, Monitor, read_host_load, unread_host_load
from tests import factories
from tests.factories import NOON

ONE_AM = datetime(2026, 3, 2, 16, 0, tzinfo=UTC)
"""01:00 of 3 March in Seoul."""


@pytest.fixture
def make(store: Store, clock: VirtualClock) -> Callable[..., Monitor]:
    def monitor(**over: Any) -> Monitor:
        settings = AlertSettings()
        fields: dict[str, Any] = {"store": store, "clock": clock, "settings": settings, "language": "en"}
        return Monitor(**{**fields, "host_load": unread_host_load, **over})

    return monitor


def raised(monitor: Monitor) -> list[tuple[str, str]]:
    return [(alert.kind, alert.subject) for alert in monitor.run_monitor()]


def test_a_fresh_installation_raises_nothing(make: Callable[..., Monitor]) -> None:
    assert raised(make()) == []


@pytest.mark.parametrize(
    ("cpu", "memory", "latency", "kinds"),
    [
        (80.0, 80.0, 100.0, []),
        (80.1, 80.0, 100.0, ["cpu"]),
        (10.0, 93.0, 100.0, ["memory"]),
        (10.0, 10.0, 101.0, ["latency"]),
        (None, None, None, []),
    ],
)
def test_load_and_latency_are_judged_by_their_limits(
    make: Callable[..., Monitor], cpu: float | None, memory: float | None, latency: float | None, kinds: list[str]
) -> None:
    monitor = make(host_load=lambda: HostLoad(cpu, memory), bridge_latency_ms=lambda: latency)
    assert sorted(kind for kind, _ in raised(monitor)) == kinds


def test_the_machine_can_be_read() -> None:
    load = read_host_load()
    assert load.memory_pct is not None and 0 < load.memory_pct < 100
    assert load.cpu_pct is not None and load.cpu_pct >= 0


def dead_letters(session: Session, n: int, at: datetime) -> None:
    for _ in range(n):
        frames.add_dead_letter(session, "bridge", "trade_event", "{}", "broken", at)


def sent_frames(session: Session, n: int, at: datetime) -> None:
    for _ in range(n):
        seq = frames.append_outbound(session, "command", "{}", at)
    frames.ack_through(session, seq, at)


def test_a_success_rate_below_80_percent_is_told_with_its_subject(store: Store, make: Callable[..., Monitor]) -> None:
    with store.session() as session:
        sent_frames(session, 7, NOON)
        dead_letters(session, 2, NOON)
    assert raised(make()) == [("success", "frames")]
    with store.session() as session:
        assert "Only 78 % of the last 9 frames" in alerts.latest(session, 1)[0].message


def test_a_success_rate_of_80_percent_and_few_attempts_are_fine(store: Store, make: Callable[..., Monitor]) -> None:
    with store.session() as session:
        sent_frames(session, 8, NOON)
        dead_letters(session, 2, NOON)
    assert raised(make()) == []


def test_failures_of_more_than_an_hour_ago_no_longer_count(store: Store, make: Callable[..., Monitor]) -> None:
    with store.session() as session:
        dead_letters(session, 50, NOON - timedelta(minutes=61))
    assert raised(make()) == []


@pytest.mark.parametrize(("n", "expected"), [(10, []), (11, [("errors", "worker")])])
def test_more_than_ten_errors_are_too_many(
    store: Store, make: Callable[..., Monitor], n: int, expected: list[tuple[str, str]]
) -> None:
    with store.session() as session:
        for _ in range(n):
            quarantine.add(session, "engine:TradeEvent", "BTCUSDT", "qty is not above zero", {}, NOON)
    assert raised(make()) == expected


def mark(session: Session, at: datetime, equity_usd: str, name: str = "momentum-1", mode: str = "live") -> None:
    equity.add(session, factories.equity(at, equity_usd, instance_id=name, mode=mode))


def test_a_fall_from_the_peak_is_told_for_the_instance_and_the_total(
    store: Store, make: Callable[..., Monitor]
) -> None:
    earlier, monitor = NOON - timedelta(hours=2), make()
    with store.session() as session:
        mark(session, earlier, "12000")
        mark(session, earlier, "9500", "mm-1")
    assert raised(monitor) == []
    with store.session() as session:
        mark(session, NOON, "8500")
        mark(session, NOON, "9500", "mm-1")
    assert raised(monitor) == [("drawdown", "momentum-1"), ("drawdown", "total")]
    with store.session() as session:
        texts = [alert.message for alert in alerts.open(session)]
    assert any("29.2 % below its peak of 12,000.00 USD" in text for text in texts)


def test_a_shadow_may_fall_as_it_likes(store: Store, make: Callable[..., Monitor]) -> None:
    with store.session() as session:
        mark(session, NOON - timedelta(hours=1), "10000", mode="shadow")
        mark(session, NOON, "100", mode="shadow")
    assert raised(make()) == []


def test_a_recovered_drawdown_is_resolved(store: Store, make: Callable[..., Monitor], clock: VirtualClock) -> None:
    with store.session() as session:
        mark(session, NOON - timedelta(hours=1), "10000")
        mark(session, NOON, "8000")
    assert raised(make()) == [("drawdown", "momentum-1")]
    clock.advance_to(NOON + timedelta(minutes=5))
    with store.session() as session:
        mark(session, clock.now(), "9900")
    assert raised(make()) == []
    with store.session() as session:
        assert alerts.open(session) == []


def test_a_silent_engine_is_told_and_resolved_when_heard(
    store: Store, make: Callable[..., Monitor], clock: VirtualClock
) -> None:
    with store.session() as session:
        engine_states.put(session, "engine-1", "active", NOON, NOON, {})
    clock.advance_to(NOON + timedelta(seconds=120))
    assert raised(make()) == []
    clock.advance_to(NOON + timedelta(seconds=121))
    assert raised(make()) == [("silence", "engine")]
    with store.session() as session:
        engine_states.put(session, "engine-1", "active", clock.now(), clock.now(), {})
    assert raised(make()) == []
    with store.session() as session:
        assert alerts.open(session) == []


def test_any_program_can_be_listened_for(make: Callable[..., Monitor]) -> None:
    long_ago = NOON - timedelta(hours=1)
    assert raised(make(heard={"web": lambda _: long_ago, "other": lambda _: None})) == [("silence", "web")]


def write_report(session: Session, on: date, language: str = "en") -> None:
    reports.add(session, Report(f"daily-{on}-{language}", "daily", on, language, "# day", "", "0" * 64, NOON))  # type: ignore[arg-type]


def test_a_report_that_is_not_there_at_one_is_told(
    store: Store, make: Callable[..., Monitor], clock: VirtualClock
) -> None:
    with store.session() as session:
        mark(session, NOON, "10000")
    clock.advance_to(ONE_AM - timedelta(seconds=1))
    assert raised(make(heard={})) == []
    clock.advance_to(ONE_AM)
    assert raised(make(heard={})) == [("no_report", "2026-03-02")]
    clock.advance_to(ONE_AM + timedelta(days=3))
    with store.session() as session:
        write_report(session, date(2026, 3, 2))
    make(heard={}).run_monitor()
    with store.session() as session:
        assert "2026-03-02" not in {alert.subject for alert in alerts.open(session)}


def test_a_report_that_is_there_or_a_day_without_trading_raises_nothing(
    store: Store, make: Callable[..., Monitor], clock: VirtualClock
) -> None:
    clock.advance_to(ONE_AM)
    assert raised(make()) == []
    with store.session() as session:
        mark(session, NOON, "10000")
        write_report(session, date(2026, 3, 2))
    assert raised(make()) == []


def test_messages_are_in_the_language_of_the_settings(make: Callable[..., Monitor], store: Store) -> None:
    make(language="ko", host_load=lambda: HostLoad(99.0, None)).run_monitor()
    with store.session() as session:
        assert "CPU 사용률 99 %" in notifications.unsent(session, 1)[0].text


def test_a_busy_day_of_looks_tells_each_trouble_once(
    store: Store, make: Callable[..., Monitor], clock: VirtualClock
) -> None:
    monitor = make(host_load=lambda: HostLoad(99.0, 10.0))
    for n in range(1, 60):
        monitor.run_monitor()
        clock.advance_to(NOON + n * timedelta(minutes=5))
    with store.session() as session:
        assert len(alerts.latest(session, 100)) == 1
