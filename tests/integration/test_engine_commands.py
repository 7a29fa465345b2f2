"""`xcrack engine` as a person uses it: run chosen strategies, look, stop, let go, and read the journal afterwards."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from app.home import Home
from core.settings import PROJECT_ROOT, Settings
from strategies.schema import default_params
from tests.integration.engine_world import engine_config
from tests.servers import free_port

Done = tuple[int, str, str]
UP_WITHIN_S = 30.0
pytestmark = pytest.mark.skipif(not Settings().engine.binary.is_file(), reason="the engine is not built: make engine")


def live_instance(strategy: str, driver: str) -> dict[str, Any]:
    return {
        "instance_id": f"{strategy.replace('_', '-')}-1",
        "strategy": strategy,
        "symbols": ["BTCUSDT"],
        "capital": "10000",
        "mode": "live",
        "version": 1,
        "params": default_params(strategy),
        "driver": driver,
    }


def write_config(home: Home) -> None:
    """A live market that nobody serves: the engine waits for it, and everything else must work meanwhile."""
    nobody = free_port()
    config = engine_config(home.path, nobody, n_bars=20, pace="realtime") | {
        "state_dir": str(home.engine),
        "secret_file": str(home.bridge_secret),
        "markets": [
            {
                "venue": "binance_spot",
                "symbols": {"BTCUSDT": "BTCUSDT"},
                "streams": {"trades": True, "quotes": True},
                "ws_url": f"ws://127.0.0.1:{nobody}",
                "rest_url": f"http://127.0.0.1:{nobody}",
            }
        ],
        "instances": [
            live_instance("predictive", "trades"),
            live_instance("micro_arbitrage", "quotes"),
            live_instance("sma_cross", "bars"),
        ],
    }
    home.engine_config.write_text(json.dumps(config), encoding="utf-8")
    home.bridge_secret.write_text("0123456789abcdef0123456789abcdef", encoding="utf-8")
    home.bridge_secret.chmod(0o600)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("XCRACK_HOME", str(tmp_path))
    made = Home(tmp_path)
    write_config(made)
    return made


@pytest.fixture
def running(home: Home) -> Iterator[subprocess.Popen[bytes]]:
    """`xcrack engine run --strategies predictive,micro_arbitrage` in the foreground of another process."""
    command = [sys.executable, "-m", "app.cli", "engine", "run", "--strategies", "predictive,micro_arbitrage"]
    with (home.path / "engine.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=os.environ.copy(), stderr=log)
    try:
        until = time.monotonic() + UP_WITHIN_S
        while not (home.engine / "control.sock").exists() and time.monotonic() < until and process.poll() is None:
            time.sleep(0.02)
        assert (home.engine / "control.sock").exists(), (home.path / "engine.log").read_text()
        yield process
    finally:
        process.kill()
        process.wait(timeout=10)


def xcrack(capfd: pytest.CaptureFixture[str], *arguments: str) -> Done:
    capfd.readouterr()
    with pytest.raises(SystemExit) as leave:
        main(["engine", *arguments])
    output = capfd.readouterr()
    return int(leave.value.code or 0), output.out, output.err


def answer(capfd: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code, out, err = xcrack(capfd, *arguments)
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def test_two_strategies_run_obey_and_leave_a_journal_that_repeats(
    home: Home, running: subprocess.Popen[bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    by = ("--by", "kim", "--reason", "a test")
    status = answer(capfd, "status", "--json")
    assert [each["strategy"] for each in status["instances"]] == ["predictive", "micro_arbitrage"]
    assert status["state"] == "active"
    assert answer(capfd, "reduce", *by)["state"] == "reducing"
    assert answer(capfd, "halt", *by)["state"] == "halted"
    assert answer(capfd, "reduce", *by)["state"] == "halted", "a stop is released by `resume` alone"
    assert answer(capfd, "resume", *by)["state"] == "active"
    assert answer(capfd, "kill", *by)["state"] == "halted"
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=20) == 0

    verified = answer(capfd, "journal", "verify")
    assert verified["records"] >= 6 and verified["torn_bytes"] == 0
    first, second = (answer(capfd, "journal", "replay") for _ in range(2))
    assert first == second and len(first["actions_sha256"]) == 64
    code, out, _ = xcrack(capfd, "journal")
    records = [json.loads(line) for line in out.splitlines() if line.startswith('{"')]
    assert code == 0 and len(records) == verified["records"]
    assert sum("kim" in json.dumps(record) for record in records) == 5
    code, _, err = xcrack(capfd, "status")
    assert code == 1 and "not running" in err


@pytest.mark.parametrize(
    ("strategies", "says"),
    [
        ("astrology", "'astrology', which is no strategy; there are liquidation"),
        ("rules", "no instance of it is configured; there are instances of micro_arbitrage, predictive, sma_cross"),
    ],
)
def test_a_strategy_that_cannot_run_is_refused_by_name(home: Home, strategies: str, says: str) -> None:
    done = run_to_its_end("--strategies", strategies)
    assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1


def test_a_strategy_without_what_it_decides_on_is_refused_at_the_start(home: Home) -> None:
    config = json.loads(home.engine_config.read_text(encoding="utf-8"))
    config["instances"] = [live_instance("micro_arbitrage", "bars")]
    home.engine_config.write_text(json.dumps(config), encoding="utf-8")
    done = run_to_its_end()
    assert done.returncode == 2 and "'micro_arbitrage' decides on quotes and books" in done.stderr
    config["instances"] = [live_instance("micro_arbitrage", "book")]
    home.engine_config.write_text(json.dumps(config), encoding="utf-8")
    done = run_to_its_end()
    assert done.returncode == 2 and "needs depth of BTCUSDT, and no market streams them" in done.stderr


def run_to_its_end(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.cli", "engine", "run", *arguments]
    return subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_a_damaged_journal_is_named_with_status_1(
    home: Home, running: subprocess.Popen[bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    answer(capfd, "halt", "--by", "kim", "--reason", "a test")
    running.send_signal(signal.SIGTERM)
    running.wait(timeout=20)
    journal = home.engine / "journal.jsonl"
    journal.write_text(journal.read_text(encoding="utf-8").replace('"kim"', '"ann"'), encoding="utf-8")
    code, _, err = xcrack(capfd, "journal", "verify")
    assert code == 1 and "is damaged" in err and "Traceback" not in err
