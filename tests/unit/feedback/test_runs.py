from datetime import UTC, datetime, timedelta

import pytest

from core.clock import VirtualClock
from core.crash import crash_at
from core.errors import Conflict
from core.store import jobs, setting_facts
from feedback.runs import RUN_LEASE, RunLedger

DUE = datetime(2026, 3, 1, 15, 5, tzinfo=UTC)
POINTS = [f"daily.{step}:{phase}" for step in ("one", "two") for phase in ("before", "after_effect", "after_commit")]


class Killed(BaseException):
    """Stands for SIGKILL: no `except Exception` sees it."""


def never(_: str) -> None:
    return None


def kill_at(wanted: str):
    def crash(point: str) -> None:
        if point == wanted:
            raise Killed(point)

    return crash


class Counted:
    """A job of two steps whose effects can be counted."""

    def __init__(self, store) -> None:
        self.store = store
        self.computed: list[str] = []

    def run(self, ledger: RunLedger) -> list[str] | None:
        run = ledger.open_run("daily", DUE)
        if run is None:
            return None
        outputs = [run.step(name, lambda name=name: self._compute(name), self._save) for name in ("one", "two")]
        run.finish()
        return outputs

    def _compute(self, name: str) -> str:
        self.computed.append(name)
        return name

    def _save(self, session, name: str) -> str:
        effects = setting_facts.get(session, "effects", list[str]) or []
        setting_facts.put(session, "effects", [*effects, name], DUE)
        return f"id of {name}"

    @property
    def effects(self) -> list[str]:
        with self.store.session() as session:
            return setting_facts.get(session, "effects", list[str]) or []


@pytest.fixture
def counted(store) -> Counted:
    return Counted(store)


def test_a_finished_run_is_not_opened_again(store, clock, counted):
    ledger = RunLedger(store, clock, "a", never)
    assert counted.run(ledger) == ["id of one", "id of two"]
    assert counted.run(ledger) is None
    assert counted.effects == ["one", "two"]


@pytest.mark.parametrize("point", POINTS)
def test_a_run_killed_at_any_point_is_finished_after_a_restart_with_each_effect_once(store, clock, counted, point):
    with pytest.raises(Killed):
        counted.run(RunLedger(store, clock, "first", kill_at(point)))
    restarted = RunLedger(store, clock, "second", never, take_over=True)
    assert counted.run(restarted) == ["id of one", "id of two"]
    assert counted.effects == ["one", "two"]


def test_a_committed_step_is_not_computed_again(store, clock, counted):
    with pytest.raises(Killed):
        counted.run(RunLedger(store, clock, "first", kill_at("daily.one:after_commit")))
    counted.run(RunLedger(store, clock, "second", never, take_over=True))
    assert counted.computed == ["one", "two"]


def test_a_run_of_a_live_owner_is_not_opened_by_another_until_its_lease_ends(store, clock):
    assert RunLedger(store, clock, "first", never).open_run("daily", DUE) is not None
    other = RunLedger(store, clock, "second", never)
    assert other.open_run("daily", DUE) is None
    clock.advance_to(clock.now() + RUN_LEASE)
    assert other.open_run("daily", DUE) is not None


def test_an_owner_does_not_open_the_run_it_is_working_on_even_when_it_may_take_over(store, clock):
    ledger = RunLedger(store, clock, "worker", never, take_over=True)
    assert ledger.open_run("daily", DUE) is not None
    assert ledger.open_run("daily", DUE) is None


def test_a_stale_owner_is_refused_in_its_step_and_writes_nothing(store, clock, counted):
    paused = RunLedger(store, clock, "paused", never).open_run("daily", DUE)
    clock.advance_to(clock.now() + RUN_LEASE)
    assert counted.run(RunLedger(store, clock, "other", never)) is not None
    with pytest.raises(Conflict, match="stale"):
        paused.step("three", lambda: "three", counted._save)
    with pytest.raises(Conflict, match="stale"):
        paused.finish()
    assert counted.effects == ["one", "two"]


def test_a_lease_lost_during_a_computation_is_noticed_before_anything_is_written(store, clock, counted):
    def computed_while_another_takes_over() -> str:
        RunLedger(store, clock, "thief", never, take_over=True).open_run("daily", DUE)
        return "one"

    slow = RunLedger(store, clock, "slow", never).open_run("daily", DUE)
    with pytest.raises(Conflict, match="with thief"):
        slow.step("one", computed_while_another_takes_over, counted._save)
    assert counted.effects == []


def test_a_slow_computation_keeps_its_lease(store, clock, monkeypatch):
    monkeypatch.setattr("feedback.runs.RENEW_EVERY_S", 0.001)
    run = RunLedger(store, clock, "slow", never).open_run("daily", DUE)

    def lease_until():
        with store.session() as session:
            return jobs.get(session, run.row.run_id).lease_until

    def compute() -> str:
        before = lease_until()
        clock.advance_to(clock.now() + RUN_LEASE / 2)
        while lease_until() == before:
            pass
        return "done"

    assert run.step("one", compute, lambda _, value: value) == "done"
    assert lease_until() == clock.now() + RUN_LEASE


def test_a_failed_step_leaves_no_effect_and_waits_longer_each_time(store, clock, counted):
    def fail(session, name):
        counted._save(session, name)
        raise ValueError("no such luck, sk-abcdefghijkl")

    ledger = RunLedger(store, clock, "worker", never, take_over=True)
    waits = []
    for _ in range(8):
        run = ledger.open_run("daily", DUE)
        with pytest.raises(ValueError, match="no such luck"):
            run.step("one", lambda: "one", fail)
        assert ledger.open_run("daily", DUE) is None
        with store.session() as session:
            row = jobs.get(session, run.row.run_id)
        waits.append(row.retry_at - clock.now())
        clock.advance_to(row.retry_at)
    assert counted.effects == []
    assert [wait // timedelta(minutes=1) for wait in waits] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert row.error == "step one: ValueError: no such luck, [redacted]"
    assert counted.run(ledger) is not None


def test_the_fencing_token_only_grows(store, clock):
    tokens = []
    for owner in ("a", "b", "c"):
        run = RunLedger(store, clock, owner, never, take_over=True).open_run("daily", DUE)
        tokens.append(run.row.fencing_token)
    assert tokens == [1, 2, 3]


def test_the_same_due_time_in_another_zone_is_the_same_run(store, clock, counted):
    from core.clock import KST

    ledger = RunLedger(store, clock, "a", never)
    counted.run(ledger)
    assert ledger.open_run("daily", DUE.astimezone(KST)) is None


def test_no_crash_point_kills_when_none_is_asked_for():
    crash_at("")("daily.one:before")
    crash_at("daily.two:before")("daily.one:before")


def test_a_virtual_clock_does_not_hold_a_dead_owners_run_when_taken_over(store, counted):
    still = VirtualClock(DUE)
    with pytest.raises(Killed):
        counted.run(RunLedger(store, still, "dead", kill_at("daily.two:before")))
    assert counted.run(RunLedger(store, still, "alive", never, take_over=True)) is not None


def test_a_numbered_crash_point_waits_for_its_turn(monkeypatch):
    killed = []
    monkeypatch.setattr("core.crash.os.kill", lambda *arguments: killed.append(arguments))
    crash = crash_at("daily.one:before#2")
    crash("daily.one:before")
    crash("daily.two:before")
    assert not killed
    crash("daily.one:before")
    crash("daily.one:before")
    assert len(killed) == 1
