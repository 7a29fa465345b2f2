"""Small demos in processes of their own: started, killed, copied, resumed, and compared with what they should hold."""

import fcntl
import json
import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from app import demo
from app.demo import demo_settings, run_demo
from app.home import Home
from core.settings import Settings
from core.settings_sections import PROJECT_ROOT, EngineSettings
from core.store import Session, audit, ledger, open_store

SEED = 7
DAYS = 2
"""The first night holds a daily and a Sunday's weekly cycle, which begins a canary; the second day runs its shadow."""
WHOLE_DAYS = demo.DAYS
"""Enough for one change to get to the whole capital, and for another to be taken back after the market has turned."""
FIRST_STEP = "daily.collect:before"
PHASES = ("before", "after_effect", "after_commit")
BINARY = EngineSettings().binary
_PER_PROCESS = {
    "lease": "belongs to the process",
    "engine_state": "holds the last greeting, which comes with every start",
    "bridge_inbound": "counts a repeated `reached` too",
}
_PER_ATTEMPT = {"job_run": ("lease_owner", "fencing_token", "attempts"), "bridge_outbound": ("seq", "acked_at")}


def run_cli(folder: Path, *arguments: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `xcrack` as a person would, with settings written to `folder` that name no more than a home."""
    (folder / "settings.yaml").write_text(json.dumps({"home": str(home or folder / "var")}))
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR"}}
    environment = kept | {"XCRACK_SETTINGS": str(folder / "settings.yaml")}
    command = [sys.executable, "-m", "app.cli", *arguments]
    return subprocess.run(
        command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=False, timeout=900
    )


def session_on_copy(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Yield a session on a copy of the store: one on the store itself would keep everybody else out."""
    copied = shutil.copyfile(home / "xcrack.db", tmp_path_factory.mktemp("read") / "xcrack.db")
    store = open_store(f"sqlite:///{copied}")
    with store.session() as session:
        yield session
    store.dispose()


def settings_of(home: Path, analyzer: Mapping[str, Any] | None = None, speaks: bool = False) -> Settings:
    """Return a demo's settings; `analyzer` gives it a language model, which a demo has none of.

    Its models are silent unless it `speaks`: every start of one that does reads two days again.
    """
    settings = demo_settings(Settings(), home)
    changed = {
        "analyzer": {**settings.analyzer.model_dump(), **(analyzer or {})},
        "models": {**settings.models.model_dump(), "in_replay": speaks},
    }
    return Settings.model_validate({**settings.model_dump(), **changed})


def start_demo(
    home: Path,
    crash_at: str = "",
    seed: int = SEED,
    days: int = DAYS,
    analyzer: Mapping[str, Any] | None = None,
    speaks: bool = False,
) -> BaseProcess:
    """Start or go on with a demo in a process that has loaded its modules already, so that a kill costs little."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.demo_runs"])
    program = context.Process(target=_work, args=(home, crash_at, seed, days, analyzer, speaks))
    program.start()
    return program


def _work(home: Path, crash_at: str, seed: int, days: int, analyzer: Mapping[str, Any] | None, speaks: bool) -> None:
    home.mkdir(exist_ok=True)
    log = os.open(home / "worker.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ["XCRACK_CRASH_AT"] = crash_at
    await_engine_gone(home)
    run_demo(settings_of(home, analyzer, speaks), Home(home), seed, days, lambda progress: None, resume=True)


def await_engine_gone(home: Path) -> None:
    """An engine dies with its worker, and a moment later."""
    if (home / "engine" / "lock").exists():
        with (home / "engine" / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)


def finish_demo(home: Path, crash_at: str = "", seed: int = SEED, days: int = DAYS, **more: Any) -> int | None:
    """Run a demo to its end, or to its crash point, and return the exit code: minus the signal after a kill."""
    program = start_demo(home, crash_at, seed, days, **more)
    program.join(timeout=240)
    return program.exitcode


def n_records(home: Path) -> int:
    """Return how many records the engine's journal holds."""
    return (home / "engine" / "journal.jsonl").read_bytes().count(b"\n")


def kill_when(home: Path, number: int, kill: Callable[[BaseProcess], None], program: BaseProcess) -> None:
    """Call `kill` as soon as the engine's journal holds so many records, and wait for the program's end."""
    deadline = time.monotonic() + 120
    while n_records(home) < number:
        assert program.is_alive() and time.monotonic() < deadline, words_of(home)
        time.sleep(0.002)
    kill(program)
    program.join(timeout=60)


def copy_home(source: Path, target: Path) -> Path:
    """Copy an installation that nobody uses now; it works where it lies then."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("control.sock"))
    config = target / "engine.json"
    config.write_text(config.read_text().replace(str(source), str(target)))
    return target


def contents_of(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table, but for what each start or attempt may leave differently."""
    with closing(sqlite3.connect(home / "xcrack.db")) as db:
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: sorted(_rows(db, name), key=repr) for name in names if name not in _PER_PROCESS}


def _rows(db: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    found = db.execute(f'SELECT * FROM "{table}"')
    names = [column[0] for column in found.description]
    for row in found:
        values = {
            name: value for name, value in zip(names, row, strict=True) if name not in _PER_ATTEMPT.get(table, ())
        }
        # Time is granted once more after a kill; the engine takes the later of two grants. The monitor looks once more,
        # and keeps how far it has looked.
        has_looked = table == "setting_fact" and values["name"].startswith("profit_peak")
        if values.get("kind") != "advance_to" and table != "sqlite_sequence" and not has_looked:
            yield tuple(values.values())


def replay_of(home: Path) -> dict[str, Any]:
    """Return what the journal says that the engine did: the hash of its actions and how far it came."""
    done = subprocess.run([BINARY, "replay", "--config", home / "engine.json"], capture_output=True, check=True)
    facts: dict[str, Any] = json.loads(done.stdout)
    return {name: facts[name] for name in ("actions_sha256", "bars", "reached_ns", "feed_ended")}


def require_unbroken_chains(home: Path) -> None:
    """Fail when a row of the audit or the trial ledger, or a record of the engine's journal, breaks its chain."""
    store = open_store(f"sqlite:///{home / 'xcrack.db'}")
    try:
        with store.session() as session:
            assert audit.verify(session) is None
            assert ledger.verify(session) is None
    finally:
        store.dispose()
    command = [BINARY, "journal", "--state-dir", home / "engine", "verify"]
    subprocess.run(command, capture_output=True, check=True)


def require_same(home: Path, reference: Path) -> None:
    """Fail when a demo that was killed differs in a row, or in an action of the engine, from one that was not."""
    found, wanted = contents_of(home), contents_of(reference)
    differing = {name: (len(rows), len(found[name])) for name, rows in wanted.items() if found[name] != rows}
    assert not differing, f"tables that differ, with the number of rows wanted and found: {differing}"
    assert replay_of(home) == replay_of(reference)
    require_unbroken_chains(home)


def words_of(home: Path) -> str:
    """Return the last words of worker and engine."""
    logs = [home / "worker.log", home / "engine.log"]
    return "\n".join(log.read_text(errors="replace")[-2000:] for log in logs if log.exists())


def crash_points(home: Path, job: str) -> list[str]:
    """Return `<job>.<step>:<phase>` of every step that a finished demo recorded for a job, in order."""
    query = "SELECT s.step FROM job_step s JOIN job_run r USING (run_id) WHERE r.job = ? GROUP BY s.step"
    with closing(sqlite3.connect(home / "xcrack.db")) as db:
        steps = [row[0] for row in db.execute(query + " ORDER BY min(s.rowid)", (job,))]
    return [f"{job}.{step}:{phase}" for step in steps for phase in PHASES]


def shared_home(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path, int], None], seed: int = SEED
) -> Path:
    """Return a home made once for all test processes of a run."""
    base = factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    home = base / f"{name}-{seed}"
    with FileLock(base / f"{name}-{seed}.lock"):
        if not (base / f"{name}-{seed}.made").exists():
            shutil.rmtree(home, ignore_errors=True)
            make(home, seed)
            (base / f"{name}-{seed}.made").touch()
    return home


def make_whole(home: Path, seed: int = SEED) -> None:
    """Run a demo of the usual length; what it printed lies beside its home."""
    make_finished(home, seed, WHOLE_DAYS)


def make_finished(home: Path, seed: int = SEED, days: int = DAYS) -> None:
    """Run a demo without interruption; what it printed lies beside its home."""
    done = run_cli(home.parent, "demo", "--days", str(days), "--seed", str(seed), "--home", str(home), "--json")
    assert done.returncode == 0, done.stderr
    home.with_suffix(".json").write_text(done.stdout)


def make_silent(home: Path, seed: int = SEED) -> None:
    """Run a demo without interruption whose models are silent."""
    assert finish_demo(home, seed=seed) == 0, words_of(home)


def make_begun(home: Path, seed: int = SEED) -> None:
    """Run a demo whose models are silent until its first cycle is due, and kill it there."""
    assert finish_demo(home, FIRST_STEP, seed) == -9, words_of(home)
