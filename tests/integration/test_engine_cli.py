import json
import subprocess
import time
from pathlib import Path

import pytest

from app.live_market import venue_section
from core.settings_sections import MarketSettings
from tests.integration.engine_world import BINARY, HOUR_NS, Engine, engine_config, write_feed

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def engine(tmp_path: Path):
    secret = tmp_path / "bridge.secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    made = Engine(tmp_path)
    yield made
    made.kill()


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=20)


def refusal(folder: Path, config: dict[str, object], status: int = 2) -> str:
    path = folder / "engine.json"
    path.write_text(json.dumps(config))
    done = run("run", "--config", path)
    assert done.returncode == status, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and "panicked" not in lines[0]
    return lines[0]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"bridge_url": "ws://10.0.0.1:9/ai_bridge"}, "never leaves the machine"),
        ({"pace": "fast"}, "unknown variant `fast`"),
        ({"feed": "/nowhere/bars.npy"}, "/nowhere/bars.npy"),
        ({"mark_interval_ms": 0}, "mark_interval_ms"),
        ({"symbols": []}, "symbols"),
        ({"leverage": 100}, "unknown field `leverage`"),
        ({"venue": {"reject_rate": 0.2}}, "venue.reject_rate = 0.2: only the book venue refuses orders"),
        ({"venue": {"model": "book", "reject_rate": 1.5}}, "venue.reject_rate = 1.5: must be a number from 0 to 1"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_line_that_names_the_place(engine, tmp_path, change, expected):
    assert expected in refusal(tmp_path, engine_config(tmp_path, 9) | change)
    assert not (tmp_path / "state" / "journal.jsonl").exists() or not (tmp_path / "state" / "journal.jsonl").read_text()


def test_what_the_settings_say_of_the_simulated_exchange_is_taken_by_the_engine(engine, tmp_path):
    tiers = [{"from_notional": "1000000.50", "maker_fee_bps": -0.5, "taker_fee_bps": 3}]
    market = MarketSettings.model_validate(
        {"fee_tiers": tiers, "max_messages_per_s": 50, "reject_rate": 0.05, "reject_seed": 2**64 - 1}
    )
    path = tmp_path / "engine.json"
    for section, status in ((venue_section(market), 0), (venue_section(market) | {"model": "bars"}, 2)):
        path.write_text(json.dumps(engine_config(tmp_path, 9) | {"venue": section}))
        done = run("replay", "--config", path)
        assert done.returncode == status, done.stderr


def test_parameters_outside_their_schema_are_refused_by_name(engine, tmp_path):
    config = engine_config(tmp_path, 9)
    config["instances"][0]["params"]["fast"] = 60.0
    assert "fast = 60 must be below slow = 5" in refusal(tmp_path, config)


def test_a_secret_that_others_may_read_is_refused(engine, tmp_path):
    (tmp_path / "bridge.secret").chmod(0o644)
    assert "chmod 600" in refusal(tmp_path, engine_config(tmp_path, 9))
    (tmp_path / "bridge.secret").unlink()
    assert "cannot read the bridge secret" in refusal(tmp_path, engine_config(tmp_path, 9))


def test_a_bad_bar_is_refused_by_its_row(engine, tmp_path):
    import numpy as np

    config = engine_config(tmp_path, 9)
    bars = np.load(tmp_path / "bars.npy")
    bars["low"][7] = float("nan")
    np.save(tmp_path / "bars.npy", bars)
    assert "row 7" in refusal(tmp_path, config)


def test_a_damaged_journal_stops_the_start_and_names_the_record(engine, tmp_path):
    config = engine_config(tmp_path, 9)
    engine.start(config)
    engine.wait_for_socket()
    engine.ask("halt")
    engine.stop()
    path = tmp_path / "state" / "journal.jsonl"
    path.write_text(path.read_text().replace("operator", "nobody_1"))
    assert "record 2 is damaged" in refusal(tmp_path, config, status=1)
    done = run("journal", "--state-dir", tmp_path / "state", "verify")
    assert done.returncode == 1 and "record 2 is damaged" in done.stderr


def test_without_an_engine_the_switches_say_so(tmp_path):
    done = run("halt", "--state-dir", tmp_path)
    assert done.returncode == 1 and "no engine answers" in done.stderr
    done = run("journal", "--state-dir", tmp_path, "verify")
    assert done.returncode == 1 and "no engine has run" in done.stderr


def test_the_control_socket_is_for_its_owner_alone_and_survives_nonsense(engine, tmp_path):
    import socket

    engine.start(engine_config(tmp_path, 9))
    engine.wait_for_socket()
    path = tmp_path / "state" / "control.sock"
    assert path.stat().st_mode & 0o777 == 0o600
    for nonsense in (b"\n", b"{}\n", b'{"ask":"dance"}\n', b"x" * 9000 + b"\n"):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(nonsense)
            assert json.loads(client.makefile().readline())["ok"] is False
    assert engine.ask("status")["state"] == "active"


def test_in_real_time_bars_fall_due_by_the_wall_clock_and_an_absent_advisor_is_a_no(engine, tmp_path):
    config = engine_config(tmp_path, 9, pace="realtime")
    config["advice"] = config["advice"] | {"enabled": True}
    engine.start(config)
    engine.wait_for_socket()
    deadline = time.monotonic() + 20
    while not (status := engine.ask("status"))["feed_ended"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert status["feed_ended"] and status["bars"] == 380
    assert status["instances"][0]["equity"] == "10000"
    engine.stop()
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "state" / "journal.jsonl").read_text().splitlines()]
    assert "veto" in kinds and "advance_to" in kinds
    assert engine.replay()["actions_sha256"] == status["actions_sha256"]


def test_reduce_and_kill_latch_and_only_resume_releases(engine, tmp_path):
    engine.start(engine_config(tmp_path, 9))
    engine.wait_for_socket()
    assert engine.ask("reduce", "--by", "kim")["state"] == "reducing"
    assert engine.ask("kill", "--by", "kim", "--reason", "enough")["state"] == "halted"
    assert engine.ask("reduce", "--by", "kim")["state"] == "halted"
    assert engine.ask("resume", "--by", "kim")["state"] == "active"


def test_a_backtest_prints_facts_and_refuses_wrong_parameters(tmp_path):
    feed = tmp_path / "bars.npy"
    write_feed(feed, 200)
    arguments = ["backtest", "--feed", feed, "--symbol", "BTCUSDT:0.01:0.001", "--strategy", "sma_cross"]
    done = run(*arguments, "--param", "fast=2", "--param", "slow=5", "--trade-from-ns", 20 * HOUR_NS)
    facts = json.loads(done.stdout)
    assert facts["n_bars"] == 180 and facts["n_trades"] > 5
    again = run(*arguments, "--param", "fast=2", "--param", "slow=5", "--trade-from-ns", 20 * HOUR_NS)
    assert again.stdout == done.stdout
    wrong = run(*arguments, "--param", "fast=2.5")
    assert wrong.returncode == 2 and "not on its grid" in wrong.stderr


def test_help_teaches_and_a_wrong_command_line_is_status_2():
    assert "Exit status" in run("--help").stdout
    assert run("dance").returncode == 2
