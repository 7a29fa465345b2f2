"""The operator's commands as a person gives them, against a real engine: look, stop, let go, meet damage."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.home import Home
from core.settings import Settings
from core.settings_sections import PROJECT_ROOT
from tests.integration.engine_world import engine_config
from tests.servers import end_with_tests, free_port

WITHIN_S = 180.0
"""For anything that is waited for, also on a machine that does many things at once."""
BY = ("--by", "kim", "--reason", "odd fills")
pytestmark = pytest.mark.skipif(not Settings().engine.binary.is_file(), reason="the engine is not built: make engine")
Done = subprocess.CompletedProcess[str]


class Station:
    """A home with an engine in it, and the commands that a person gives there."""

    def __init__(self, path: Path) -> None:
        self.home = Home(path).create()
        self.environ = {**os.environ, "XCRACK_HOME": str(path)}
        self.engine: subprocess.Popen[bytes] | None = None

    def write_config(self) -> None:
        """Write the configuration of an engine that trades old bars at once, in real time, without a worker."""
        state = {"state_dir": str(self.home.engine), "secret_file": str(self.home.bridge_secret)}
        config = engine_config(self.home.path, free_port(), n_bars=60, pace="realtime", **state)
        config["state"] = {"snapshot_every_s": 1}
        self.home.engine_config.write_text(json.dumps(config), encoding="utf-8")
        self.home.bridge_secret.write_text("0123456789abcdef0123456789abcdef", encoding="utf-8")
        self.home.bridge_secret.chmod(0o600)

    def start(self) -> None:
        """Run `xcrack engine run` until its engine answers."""
        command = [sys.executable, "-m", "app.cli", "engine", "run"]
        with (self.home.path / "engine.log").open("ab") as log:
            self.engine = subprocess.Popen(
                command, cwd=PROJECT_ROOT, env=self.environ, stderr=log, preexec_fn=end_with_tests
            )
        self.wait_for(lambda: self.call("engine", "status").returncode == 0)

    def stop(self) -> int:
        """End the engine as a supervisor does, and return its code."""
        assert self.engine is not None
        self.engine.send_signal(signal.SIGTERM)
        return self.engine.wait(WITHIN_S)

    def call(self, *arguments: str, stdout: int = subprocess.PIPE) -> Done:
        """Give a command and return what came of it."""
        command = [sys.executable, "-m", "app.cli", *arguments]
        return subprocess.run(
            command, cwd=PROJECT_ROOT, env=self.environ, stdin=subprocess.DEVNULL, stdout=stdout, text=True,
            stderr=subprocess.PIPE, timeout=WITHIN_S, check=False,
        )  # fmt: skip

    def told(self, *arguments: str) -> dict[str, Any]:
        """Return the JSON that a command answers with."""
        done = self.call(*arguments)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def shown(self, *arguments: str) -> str:
        """Return what a command shows on a terminal."""
        ours, theirs = pty.openpty()
        done = self.call(*arguments, stdout=theirs)
        os.close(theirs)
        assert done.returncode == 0, done.stderr
        with os.fdopen(ours, "rb") as terminal:
            return terminal.read1(65_536).decode().replace("\r\n", "\n")

    def order(self, *arguments: str) -> dict[str, Any]:
        """Give an order; again while the engine has no time to answer."""
        answers: list[Done] = []

        def has_answered() -> bool:
            answers.append(self.call(*arguments))
            return "did not answer" not in answers[-1].stderr

        self.wait_for(has_answered)
        assert answers[-1].returncode == 0, answers[-1].stderr
        found: dict[str, Any] = json.loads(answers[-1].stdout)
        return found

    def wait_for(self, look: Callable[[], object]) -> None:
        """Return once there is something; fail with the engine's log when it ends before, or time is over."""
        until, pause = time.monotonic() + WITHIN_S, threading.Event()
        while not look():
            is_alive = self.engine is not None and self.engine.poll() is None
            if not is_alive or time.monotonic() > until:
                pytest.fail((self.home.path / "engine.log").read_text(encoding="utf-8")[-3000:])
            pause.wait(0.1)

    def has_snapshot(self) -> bool:
        """Give the engine something to write down, and return whether it has taken a snapshot."""
        self.order("engine", "resume", *BY)
        return any(self.home.engine.glob("snapshot-*.bin"))

    def kill(self) -> None:
        """End what runs, however."""
        if self.engine is not None and self.engine.poll() is None:
            self.engine.kill()
            self.engine.wait()


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    made = Station(tmp_path)
    yield made
    made.kill()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Station:
    """A run with orders in its journal and a snapshot, at its end."""
    made = Station(tmp_path_factory.mktemp("finished"))
    made.write_config()
    try:
        made.start()
        made.order("engine", "halt", *BY)
        made.wait_for(made.has_snapshot)
        assert made.stop() == 0
    finally:
        made.kill()
    return made


@pytest.fixture
def copied(finished: Station, tmp_path: Path) -> Station:
    """A home of its own with what the finished run left."""
    there, here = finished.home.path, tmp_path / "home"
    shutil.copytree(there, here, ignore=shutil.ignore_patterns("control.sock"))
    made = Station(here)
    config = made.home.engine_config.read_text(encoding="utf-8")
    made.home.engine_config.write_text(config.replace(str(there), str(here)), encoding="utf-8")
    return made


def test_an_operator_looks_stops_lets_go_and_reads_the_journal(station: Station) -> None:
    station.write_config()
    station.start()
    status = station.told("engine", "status", "--json")
    assert (status["state"], status["instances"][0]["strategy"]) == ("active", "sma_cross")
    assert station.order("engine", "reduce", *BY)["state"] == "reducing"
    assert station.order("engine", "halt", *BY)["state"] == "halted"
    assert station.order("engine", "reduce", *BY)["state"] == "halted", "a stop is released by `resume` alone"
    table = station.shown("engine", "status")
    assert "state        halted\n" in table and "stopped by   kim\n" in table and "because      odd fills\n" in table
    assert station.shown("engine", "status", "--json").startswith("{")
    assert station.order("engine", "resume", *BY)["state"] == "active"
    assert station.order("engine", "kill", *BY)["state"] == "halted"
    assert station.order("engine", "resume", *BY)["state"] == "active"
    assert station.order("kill", *BY)["state"] == "halted"
    engine = json.loads(station.call("status", "--json").stdout)["engine"]
    assert engine["state"] == "halted"
    assert station.stop() == 0

    verified = station.told("engine", "journal", "verify")
    assert verified["records"] >= 8 and verified["torn_bytes"] == 0
    first, second = (station.told("engine", "journal", "replay") for _ in range(2))
    assert first == second and first["records"] == verified["records"] and len(first["actions_sha256"]) == 64
    listed = station.call("engine", "journal")
    records = [json.loads(line) for line in listed.stdout.splitlines() if line.startswith('{"n"')]
    assert [record["n"] for record in records] == list(range(1, verified["records"] + 1))
    assert sum(record["kind"] == "command" and "kim" in record["body"] for record in records) >= 7
    done = station.call("engine", "status")
    assert done.returncode == 1 and "not running" in done.stderr and done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        *[(("engine", order, *BY), 1, "no engine answers at") for order in ("halt", "resume", "reduce", "kill")],
        (("kill", *BY), 1, "no engine answers at"),
        (("engine", "status"), 1, "no engine answers at"),
        (("engine", "journal", "verify"), 1, "no engine has run"),
        (("engine", "journal"), 1, "no engine has run"),
        (("engine", "journal", "replay"), 2, "Run `xcrack up` or `xcrack demo` once"),
        (("engine", "run"), 2, "Run `xcrack up` or `xcrack demo` once"),
        (("engine", "halt", "--reason", "x"), 2, "Missing option '--by'"),
        (("engine", "resume", "--by", "kim"), 2, "Missing option '--reason'"),
        (("kill", "--by", " ", "--reason", "x"), 2, "'--by': it must not be blank"),
        (("engine", "reduce", "--by", "kim", "--reason", "x" * 501), 2, "it has 501 characters, at most 500"),
        (("engine", "dance"), 2, "No such command 'dance'"),
        (("logs",), 2, "there are no logs in"),
        (("logs", "--process", "nobody"), 2, "'nobody' is not one of"),
        (("status", "--jsn"), 2, "No such option"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(
    station: Station, arguments: tuple[str, ...], code: int, says: str
) -> None:
    done = station.call(*arguments)
    assert done.returncode == code and says in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""


def test_a_home_that_is_no_directory_is_named(station: Station) -> None:
    nowhere = station.home.path / "file"
    nowhere.write_text("not a directory", encoding="utf-8")
    station.environ["XCRACK_HOME"] = str(nowhere)
    for arguments, code in ((("engine", "halt", *BY), 1), (("engine", "run"), 2), (("up",), 2), (("logs",), 2)):
        done = station.call(*arguments)
        assert done.returncode == code and str(nowhere) in done.stderr and "Traceback" not in done.stderr
    assert station.call("status").returncode == 1


def changed_byte(lines: list[bytes]) -> tuple[list[bytes], int]:
    """Change the name of who gave the first order, and return the number of its line."""
    n = next(i for i, line in enumerate(lines) if b"kim" in line)
    return [*lines[:n], lines[n].replace(b"kim", b"ann"), *lines[n + 1 :]], n + 1


@pytest.mark.parametrize(
    "damage",
    [
        changed_byte,
        lambda lines: ([*lines[:1], *lines[2:]], 2),
        lambda lines: ([lines[0], lines[2], lines[1], *lines[3:]], 2),
        lambda lines: ([*lines[:-1], lines[-1].replace(b'"n":', b'"n": ')], len(lines)),
        lambda lines: ([*lines[:2], lines[2][:-9] + b"\n", *lines[3:]], 3),
    ],
    ids=["a changed name", "a missing line", "two lines swapped", "a changed last record", "a shortened record"],
)
def test_a_damaged_journal_is_named_by_file_and_line_and_not_started(
    copied: Station, damage: Callable[[list[bytes]], tuple[list[bytes], int]]
) -> None:
    journal = copied.home.engine / "journal.jsonl"
    whole = journal.read_bytes()
    lines, n = damage(whole.splitlines(keepends=True))
    journal.write_bytes(b"".join(lines))
    assert journal.read_bytes() != whole, "the damage is done"
    for arguments in (("verify",), ("replay",), ()):
        done = copied.call("engine", "journal", *arguments)
        assert done.returncode == 1, done.stdout
        assert f"{journal}, line {n}: record {n} is damaged" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("kept_lines", [0, 3, -1])
def test_a_journal_that_lost_its_end_is_known_and_not_started(copied: Station, kept_lines: int) -> None:
    journal = copied.home.engine / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:kept_lines]))
    for arguments in (("engine", "journal", "verify"), ("engine", "run")):
        done = copied.call(*arguments)
        assert done.returncode == 1 and f"{journal} does not hold record {len(lines)}" in done.stderr, done.stderr


def test_a_record_that_a_kill_left_unfinished_is_no_damage(copied: Station) -> None:
    journal = copied.home.engine / "journal.jsonl"
    n = len(journal.read_bytes().splitlines())
    with journal.open("ab") as file:
        file.write(b'{"n":%d,"seq":nu' % (n + 1))
    verified = copied.told("engine", "journal", "verify")
    assert (verified["records"], verified["torn_bytes"]) == (n, len(f'{{"n":{n + 1},"seq":nu'))


def test_a_damaged_snapshot_and_a_damaged_market_log_are_named(copied: Station) -> None:
    newest = max(copied.home.engine.glob("snapshot-*.bin"))
    whole = newest.read_bytes()
    newest.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    done = copied.call("engine", "journal", "verify")
    assert done.returncode == 1 and f"{newest} is damaged and not used" in done.stderr
    problems = [found["problem"] for found in json.loads(done.stdout)["snapshots"]]
    assert sum(problem is not None for problem in problems) == 1
    newest.write_bytes(whole)
    assert copied.call("engine", "journal", "verify").returncode == 0

    segment = copied.home.engine / "market" / "segment-00000001.rows"
    segment.parent.mkdir(exist_ok=True)
    segment.write_bytes(b"\x01" * 128)
    done = copied.call("engine", "journal", "verify")
    assert done.returncode == 1 and f"{segment}: row 0 is damaged" in done.stderr
