"""What people may do about a canary: by command, by a rollback, by rejecting its first money."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.cli import main
from app.home import Home
from app.requests import carry_out, place_request
from app.wiring import Rooms, build_rooms
from app.worker import build_actions
from core.clock import VirtualClock
from core.errors import Conflict, UnknownName
from core.model.canary import Canary
from core.settings import Settings
from core.store import canaries, deployments, proposals, requests, verdicts
from strategies.gate.records import verdict_id
from tests.canaries import canary
from tests.factories import verdict
from tests.gate_world import make_proposal

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[Rooms]:
    settings = Settings.model_validate({"home": tmp_path, "gate": {"require_approval": True}})
    with build_rooms(settings, Home(tmp_path), VirtualClock(NOW), ("BTCUSDT",)) as rooms:
        yield rooms


@pytest.fixture
def begun(rooms: Rooms) -> Canary:
    """A canary of mm-1 in the shadow whose first money waits for a person."""
    with rooms.store.session() as session:
        versions = rooms.rollout.ensure_initial(session, rooms.settings.instances)
        base = next(version for version in versions if version.instance_id == "mm-1")
        proposal = make_proposal(base, NOW, spread_threshold=50.0)
        proposals.add(session, proposal)
        proposals.set_state(session, proposal.proposal_id, "accepted")
        named = verdict_id(proposal.proposal_id, "sealed")
        verdicts.add(session, verdict(proposal.proposal_id, "sealed", verdict_id=named, outcome="accepted"))
        made = canary(
            proposal_id=proposal.proposal_id,
            incumbent_params=base.params,
            incumbent_sha256=base.sha256,
            candidate_params=proposal.params,
        )
        rooms.canaries.desk.begin(session, made)
        rooms.rollout.ask_for_canary(session, "mm-1", proposal.params, proposal.proposal_id)
    return made


def ask(rooms: Rooms, kind: str, subject: str) -> str:
    placed = place_request(rooms.store, rooms.clock, kind, subject, "ann", "cli", "because", f"{kind}:{subject}")
    carry_out(rooms.store, *build_actions(rooms))
    with rooms.store.session() as session:
        done = requests.get(session, placed.request_id)
    return f"{done.state}: {done.result}"


def stored(rooms: Rooms, of: Canary) -> tuple[str, str, str]:
    with rooms.store.session() as session:
        found = canaries.get(session, of.canary_id)
        return found.stage, found.reason, proposals.get(session, of.proposal_id).state


@pytest.mark.parametrize(
    ("kind", "named_by"),
    [("stop_canary", "canary_id"), ("rollback", "canary_id"), ("rollback", "proposal_id"), ("rollback", "instance_id")],
)
def test_a_person_takes_a_canary_back_once(rooms: Rooms, begun: Canary, kind: str, named_by: str) -> None:
    subject = getattr(begun, named_by)
    assert ask(rooms, kind, subject) == f"done: canary {begun.canary_id} of mm-1 is rolled back"
    assert stored(rooms, begun) == ("rolled_back", "ann: because", "rolled_back")
    assert ask(rooms, "stop_canary", begun.canary_id).startswith("failed" if kind != "stop_canary" else "done")


def test_an_approval_makes_the_slot_ready_and_moves_no_capital(rooms: Rooms, begun: Canary) -> None:
    assert ask(rooms, "approve", begun.proposal_id).endswith("is pushed")
    with rooms.store.session() as session:
        [made] = deployments.for_proposal(session, begun.proposal_id)
        assert (made.instance_id, made.capital_share, made.approved_by) == ("mm-1.canary", 0.0, "ann")
    assert stored(rooms, begun)[0] == "shadow"


def test_a_rejection_of_the_first_money_ends_the_canary(rooms: Rooms, begun: Canary) -> None:
    assert ask(rooms, "reject", begun.proposal_id).endswith("is rejected")
    assert stored(rooms, begun) == ("rolled_back", "ann: because", "refused")


def test_what_is_no_canary_cannot_be_stopped(rooms: Rooms) -> None:
    with pytest.raises(UnknownName, match="canary list"):
        ask(rooms, "stop_canary", "canary-none")


def test_the_commands_show_and_stop(
    rooms: Rooms, begun: Canary, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XCRACK_HOME", str(rooms.settings.home))
    for arguments, says in (
        (("list",), "shadow"),
        (("list", "--json"), begun.canary_id),
        (("show", begun.canary_id), "spread_threshold: 60 -> 50"),
        (("show", begun.canary_id, "--json"), '"decisions":[]'),
        (("stop", begun.canary_id, "--by", "kim", "--reason", "holidays"), "is stored"),
    ):
        with pytest.raises(SystemExit) as leave:
            main(["canary", *arguments])
        assert (leave.value.code, says in capsys.readouterr().out) == (0, True), arguments
    with pytest.raises(SystemExit) as leave:
        main(["canary", "stop", begun.canary_id, "--by", "kim"])
    assert leave.value.code == 2
    carry_out(rooms.store, *build_actions(rooms))
    assert stored(rooms, begun)[1] == "kim: holidays"
    with pytest.raises(SystemExit) as leave:
        main(["canary", "stop", begun.canary_id, "--by", "kim", "--reason", "once more"])
    told = capsys.readouterr()
    assert (leave.value.code, told.out) == (3, "") and "rolled_back: nothing of it is on its way" in told.err


def test_people_see_what_became_of_a_request(
    rooms: Rooms, begun: Canary, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XCRACK_HOME", str(rooms.settings.home))
    place_request(rooms.store, rooms.clock, "stop_canary", begun.canary_id, "ann", "cli", "because", "first")
    again = place_request(rooms.store, rooms.clock, "stop_canary", begun.canary_id, "lee", "cli", "too", "second")
    for code, arguments, says in (
        (0, ("list",), "open"),
        (0, ("show", again.request_id), "the worker has not come to it yet"),
        (None, (), ""),
        (0, ("list", "--json"), '"state":"failed"'),
        (3, ("show", again.request_id), "nothing of it is on its way"),
        (2, ("show", "req-none"), ""),
    ):
        if code is None:
            carry_out(rooms.store, *build_actions(rooms))
            continue
        with pytest.raises(SystemExit) as leave:
            main(["requests", *arguments])
        assert (leave.value.code, says in capsys.readouterr().out) == (code, True), arguments


@pytest.mark.parametrize(
    ("subject", "says"), [("nosuch", "no instance, deployment or proposal"), ("sma-1", "no deployment made")]
)
def test_what_leads_nowhere_back_is_said_at_once(rooms: Rooms, begun: Canary, subject: str, says: str) -> None:
    with pytest.raises((UnknownName, Conflict), match=says):
        ask(rooms, "rollback", subject)
