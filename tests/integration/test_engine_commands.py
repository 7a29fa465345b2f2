"""`xcrack engine run` refuses what cannot run, by name and in one line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.home import Home
from core.settings import Settings
from core.settings_sections import PROJECT_ROOT
from strategies.schema import default_params
from tests.integration.engine_world import engine_config
from tests.servers import free_port

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
    """A live market that nobody serves, which an engine would wait for."""
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
