"""An engine with resting quotes and nobody beside it (no worker, no database, no Redis), halted in one of three ways.

Prints the time from the act until the halt is in the journal, and how many orders were cancelled by it.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from strategies.schema import default_params

HOUR_NS = 3_600_000_000_000
N_BARS = 200
PATIENCE_S = 20.0
LOOK_EVERY_S = 0.0002
RECORD = [
    ("symbol", "<u2"), ("opened_at_ns", "<i8"), ("closed_at_ns", "<i8"), ("open", "<f8"), ("high", "<f8"),
    ("low", "<f8"), ("close", "<f8"), ("volume", "<f8"),
]  # fmt: skip


def write_configuration(folder: Path) -> Path:
    """Write a wave of hourly bars and the configuration of a market maker on it; the port of its worker discards."""
    hours = np.arange(N_BARS + 1)
    price = np.round(100 + np.sin(hours / 24 * 2 * np.pi), 2)
    bars = np.zeros(N_BARS, dtype=RECORD)
    bars["opened_at_ns"], bars["closed_at_ns"] = hours[:-1] * HOUR_NS, hours[1:] * HOUR_NS
    bars["open"], bars["close"], bars["volume"] = price[:-1], price[1:], 10.0
    bars["high"], bars["low"] = np.maximum(price[:-1], price[1:]) + 0.1, np.minimum(price[:-1], price[1:]) - 0.1
    np.save(folder / "bars.npy", bars)
    secret = folder / "secret"
    secret.write_text("0123456789abcdef0123456789abcdef")
    secret.chmod(0o600)
    config = folder / "engine.json"
    config.write_text(
        json.dumps(
            {
                "engine_id": "engine-1",
                "state_dir": str(folder / "state"),
                "feed": str(folder / "bars.npy"),
                "symbols": [{"name": "BTCUSDT", "tick": "0.01", "lot": "0.001"}],
                "pace": "realtime",
                "trade_from_ns": 60 * HOUR_NS,
                "instances": [
                    {
                        "instance_id": "mm-1",
                        "strategy": "market_making",
                        "symbols": ["BTCUSDT"],
                        "capital": "10000",
                        "mode": "live",
                        "version": 1,
                        "params": {**default_params("market_making"), "spread_threshold": 400.0, "order_layers": 5.0},
                    }
                ],
                "costs": {"maker_fee_bps": 2.0, "taker_fee_bps": 5.0, "slippage_bps": 2.0},
                "limits": {
                    "max_order_notional": "100000",
                    "max_position_notional": "100000",
                    "max_gross_notional": "100000",
                    "price_collar_bps": 2000.0,
                },
                "advice": {
                    "enabled": False,
                    "min_strength": 1.0,
                    "min_notional_krw": 100_000.0,
                    "krw_per_quote": 1400.0,
                    "rate_max_age_ms": 86_400_000,
                    "deadline_ms": 950,
                },
                "mark_interval_ms": 3_600_000,
                "bridge_url": "ws://127.0.0.1:9/ai_bridge",
                "secret_file": str(secret),
                "metrics_listen": "0",
            }
        )
    )
    return config


def ask(socket_path: Path) -> dict[str, Any]:
    """Return the engine's status over its control socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(PATIENCE_S)
        line.connect(str(socket_path))
        line.sendall(b'{"ask":"status"}\n')
        answer: dict[str, Any] = json.loads(line.makefile().readline())
        return answer


def wait_for(what: str, look: Any) -> Any:
    """Return the first thing that `look` finds; ends this process with a message when there is none in time."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            found = look()
        except OSError:
            found = None
        if found:
            return found
        time.sleep(LOOK_EVERY_S)
    sys.exit(f"{what} did not come about in {PATIENCE_S:.0f} s")


def cancels(address: str) -> float:
    """Return how many orders the engine has cancelled."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=PATIENCE_S) as page:
        lines = page.read().decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("xcrack_cancels_total ")))


def metrics_address(log: Path) -> str | None:
    """Return where the engine says that its figures are."""
    for line in log.read_text().splitlines():
        told = json.loads(line) if line.startswith("{") else {}
        if told.get("event") == "metrics":
            return str(told["address"])
    return None


def n_commands(journal: Path) -> int:
    """Return how many commands are durable, without asking: a question would wake the engine."""
    return journal.read_bytes().count(b'"kind":"command"')


def halt(binary: str, folder: Path, pid: int, how: str) -> None:
    """Halt the engine."""
    if how == "signal":
        os.kill(pid, signal.SIGUSR1)
    elif how == "file":
        (folder / "state" / "KILL").write_text("measured\n")
    else:
        command = [binary, "halt", "--state-dir", str(folder / "state"), "--by", "bench", "--reason", "measured"]
        subprocess.run(command, check=True, capture_output=True)


def measure(binary: str, folder: Path, how: str) -> dict[str, float]:
    """Return microseconds until the halt is in the journal, and the orders cancelled by it."""
    config, control = write_configuration(folder), folder / "state" / "control.sock"
    with (folder / "engine.log").open("wb") as log:
        engine = subprocess.Popen([binary, "run", "--config", str(config)], stderr=log, stdout=log)
    try:
        wait_for("the end of the feed", lambda: engine.poll() is not None or ask(control)["feed_ended"])
        if engine.poll() is not None:
            sys.exit(f"the engine ended: {(folder / 'engine.log').read_text()[-300:]}")
        address = wait_for("the figures", lambda: metrics_address(folder / "engine.log"))
        before, journal = cancels(address), folder / "state" / "journal.jsonl"
        known = n_commands(journal)
        # A moment of the half second between two looks of an engine that nothing wakes.
        time.sleep(random.uniform(0, 0.5))
        began = time.perf_counter_ns()
        halt(binary, folder, engine.pid, how)
        wait_for("the halt", lambda: n_commands(journal) > known)
        us = (time.perf_counter_ns() - began) / 1e3
        if ask(control)["state"] != "halted":
            sys.exit("the engine obeyed another command")
        return {"us": us, "cancelled": cancels(address) - before}
    finally:
        engine.kill()
        engine.wait()


def main() -> None:
    """Measure the way that is named after the binary."""
    _, binary, how = sys.argv
    # The path of a Unix socket is short, so the folder is one of its own.
    with tempfile.TemporaryDirectory(prefix="halt") as folder:
        print(json.dumps(measure(binary, Path(folder), how)))


if __name__ == "__main__":
    main()
