import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from core.errors import Refused
from core.store import audit, jobs, leases
from feedback.runs import RunLedger
from feedback.worker_lease import LEASE_NAME, WORKER_LEASE, WorkerLease
from tests.conftest import START
from tests.integration.durable_job import DUE
from tests.servers import end_with_tests

PROGRAM = Path(__file__).with_name("durable_job.py")
ROOT = PROGRAM.parents[2]
POINTS = [f"daily.{step}:{phase}" for step in ("one", "two") for phase in ("before", "after_effect", "after_commit")]


@pytest.fixture
def build_lease(clock):
    """Return a function that builds a worker's lease on a store; those taken are given back at the end."""
    built = []

    def build(store, home, owner, on_lost=print):
        built.append(WorkerLease(store, clock, home, owner, on_lost))
        return built[-1]

    yield build
    for lease in built:
        lease.release()


def url_of(store):
    return store.engine.url.render_as_string(hide_password=False)


def start(store, home, crash_point="", mode="go"):
    command = [sys.executable, str(PROGRAM), url_of(store), str(home), crash_point, mode]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, preexec_fn=end_with_tests)


def run(store, home, crash_point=""):
    program = start(store, home, crash_point)
    output, _ = program.communicate(timeout=60)
    return program.returncode, output.split("\n")[:-1]


def effects(store):
    with store.session() as session:
        assert audit.verify(session) is None
        return [row.action for row in reversed(audit.latest(session, 9))]


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_with_sigkill_anywhere_finishes_at_the_next_start_with_each_effect_once(store, tmp_path, point):
    assert run(store, tmp_path, point) == (-signal.SIGKILL, ["leased"])
    assert run(store, tmp_path) == (0, ["leased", "finished"])
    assert run(store, tmp_path) == (0, ["leased", "nothing to do"])
    assert effects(store) == ["one", "two"]


def test_a_second_worker_is_refused_by_name_and_starts_at_once_after_the_first_is_killed(
    store, tmp_path, clock, build_lease
):
    holder = start(store, tmp_path, mode="hold")
    try:
        assert holder.stdout.readline() == "leased\n"
        second = build_lease(store, tmp_path, "worker:second")
        with pytest.raises(Refused, match=rf"worker:{holder.pid}:.* holds the lease until 20"):
            second.acquire()
    finally:
        holder.kill()
        holder.communicate()
    assert second.acquire() == 2
    second.release()


def test_on_a_shared_server_a_killed_workers_lease_must_run_out_first(pg_store, tmp_path, clock, build_lease):
    first = build_lease(pg_store, tmp_path / "here", "worker:first")
    first.acquire()
    elsewhere = build_lease(pg_store, tmp_path / "there", "worker:second")
    with pytest.raises(Refused, match="worker:first holds the lease until 2026-03-02T03:00:30"):
        elsewhere.acquire()
    clock.advance_to(clock.now() + WORKER_LEASE)
    assert elsewhere.acquire() == 2
    with pytest.raises(Exception, match="went to worker:second"):
        first.renew()


def test_a_renewed_worker_lease_outlives_its_first_term(pg_store, tmp_path, clock, build_lease):
    first = build_lease(pg_store, tmp_path / "here", "worker:first")
    first.acquire()
    clock.advance_to(clock.now() + timedelta(seconds=20))
    first.renew()
    clock.advance_to(clock.now() + timedelta(seconds=20))
    with pytest.raises(Refused, match="worker:first"):
        build_lease(pg_store, tmp_path / "there", "worker:second").acquire()


def test_a_worker_that_loses_its_lease_is_told_so(pg_store, tmp_path, clock, build_lease, monkeypatch):
    monkeypatch.setattr("feedback.worker_lease.RENEW_EVERY_S", 0.01)
    told, lost = [], threading.Event()

    def on_lost(message):
        told.append(message)
        lost.set()

    with build_lease(pg_store, tmp_path, "worker:first", on_lost):
        with pg_store.session() as session:
            leases.acquire(session, LEASE_NAME, "worker:second", clock.now(), WORKER_LEASE, take_over=True)
        assert lost.wait(timeout=10)
    assert "went to worker:second" in told[0]


def test_a_worker_keeps_its_lease_without_doing_anything(pg_store, tmp_path, clock, build_lease, monkeypatch):
    monkeypatch.setattr("feedback.worker_lease.RENEW_EVERY_S", 0.01)
    lease = build_lease(pg_store, tmp_path, "worker:first")
    lease.acquire()
    clock.advance_to(clock.now() + WORKER_LEASE)
    deadline = time.monotonic() + 10
    until = None
    while until != clock.now() + WORKER_LEASE and time.monotonic() < deadline:
        with pg_store.session() as session:
            until = leases.holder(session, LEASE_NAME).until
    assert until == clock.now() + WORKER_LEASE


def test_a_worker_that_ends_gives_its_lease_back(any_store, tmp_path, clock, build_lease):
    with build_lease(any_store, tmp_path, "worker:first"):
        pass
    with build_lease(any_store, tmp_path, "worker:second"), any_store.session() as session:
        assert leases.holder(session, LEASE_NAME).owner == "worker:second"


def test_of_many_owners_at_once_exactly_one_gets_the_run(any_store, clock):
    got = []

    def claim(n):
        run = RunLedger(any_store, clock, f"worker:{n}", lambda _: None).open_run("daily", DUE)
        if run is not None:
            got.append(run)

    threads = [threading.Thread(target=claim, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1


def test_a_takeover_waits_for_the_commit_of_the_step_that_is_being_saved(pg_store, clock):
    slow = RunLedger(pg_store, clock, "slow", lambda _: None).open_run("daily", DUE)
    thief = RunLedger(pg_store, clock, "thief", lambda _: None, take_over=True)
    taken = []
    thread = threading.Thread(target=lambda: taken.append(thief.open_run("daily", DUE)))

    def save(session, value):
        thread.start()
        thread.join(timeout=0.3)
        assert taken == []
        return value

    slow.step("one", lambda: "value of slow", save)
    thread.join()
    assert taken[0].done == {"one": "value of slow"}


def test_giving_up_leaves_a_leased_run_alone_and_ends_others_once(any_store, clock):
    RunLedger(any_store, clock, "a", lambda _: None).open_run("daily", DUE)
    with any_store.session() as session:
        assert jobs.give_up(session, "daily", DUE, clock.now()) is None
        later = clock.now() + timedelta(hours=1)
        assert jobs.give_up(session, "daily", DUE, later).state == "failed"
        assert jobs.give_up(session, "daily", DUE, later) is None
        assert jobs.give_up(session, "weekly", DUE, later).state == "skipped"
        assert jobs.ended_since(session, "daily", START - timedelta(days=9)) == {DUE}
