"""A program for the kill tests: runs a job of two steps on the database it is given, then ends.

Arguments: database URL, home, crash point (or ""), "go" or "hold". With "hold" it keeps the worker lease until killed.
"""

import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from core.clock import SystemClock
from core.crash import crash_at
from core.store import Session, audit, open_store
from feedback.runs import RunLedger, owner_name
from feedback.worker_lease import WorkerLease

DUE = datetime(2026, 3, 1, 15, 5, tzinfo=UTC)


def main(url: str, home: str, crash_point: str, mode: str) -> None:
    store, clock, owner = open_store(url), SystemClock(), owner_name("worker")
    with WorkerLease(store, clock, Path(home), owner, on_lost=say):
        say("leased")
        if mode == "hold":
            threading.Event().wait()
        run = RunLedger(store, clock, owner, crash_at(crash_point), take_over=True).open_run("daily", DUE)
        if run is None:
            say("nothing to do")
            return
        for name in ("one", "two"):
            run.step(name, lambda name=name: name, save)
        run.finish()
        say("finished")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def save(session: Session, name: str) -> str:
    audit.append(session, DUE, "worker", name, "daily", {})
    return name


if __name__ == "__main__":
    main(*sys.argv[1:])
