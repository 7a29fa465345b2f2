from datetime import timedelta
from string import Formatter

import pytest

from core.clock import VirtualClock
from core.store import Store, alerts, notifications
from feedback.alert_texts import TEXTS
from feedback.alerts import AlertDesk, Finding
from tests.factories import NOON

FACTS = {"value": "85", "limit": "80"}


def finding(is_bad: bool = True, subject: str = "host") -> Finding:
    return Finding("cpu", subject, is_bad, "warning", FACTS)


@pytest.fixture
def desk(clock: VirtualClock) -> AlertDesk:
    return AlertDesk(clock, 300, "en")


def test_an_alert_and_its_notification_are_written_together(store: Store, desk: AlertDesk) -> None:
    with store.session() as session:
        [alert] = desk.settle(session, [finding()])
    with store.session() as session:
        assert alerts.open(session) == [alert]
        [told] = notifications.unsent(session, 10)
    assert alert.message == "CPU load is 85 %, above 80 %"
    assert told.text == f"{alert.message}\n{alert.action}"
    assert (told.severity, told.created_at) == ("warning", NOON)


def test_a_condition_that_holds_is_told_once(store: Store, desk: AlertDesk, clock: VirtualClock) -> None:
    with store.session() as session:
        desk.settle(session, [finding()])
        clock.advance_to(NOON + timedelta(hours=1))
        assert desk.settle(session, [finding()]) == ()
        assert len(notifications.unsent(session, 10)) == 1


def test_an_alert_is_resolved_when_its_condition_clears(store: Store, desk: AlertDesk, clock: VirtualClock) -> None:
    with store.session() as session:
        desk.settle(session, [finding()])
        clock.advance_to(NOON + timedelta(minutes=5))
        desk.settle(session, [finding(is_bad=False)])
        [resolved] = alerts.latest(session, 10)
    assert resolved.resolved_at == NOON + timedelta(minutes=5)


def test_what_was_not_looked_at_stays_open(store: Store, desk: AlertDesk) -> None:
    with store.session() as session:
        desk.settle(session, [finding()])
        desk.settle(session, [])
        assert len(alerts.open(session)) == 1


@pytest.mark.parametrize(("seconds", "n_alerts"), [(299, 1), (300, 2)])
def test_a_flickering_condition_is_quiet_for_the_cool_down(
    store: Store, desk: AlertDesk, clock: VirtualClock, seconds: int, n_alerts: int
) -> None:
    with store.session() as session:
        desk.settle(session, [finding()])
        clock.advance_to(NOON + timedelta(seconds=60))
        desk.settle(session, [finding(is_bad=False)])
        clock.advance_to(NOON + timedelta(seconds=seconds))
        desk.settle(session, [finding()])
        assert len(alerts.latest(session, 10)) == n_alerts


def test_the_cool_down_is_for_one_kind_and_subject(store: Store, desk: AlertDesk) -> None:
    with store.session() as session:
        raised = desk.settle(session, [finding(), finding(subject="other")])
        assert len(raised) == 2
        assert desk.raise_once(session, "cpu", "host", "warning", FACTS) is None
        assert desk.raise_once(session, "memory", "host", "warning", FACTS) is not None


def test_a_later_event_takes_the_place_of_the_one_before(store: Store, desk: AlertDesk, clock: VirtualClock) -> None:
    facts = {"due": "00:05"}
    with store.session() as session:
        first = desk.raise_once(session, "skipped", "daily", "warning", facts)
        assert desk.raise_once(session, "skipped", "daily", "warning", facts) is None
        clock.advance_to(NOON + timedelta(hours=1))
        second = desk.raise_once(session, "skipped", "daily", "warning", facts)
        assert alerts.open(session) == [second] != [first]


def test_events_are_closed_after_a_day_and_conditions_are_not(
    store: Store, desk: AlertDesk, clock: VirtualClock
) -> None:
    with store.session() as session:
        desk.raise_once(session, "dead_letter", "bridge", "warning", {"reason": "broken"})
        desk.settle(session, [finding()])
        clock.advance_to(NOON + timedelta(days=1))
        desk.close_old_events(session)
        assert [alert.kind for alert in alerts.open(session)] == ["cpu"]


def test_both_languages_tell_the_same_kinds_with_the_same_facts() -> None:
    assert TEXTS["en"].keys() == TEXTS["ko"].keys()
    for kind in TEXTS["en"]:
        for place in (0, 1):
            assert _facts(TEXTS["en"][kind][place]) == _facts(TEXTS["ko"][kind][place]), kind


def _facts(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}
