"""The repositories that the feedback room reads and writes, on both databases."""

import math
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.clock import VirtualClock
from core.errors import BadInput, Conflict, UnknownName
from core.model.drift import DriftFinding, ModelWatch, RetrainingRequest, Waiting
from core.model.models import ModelVersion
from core.model.operations import Report
from core.model.trade import SignalRecord
from core.model.trials import ModelTrial, Pair, Tally
from core.store import (
    Store,
    advice,
    alerts,
    engine_states,
    equity,
    feedback_notes,
    forecasts,
    model_trials,
    model_versions,
    model_watches,
    outcomes,
    patterns,
    performance,
    proposals,
    reports,
    signals,
    trades,
)
from feedback.alerts import Finding, build_alert
from feedback.forecast import Forecast
from feedback.notes import leave_note
from feedback.peaks import keep_peak, peak_of
from tests import factories
from tests.factories import NOON, pattern_rule
from tests.gate_world import initial_version, make_proposal

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("room", ["trades", "signals", "equity", "advice", "performance"])
def test_the_same_value_is_kept_once_and_another_under_its_id_is_a_conflict(any_store: Store, room: str) -> None:
    add, first, other = {
        "trades": (trades.add, factories.trade(), factories.trade(symbol="ETHUSDT")),
        "signals": (signals.add, factories.signal(), factories.signal(symbol="ETHUSDT")),
        "equity": (equity.add, factories.equity(), factories.equity(equity_usd="1")),
        "advice": (advice.add, factories.advice(), factories.advice(approve=False)),
        "performance": (performance.add, factories.performance(), factories.performance(symbol="ETHUSDT")),
    }[room]
    with any_store.session() as session:
        assert add(session, first) is True  # type: ignore[arg-type]
        assert add(session, first) is False  # type: ignore[arg-type]
        with pytest.raises(Conflict, match="other content"):
            add(session, other)  # type: ignore[arg-type]


def test_trades_come_back_exactly_and_in_order(any_store: Store) -> None:
    made = [
        factories.trade("b", NOON, "0.10"),
        factories.trade("a", NOON, "-0.123456789012345678"),
        factories.trade("c", NOON + HOUR, "2", instance_id="mm-1", symbol="ETHUSDT"),
    ]
    with any_store.session() as session:
        for one in made:
            trades.add(session, one)
    with any_store.session() as session:
        assert trades.between(session, NOON, NOON + HOUR) == [made[1], made[0]]
        assert trades.between(session, NOON, NOON + 2 * HOUR, "mm-1") == [made[2]]
        assert trades.latest(session, 2) == [made[2], made[0]]
        assert trades.latest(session, 5, offset=2) == [made[1]]
        assert trades.latest(session, 5, before=NOON + HOUR, instance_id="momentum-1") == [made[0], made[1]]
        assert trades.latest(session, 5, symbol="ETHUSDT") == [made[2]]
        assert trades.count(session) == 3
        assert trades.get(session, "a").net_pnl_usd == Decimal("-0.123456789012345678")
        assert trades.find(session, "z") is None
        with pytest.raises(UnknownName, match="no trade 'z'"):
            trades.get(session, "z")


def test_signals_and_advice_are_read_by_time(any_store: Store) -> None:
    later = factories.signal("s2", NOON + HOUR)
    with any_store.session() as session:
        signals.add(session, later)
        signals.add(session, factories.signal("s1"))
        advice.add(session, factories.advice("a1"))
        assert [one.signal_id for one in signals.between(session, NOON, NOON + 2 * HOUR)] == ["s1", "s2"]
        assert signals.latest(session, 1) == signals.latest_of_symbol(session, "BTCUSDT", 1) == [later]
        assert isinstance(signals.get(session, "s1"), SignalRecord)
        assert advice.between(session, NOON, NOON + HOUR) == advice.latest(session, 3) == [advice.get(session, "a1")]
        for missing in (lambda: signals.get(session, "x"), lambda: advice.get(session, "x")):
            with pytest.raises(UnknownName):
                missing()


def test_equity_is_read_at_a_time_and_peaks_are_remembered(any_store: Store) -> None:
    with any_store.session() as session:
        for hours, usd in ((0, "900"), (1, "1100"), (2, "1000")):
            equity.add(session, factories.equity(NOON + hours * HOUR, usd))
            equity.add(session, factories.equity(NOON + hours * HOUR, "50", instance_id="mm-1"))
        assert equity.instances(session) == ["mm-1", "momentum-1"]
        at = equity.at_or_before(session, "momentum-1", NOON + 1.5 * HOUR)
        assert at is not None and at.equity_usd == Decimal("1100")
        assert equity.at_or_before(session, "momentum-1", NOON - HOUR) is None
        first, last = equity.earliest(session, "momentum-1"), equity.latest(session, "momentum-1")
        assert first is not None and last is not None
        assert (first.at, last.at) == (NOON, NOON + 2 * HOUR)
        kept = keep_peak(session, ["momentum-1"])
        assert kept is not None and (kept.usd, kept.through_at) == (Decimal("1100"), NOON + 2 * HOUR)
        total = peak_of(session, ["mm-1", "momentum-1"])
        assert total is not None and total.usd == Decimal("1150")
    with any_store.session() as session:
        equity.add(session, factories.equity(NOON + 3 * HOUR, "1200"))
        newer = peak_of(session, ["momentum-1"])
        assert newer is not None and newer.usd == Decimal("1200")
        assert peak_of(session, ["nobody"]) is None


def test_capital_that_is_moved_lowers_no_peak(any_store: Store) -> None:
    with any_store.session() as session:
        equity.add(session, factories.equity(NOON, "10500"))
        equity.add(session, factories.equity(NOON + HOUR, "9400", capital_usd=Decimal(9000)))
        peak = peak_of(session, ["momentum-1"])
        assert peak is not None and peak.usd == Decimal(9500)


def test_the_engine_heard_last_is_the_latest(any_store: Store) -> None:
    with any_store.session() as session:
        assert engine_states.latest(session) is None
        engine_states.put(session, "e1", "active", NOON, NOON, {"n": 1})
        engine_states.put(session, "e2", "active", NOON, NOON - HOUR, {})
        engine_states.put(session, "e1", "halted", NOON, NOON + HOUR, {"n": 2})
        latest = engine_states.latest(session)
    assert latest is not None
    assert (latest.engine_id, latest.state, latest.heard_at, latest.detail) == ("e1", "halted", NOON + HOUR, {"n": 2})


def report(on: date, language: Any = "en", text: str = "# day") -> Report:
    return Report(f"daily-{on}-{language}", "daily", on, language, text, "<h1>", text, NOON)


def test_one_report_a_kind_day_and_language(any_store: Store) -> None:
    first, second = report(date(2026, 3, 1)), report(date(2026, 3, 2))
    with any_store.session() as session:
        assert reports.add(session, first)
        assert not reports.add(session, first)
        reports.add(session, second)
        reports.add(session, report(date(2026, 3, 2), "ko"))
        with pytest.raises(Conflict):
            reports.add(session, replace(first, report_id="other", sha256="x"))
        assert reports.latest(session, "daily", "en") == second
        assert reports.get(session, "daily", first.on, "en") == first
        assert reports.get(session, "weekly", first.on, "en") is None
        assert [(r.on.day, r.language) for r in reports.list(session, 2)] == [(2, "en"), (2, "ko")]


def forecast(day: int, instance_id: str = "mm-1") -> Forecast:
    on = date(2026, 3, day)
    unknown = (None,) * 7
    return Forecast(f"f-{day}-{instance_id}", on, instance_id, "market_making", "all", 3, *unknown)


def test_forecasts_wait_for_their_score(any_store: Store) -> None:
    with any_store.session() as session:
        assert forecasts.latest(session) == []
        for one in (forecast(1), forecast(2), forecast(2, "a-1")):
            forecasts.add(session, one)
        assert [one.instance_id for one in forecasts.latest(session)] == ["a-1", "mm-1"]
        assert forecasts.unscored_before(session, date(2026, 3, 2)) == [forecast(1)]
        scored = replace(forecast(1), realised_usd=2.5)
        forecasts.put_score(session, scored)
        assert forecasts.unscored_before(session, date(2026, 3, 2)) == []
        assert forecasts.scored(session, 5) == [scored]
        with pytest.raises(UnknownName):
            forecasts.put_score(session, forecast(9))


def test_patterns_are_replaced_and_read_by_state(any_store: Store) -> None:
    with any_store.session() as session:
        patterns.put(session, pattern_rule())
        patterns.put(session, pattern_rule(state="confirmed"))
        patterns.put(session, pattern_rule(pattern_id="pattern-2", state="retired"))
        assert [one.state for one in patterns.list(session, ("new", "confirmed"))] == ["confirmed"]
        assert len(patterns.list(session)) == 2


def test_notes_remember_where_they_were_used(any_store: Store) -> None:
    with any_store.session() as session:
        note = leave_note(session, NOON, "ann", "general", "", ["good"], "fine")
        feedback_notes.mark_used(session, note.note_id, "dataset-1", "counted:2026-03-02")
        feedback_notes.mark_used(session, note.note_id, "dataset-1", "counted:2026-03-02")
        now = feedback_notes.get(session, note.note_id)
        assert (now.used_in, now.effect) == (("dataset-1",), "counted:2026-03-02")
        assert feedback_notes.between(session, NOON, NOON + HOUR) == feedback_notes.latest(session, 5) == [now]
        with pytest.raises(UnknownName):
            feedback_notes.get(session, "x")


def test_alerts_are_open_until_resolved(any_store: Store) -> None:
    finding = Finding("cpu", "host", True, "warning", {"value": "90", "limit": "80"})
    alert = build_alert(finding, NOON, "en")
    with any_store.session() as session:
        assert alerts.add(session, alert)
        assert not alerts.add(session, alert)
        assert alerts.open(session) == [alert]
        alerts.resolve(session, alert.alert_id, NOON + HOUR)
        alerts.resolve(session, alert.alert_id, NOON + 2 * HOUR)
        assert alerts.open(session) == []
        last = alerts.last_of_kind(session, "cpu", "host")
        assert last is not None and last.resolved_at == NOON + HOUR
        assert alerts.last_of_kind(session, "cpu", "other") is None
        with pytest.raises(UnknownName):
            alerts.resolve(session, "x", NOON)


def test_outcomes_of_nothing_are_no_success_and_no_failure(any_store: Store) -> None:
    with any_store.session() as session:
        assert [(one.subject, one.n, one.success_pct) for one in outcomes.since(session, NOON)] == [
            ("jobs", 0, None),
            ("frames", 0, None),
            ("llm", 0, None),
        ]
        assert outcomes.n_errors_since(session, NOON) == 0


def test_feedback_on_predictions_comes_back_by_time_and_by_what_is_asked(any_store: Store) -> None:
    made = [
        factories.performance("predictive-1-p1", NOON),
        factories.performance("predictive-1-p2", NOON + HOUR, outcome="stale", prediction_id="x"),
        factories.performance("predictive-2-p1", NOON + HOUR, instance_id="predictive-2"),
    ]
    with any_store.session() as session:
        for one in made:
            performance.add(session, one)
        assert performance.between(session, NOON, NOON + HOUR) == made[:1]
        assert performance.between(session, NOON, NOON + 2 * HOUR) == made
        assert performance.latest(session, 2) == made[:0:-1]
        assert performance.latest(session, 9, instance_id="predictive-2") == [made[2]]
        assert performance.latest(session, 9, prediction_id="x", outcome="stale") == [made[1]]
        assert performance.latest(session, 9, prediction_id="x", outcome="taken") == []


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, True])
def test_a_proposal_that_could_not_be_read_again_is_not_stored(store: Store, clock: VirtualClock, wrong: float) -> None:
    with store.session() as session:
        base = initial_version(session, clock.now())
        sound = make_proposal(base, clock.now(), spread_threshold=50.0)
        effect = replace(sound.expected_effect, magnitude=wrong)
        edits = (replace(sound.edits[0], value=wrong),)
        for over in ({"confidence": wrong}, {"expected_effect": effect}, {"edits": edits}):
            with pytest.raises(BadInput, match="no number"):
                proposals.add(session, replace(sound, **over))
        assert proposals.find(session, sound.proposal_id) is None and proposals.add(session, sound)


def test_a_trial_is_written_over_as_its_bars_come_and_ends_with_its_row(any_store: Store) -> None:
    begun = ModelTrial("sign:1:1m", "a" * 64, "b" * 64, 1, 1)
    other = replace(begun, challenger="c" * 64)
    waiting = (Pair("BTCUSDT", 60_000, 100.25, 0.1 + 0.2, 1 / 3),)
    later = replace(begun, reached_ms=60_000, waiting=waiting, first=Tally(2, 1, 2**0.5), for_incumbent={"n": 1})
    for trial in (begun, other, later):
        with any_store.session() as session:
            model_trials.put(session, trial)
    with any_store.session() as session:
        assert model_trials.all(session) == [later, other]
        model_trials.remove(session, other.slot, other.challenger)
    with any_store.session() as session:
        assert model_trials.all(session) == [later]


def test_a_watch_its_findings_and_its_requests_are_kept_once(any_store: Store) -> None:
    watch = ModelWatch("a" * 64, "sign:1:1h", ("BTCUSDT",), 0.0, True, window={"total": 0.1 + 0.2})
    later = replace(watch, reached_ms=60_000, waiting=(Waiting("BTCUSDT", 60_000, 100.25, 1 / 3),))
    finding = DriftFinding(watch.model_id, watch.slot, "error", NOON, NOON + timedelta(hours=2), 0.3, 2**0.5)
    request = RetrainingRequest("r1", watch.slot, watch.model_id, "drift", NOON, watch.command)
    with any_store.session() as session:
        for each in (watch, later):
            model_watches.put(session, each)
        assert [model_watches.add_finding(session, finding) for _ in range(2)] == [True, False]
        with pytest.raises(Conflict):
            model_watches.add_finding(session, replace(finding, after=1.0))
        again = replace(request, request_id="r2", at=NOON + timedelta(days=7))
        assert [model_watches.ask(session, each) for each in (request, again)] == [True, False]
    with any_store.session() as session:
        assert model_watches.find(session, watch.model_id) == later
        assert model_watches.find(session, "b" * 64) is None
        assert model_watches.findings(session) == model_watches.findings(session, watch.model_id) == [finding]
        assert model_watches.open_requests(session) == [request]
        trained = ModelVersion("c" * 64, watch.slot, "candidate", NOON + timedelta(hours=1), "5" * 64, (), True)
        model_versions.add(session, trained)
        assert model_watches.open_requests(session) == []
        assert model_watches.ask(session, again)
