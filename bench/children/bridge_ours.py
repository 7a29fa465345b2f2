"""Round trips of predictions to a running engine and back: encode, send, decode, act, acknowledge, decode.

    python bridge_ours.py FOLDER ENGINE tcp|ws N

Prints one JSON object: percentiles in microseconds, measured here and inside the engine.
"""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from app.worker import SWITCH_INTERVAL_S
from core.clock import SystemClock
from core.model.generated import Prediction
from core.store import open_store
from core.store.tables import metadata
from strategies.bridge import BridgeServer, load_secret
from strategies.bridge.inbox import HANDLED_KINDS

HOUR_NS = 3_600_000_000_000
N_BARS = 300
WARM_UP = 200
FEED_DTYPE = [
    ("symbol", "<u2"), ("opened_at_ns", "<i8"), ("closed_at_ns", "<i8"), ("open", "<f8"), ("high", "<f8"),
    ("low", "<f8"), ("close", "<f8"), ("volume", "<f8"),
]  # fmt: skip


def write_feed(path: Path) -> int:
    """Write hourly bars up to now; return when trading begins."""
    bars = np.zeros(N_BARS, dtype=FEED_DTYPE)
    closed = time.time_ns() - np.arange(N_BARS)[::-1] * HOUR_NS
    price = 100 + np.sin(np.arange(N_BARS + 1) / 7)
    bars["opened_at_ns"], bars["closed_at_ns"], bars["volume"] = closed - HOUR_NS, closed, 10.0
    bars["open"], bars["close"] = price[:-1], price[1:]
    bars["high"], bars["low"] = np.maximum(price[:-1], price[1:]) + 0.5, np.minimum(price[:-1], price[1:]) - 0.5
    np.save(path, bars)
    return int(closed[-20])


def engine_config(folder: Path, url: str) -> dict[str, object]:
    """Return the configuration of one `predictive` instance in real time."""
    trade_from_ns = write_feed(folder / "bars.npy")
    params = {
        "kelly_fraction": 0.25, "max_horizon": 14_400.0, "min_confidence": 0.5, "min_horizon": 10.0, "min_move": 0.0,
        "participation": 10.0, "size": 10.0, "slices": 5.0, "stop_loss": 2.0, "target_volatility": 50.0,
    }  # fmt: skip
    return {
        "engine_id": "engine-1", "state_dir": str(folder / "state"), "feed": str(folder / "bars.npy"),
        "symbols": [{"name": "BTCUSDT", "tick": "0.01", "lot": "0.001"}], "pace": "realtime",
        "trade_from_ns": trade_from_ns,
        "instances": [{
            "instance_id": "predictive-1", "strategy": "predictive", "symbols": ["BTCUSDT"], "capital": "10000",
            "mode": "live", "version": 1, "params": params,
        }],
        "costs": {"maker_fee_bps": 2.0, "taker_fee_bps": 5.0, "slippage_bps": 2.0},
        "limits": {
            "max_order_notional": "100000", "max_position_notional": "100000", "max_gross_notional": "100000",
            "price_collar_bps": 500.0,
        },
        "advice": {
            "enabled": False, "min_strength": 1.0, "min_notional_krw": 100_000.0, "krw_per_quote": 1400.0,
            "rate_max_age_ms": 86_400_000, "deadline_ms": 950,
        },
        "mark_interval_ms": 3_600_000, "bridge_url": url, "secret_file": str(folder / "bridge.secret"),
    }  # fmt: skip


def prediction(n: int) -> Prediction:
    """Return the `n`-th prediction; odd ones are long, even ones short."""
    now_ns = time.time_ns()
    return Prediction(
        prediction_id=f"p{n}", at_ns=now_ns, symbol="BTCUSDT", direction=0.5 if n % 2 else -0.5, confidence=0.6,
        expected_move_bps=25.0, expected_volatility_bps=20.0, horizon_ms=60_000, expires_at_ns=now_ns + 10**10,
        model="ensemble", model_sha256="ab" * 32, feature_schema="cd" * 32, recommended_strategy="twap", regime="range",
        reasons=[("rsi", 0.4), ("volume", 0.2)], strategy_params={"slices": 4.0},
    )  # fmt: skip


async def measure(folder: Path, engine: str, carrier: str, n: int) -> dict[str, float]:
    """Return the percentiles of `n` round trips."""
    store = open_store(f"sqlite:///{folder}/bridge.db")
    metadata.create_all(store.engine)
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[int] | None = None

    def on_acked(_: int) -> None:
        if answered is not None and not answered.done():
            answered.set_result(time.perf_counter_ns())

    server = BridgeServer(
        store, load_secret(folder / "bridge.secret"), {kind: lambda *_: None for kind in HANDLED_KINDS}, SystemClock(),
        listen=["tcp://127.0.0.1:0"], on_signals_acked=on_acked,
    )  # fmt: skip
    await server.start()
    url = next(address for address in server.addresses if address.startswith(carrier + ":"))
    (folder / "engine.json").write_text(json.dumps(engine_config(folder, url)))
    command = [engine, "run", "--config", str(folder / "engine.json"), "--die-with-parent"]
    with (folder / "engine.log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
    try:
        async with asyncio.timeout(60 + n * 0.1):
            await server.wait_connected()
            taken_ns = []
            for k in range(WARM_UP + n):
                message = prediction(k)
                answered = loop.create_future()
                started_ns = time.perf_counter_ns()
                server.send_signal(message)
                taken_ns.append(await answered - started_ns)
        asked = await asyncio.to_thread(
            subprocess.run, [engine, "status", "--state-dir", str(folder / "state"), "--json"],
            capture_output=True, check=True,
        )  # fmt: skip
        figures = server.figures()
    finally:
        process.terminate()
        process.wait(10)
        await server.stop()
    inside = json.loads(asked.stdout)["latency"]["signal"]
    p50, p99 = np.percentile(np.array(taken_ns[WARM_UP:]) / 1e3, [50, 99])
    return {
        "p50": float(p50), "p99": float(p99), "acked": figures.signals_acked, "sent": WARM_UP + n,
        "signal_p50": inside["p50_ns"] / 1e3, "signal_p99": inside["p99_ns"] / 1e3, "signal_n": inside["n"],
    }  # fmt: skip


if __name__ == "__main__":
    sys.setswitchinterval(SWITCH_INTERVAL_S)  # as the worker does
    print(json.dumps(asyncio.run(measure(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))))
