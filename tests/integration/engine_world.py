"""A real engine in a subprocess, a feed to play, and a worker that writes down what it was told."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from core.clock import Clock
from core.model.generated import AdviceAnswer, AdviceRequest, Message
from core.settings_sections import EngineSettings
from core.store import Session, Store
from strategies.bridge import BridgeServer, load_secret
from strategies.bridge.inbox import HANDLED_KINDS, OPTIONAL_KINDS
from strategies.bridge.packet import kind_and_body

HOUR_NS = 3_600_000_000_000
BINARY = EngineSettings().binary
FEED_DTYPE = [
    ("symbol", "<u2"), ("opened_at_ns", "<i8"), ("closed_at_ns", "<i8"), ("open", "<f8"), ("high", "<f8"),
    ("low", "<f8"), ("close", "<f8"), ("volume", "<f8"),
]  # fmt: skip


def write_feed(path: Path, n_bars: int) -> None:
    """Hourly bars along a wave of 24 hours, so that two short averages cross every few bars."""
    hours = np.arange(n_bars + 1)
    price = 100 + 10 * np.sin(hours / 24 * 2 * np.pi)
    bars = np.zeros(n_bars, dtype=FEED_DTYPE)
    bars["opened_at_ns"], bars["closed_at_ns"] = hours[:-1] * HOUR_NS, hours[1:] * HOUR_NS
    bars["open"], bars["close"], bars["volume"] = price[:-1], price[1:], 10.0
    bars["high"], bars["low"] = np.maximum(price[:-1], price[1:]) + 0.5, np.minimum(price[:-1], price[1:]) - 0.5
    np.save(path, bars)


def engine_config(folder: Path, port: int, n_bars: int = 400, **changes: object) -> dict[str, object]:
    """One `sma_cross` instance, live, over the wave. `changes` replace whole fields."""
    feed = folder / "bars.npy"
    if not feed.exists():
        write_feed(feed, n_bars)
    advice = {
        "enabled": False, "min_strength": 1.0, "min_notional_krw": 100_000.0, "krw_per_quote": 1400.0,
        "rate_max_age_ms": 86_400_000 * 365, "deadline_ms": 950,
    }  # fmt: skip
    config: dict[str, object] = {
        "engine_id": "engine-1", "state_dir": str(folder / "state"), "feed": str(feed),
        "symbols": [{"name": "BTCUSDT", "tick": "0.01", "lot": "0.001"}], "pace": "granted",
        "trade_from_ns": 20 * HOUR_NS,
        "instances": [{
            "instance_id": "sma-1", "strategy": "sma_cross", "symbols": ["BTCUSDT"], "capital": "10000", "mode": "live",
            "version": 1, "params": {"fast": 2.0, "slow": 5.0, "size": 1.0},
        }],
        "costs": {"maker_fee_bps": 2.0, "taker_fee_bps": 5.0, "slippage_bps": 2.0},
        "limits": {
            "max_order_notional": "100000", "max_position_notional": "100000", "max_gross_notional": "100000",
            "price_collar_bps": 500.0,
        },
        "advice": advice, "mark_interval_ms": 6 * 3_600_000,
        "bridge_url": f"ws://127.0.0.1:{port}/ai_bridge", "secret_file": str(folder / "bridge.secret"),
    }  # fmt: skip
    return config | changes


class Engine:
    """The engine's process. `config` is written anew at every start."""

    def __init__(self, folder: Path) -> None:
        if not BINARY.is_file():
            pytest.fail(f"{BINARY} is missing: build it with `cargo build --release` in rust_engine/")
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, config: dict[str, object]) -> None:
        path = self.folder / "engine.json"
        path.write_text(json.dumps(config))
        with (self.folder / "engine.log").open("ab") as log:
            self.process = subprocess.Popen([BINARY, "run", "--config", path, "--die-with-parent"], stderr=log)

    def kill(self) -> None:
        """As `kill -9`."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """As a supervisor does; return the exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        if self.process is None:
            return 0
        process, self.process = self.process, None
        os.kill(process.pid, how)
        return process.wait(timeout=10)

    def ask(self, *arguments: str) -> dict[str, object]:
        """Run a command against this engine's state directory and return its JSON."""
        command = [BINARY, arguments[0], "--state-dir", self.folder / "state", *arguments[1:]]
        done = subprocess.run(command, capture_output=True, timeout=10)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    def wait_for_socket(self) -> None:
        """Return once the control socket is there."""
        for _ in range(1000):
            if (self.folder / "state" / "control.sock").exists():
                return
            time.sleep(0.01)
        pytest.fail((self.folder / "engine.log").read_text())

    def replay(self) -> dict[str, object]:
        command = [BINARY, "replay", "--config", self.folder / "engine.json"]
        return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=20).stdout)


def make_worker(store: Store, folder: Path, clock: Clock, port: int = 0, *, advises: bool = True) -> BridgeServer:
    """A server whose handlers append every message to the table `told`, and approve half of any advised order."""
    with store.session() as session:
        session.execute(text("CREATE TABLE IF NOT EXISTS told (n INTEGER PRIMARY KEY, kind TEXT, body TEXT)"))

    def note(session: Session, message: Message) -> None:
        kind, body = kind_and_body(message)
        session.execute(text("INSERT INTO told (kind, body) VALUES (:kind, :body)"), {"kind": kind, "body": body})
        if advises and isinstance(message, AdviceRequest):
            answer = AdviceAnswer(advice_id=message.advice_id, approve=True, size_factor=0.5, reason="test")
            server.send(session, answer)

    secret = load_secret(folder / "bridge.secret")
    server = BridgeServer(store, secret, {kind: note for kind in HANDLED_KINDS | OPTIONAL_KINDS}, clock, port=port)
    return server


def told(store: Store, *kinds: str) -> list[tuple[str, str]]:
    """What the worker was told, in order; only these kinds if any are named."""
    with store.session() as session:
        rows = session.execute(text("SELECT kind, body FROM told ORDER BY n"))
        return [(row.kind, row.body) for row in rows if not kinds or row.kind in kinds]
