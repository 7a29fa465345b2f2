"""What the worker does for people, and what it leaves behind after each day's study."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from app.home import Home
from app.requests import carry_out, place_request
from app.wiring import Rooms, build_rooms
from app.worker import build_actions, note_heard, run_worker
from core.clock import VirtualClock
from core.errors import BadInput, Refused
from core.model.generated import Command, Heartbeat
from core.model.proposal import Deployment
from core.settings import Settings
from core.store import audit, deployments, engine_states, frames, ledger, param_versions, proposals, requests, verdicts
from feedback.cycles.daily import DailyFeedbackLoop, deploy_narrowed
from strategies.gate import Gate
from strategies.schema import default_params
from tests.factories import param_version, proposal, verdict

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
SYMBOLS = ("BTCUSDT", "ETHUSDT")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW)


@pytest.fixture
def rooms(tmp_path: Path, clock: VirtualClock) -> Iterator[Rooms]:
    settings = Settings.model_validate({"home": tmp_path})
    with build_rooms(settings, Home(tmp_path), clock, SYMBOLS) as rooms:
        yield rooms


def _ask(rooms: Rooms, kind: str, subject: str) -> str:
    """Place a request, have it carried out, and return state and result."""
    placed = place_request(rooms.store, rooms.clock, kind, subject, "ann", "cli", "because", f"{kind}:{subject}")
    carry_out(rooms.store, *build_actions(rooms))
    with rooms.store.session() as session:
        done = requests.get(session, placed.request_id)
    return f"{done.state}: {done.result}"


def _wait_for_approval(rooms: Rooms) -> None:
    with rooms.store.session() as session:
        proposals.add(session, proposal("proposal-1", "accepted"))
        param_versions.add(session, param_version("momentum-1", 1))
        param_versions.add(session, param_version("momentum-1", 2, origin="proposal-1", active=False))
        waiting = Deployment(
            "dep-1", "proposal-1", "momentum-1", 2, 1, "awaiting_approval", NOW, "", None, None, "", ""
        )
        deployments.add(session, waiting)


@pytest.mark.parametrize("kind", ["halt", "resume", "reduce"])
def test_an_order_goes_to_the_engine_under_the_requests_own_id(rooms: Rooms, kind: str) -> None:
    assert _ask(rooms, kind, "engine").startswith("done")
    with rooms.store.session() as session:
        [sent] = frames.unacked_after(session, 0)
        [request] = requests.latest(session, 5)
    assert sent.kind == "command"
    body = Command(command_id=request.request_id, action=kind, by="ann", reason="because")
    assert all(text in sent.body for text in (body.command_id, kind, "because"))


def test_an_approval_of_a_proposal_pushes_its_deployment(rooms: Rooms) -> None:
    _wait_for_approval(rooms)
    assert _ask(rooms, "approve", "proposal-1") == "done: deployment dep-1 is pushed"
    with rooms.store.session() as session:
        assert [frame.kind for frame in frames.unacked_after(session, 0)] == ["params_update"]


def test_a_rejection_sends_nothing(rooms: Rooms) -> None:
    _wait_for_approval(rooms)
    assert _ask(rooms, "reject", "dep-1") == "done: deployment dep-1 is rejected"
    with rooms.store.session() as session:
        assert not frames.unacked_after(session, 0)


def test_a_finished_cycle_asked_for_again_says_so(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[datetime] = []

    def nothing_left(_: DailyFeedbackLoop, due: datetime, late: bool) -> None:
        asked.append(due.astimezone(UTC))

    monkeypatch.setattr(DailyFeedbackLoop, "run_daily_cycle", nothing_left)
    assert _ask(rooms, "daily_cycle", "2026-03-02") == "done: the daily cycle due 2026-03-02 is done already"
    assert asked == [datetime(2026, 3, 1, 15, 5, tzinfo=UTC)]


@pytest.mark.parametrize("chain", [audit, ledger])
def test_both_chains_are_anchored_after_each_days_study(
    rooms: Rooms, clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chain: ModuleType
) -> None:
    monkeypatch.setattr(DailyFeedbackLoop, "run_daily_cycle", lambda *_: "report-1")
    with rooms.store.session() as session:
        audit.append(session, NOW, "ann", "resume", "engine", {})
        ledger.append(session, NOW, "sealed_test", "sma_cross", "proposal-1", {"level": 0.01})
    rooms.scheduler.tick()
    clock.advance_to(NOW + timedelta(hours=13))
    rooms.scheduler.tick()
    anchors = Home(tmp_path).audit_head
    assert len(anchors.read_text(encoding="utf-8").splitlines()) >= 1
    with rooms.store.session() as session:
        assert chain.verify(session, anchors) is None
    with rooms.store.engine.begin() as connection:
        newest = f"SELECT max(n) FROM {chain.table.name}"
        connection.exec_driver_sql(f"DELETE FROM {chain.table.name} WHERE n = ({newest})")
    with rooms.store.session() as session:
        assert chain.verify(session) is None
        assert "were anchored" in chain.verify(session, anchors).reason


def test_a_silent_engine_is_not_noted_as_heard(rooms: Rooms) -> None:
    with rooms.store.session() as session:
        engine_states.put(session, "engine-1", "active", NOW, NOW - timedelta(hours=1), {})
    rooms.server.last_heartbeat = Heartbeat(at_ns=0, echo_ns=0, held_ns=0, reached_ns=0, state="halted")
    note_heard(rooms)
    with rooms.store.session() as session:
        known = engine_states.latest(session)
    assert known is not None and (known.state, known.heard_at) == ("active", NOW - timedelta(hours=1))
    assert rooms.server.latency_ms is None


def test_a_heard_engine_is_noted_with_the_figures_of_the_bridge_and_keeps_the_state_it_told(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rooms.store.session() as session:
        engine_states.put(session, "engine-1", "halted", NOW, NOW - timedelta(hours=1), {"build": "test"})
    monkeypatch.setattr(type(rooms.server), "connected", True)
    # Sent before the halt, and heard after the message that told of it was committed.
    rooms.server.last_heartbeat = Heartbeat(at_ns=0, echo_ns=0, held_ns=0, reached_ns=0, state="active")
    note_heard(rooms)
    with rooms.store.session() as session:
        known = engine_states.latest(session)
    assert known is not None and (known.state, known.heard_at, known.detail["build"]) == ("halted", NOW, "test")
    assert known.detail["bridge"]["signals_made"] == 0 and known.detail["bridge"]["counts"]["links_opened"] == 0


def test_a_second_worker_is_refused_by_name(rooms: Rooms, tmp_path: Path, clock: VirtualClock) -> None:
    second = build_rooms(Settings.model_validate({"home": tmp_path}), Home(tmp_path), clock, SYMBOLS)
    with pytest.raises(Refused, match="a worker runs already"), second:
        pass
    second.store.dispose()


def test_a_worker_without_an_installation_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="xcrack up"):
        run_worker(Settings.model_validate({"home": tmp_path}))


def test_a_narrowing_whose_base_was_replaced_meanwhile_expires_and_stops_no_cycle(rooms: Rooms) -> None:
    params = default_params("momentum_scalping")
    with rooms.store.session() as session:
        for number, base in ((1, "f" * 64), (2, "a" * 64)):
            each = proposal(f"proposal-{number}", "narrowed", base_sha256=base, base_params=params, edits=())
            proposals.add(session, each)
            verdicts.add(session, verdict(each.proposal_id, "admission", outcome="narrowed"))
        param_versions.add(session, param_version("momentum-1", 1, sha256="a" * 64))
        deployed = deploy_narrowed(session, rooms.rollout)
    with rooms.store.session() as session:
        assert [deployments.get(session, each).proposal_id for each in deployed] == ["proposal-2"]
        assert proposals.get(session, "proposal-1").state == "expired"


def test_a_champion_that_expired_before_its_test_ends_the_week_without_one(
    rooms: Rooms, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sunday = datetime(2026, 3, 7, 15, 30, tzinfo=UTC)
    clock.advance_to(sunday)
    with rooms.store.session() as session:
        proposals.add(session, proposal("proposal-1", "expired"))
    monkeypatch.setattr(Gate, "champion", lambda *_: proposal("proposal-1", "queued"))
    assert rooms.weekly.run_weekly_analysis(sunday) is not None
    with rooms.store.session() as session:
        assert proposals.get(session, "proposal-1").state == "expired"
        assert verdicts.for_proposal(session, "proposal-1") == []
