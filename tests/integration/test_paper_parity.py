"""The same parameters over the same candles trade alike on paper and in a backtest: price, quantity, time and costs.

The engine's binary listens to a server that pushes recorded candles; its market log goes through the live archive into
Parquet; the compiled module plays a backtest from there. What the engine did is read from its journal alone.
"""

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from app.engine_process import EngineProcess, instance_capital, point_engine_at, start_engine
from app.home import Home
from app.paper import live_archive, set_up_paper
from app.status import engine_status
from core import native
from core.clock import VirtualClock, from_ns, to_ns
from core.native import BacktestFacts
from core.settings import Settings
from market.candles import MINUTE_MS, Candles
from market.download import ExchangeSymbol
from market.ohlcv_files import parse_ohlcv
from strategies.schema import default_params
from tests.servers import free_port

SYMBOL = "BTCUSDT"
N_WARM_UP, N_LIVE = 1_440, 2_000
STRATEGIES = {
    "momentum-1": ("momentum_scalping", {}),
    "sma-1": ("sma_cross", {"fast": 5.0, "slow": 20.0, "size": 0.5}),
    "mm-1": ("market_making", {"spread_threshold": 10.0}),
}
LOOKS = 600
TEN_YEARS_MS = 3_650 * 86_400_000


def recorded(first: int) -> Candles:
    """Return candles of the recorded minutes from row `first` on."""
    data = os.environ.get("XCRACK_DATA_DIR")
    if data is None:
        pytest.skip("XCRACK_DATA_DIR is not set: no recorded data to test with")
    path = Path(data, "ohlcv", "binance_perp_1m_BTCUSDT.parquet")
    return parse_ohlcv(path).candles.rows(slice(first, first + N_WARM_UP + N_LIVE))


class CandleFile:
    """The exchange's past, by REST: everything up to the start."""

    name = "file"

    def __init__(self, candles: Candles) -> None:
        self.candles = candles

    def find_symbol(self, symbol: str) -> ExchangeSymbol:
        return ExchangeSymbol("BTC/USDT", Decimal("0.1"), Decimal("0.001"))

    def fetch_page(self, listed_as: str, interval: str, since_ms: int, limit: int) -> list[list[float]]:
        chosen = self.candles.rows(np.flatnonzero(self.candles.opened_at_ms >= since_ms)[:limit])
        return [[int(at), *map(float, row)] for at, row in zip(chosen.opened_at_ms, chosen.values(), strict=True)]


def no_candles(connection: ServerConnection, request: Request) -> Response | None:
    """Answer by REST that no candle closed since the ones that the engine knows."""
    return connection.respond(HTTPStatus.OK, "[]") if "/klines" in request.path else None


@contextmanager
def pushing(candles: Candles, is_live: threading.Event) -> Iterator[str]:
    """Yield the address of an exchange that pushes these closed candles to who subscribes, as fast as they are read.

    The second waits for `is_live`: what comes while the engine still asks for earlier candles would be history to it.
    """

    def push(connection: ServerConnection) -> None:
        asked = json.loads(connection.recv())
        connection.send(json.dumps({"result": None, "id": asked["id"]}))
        for at_ms, row in zip(candles.opened_at_ms.tolist(), candles.values(), strict=True):
            connection.send(kline(at_ms, [repr(float(value)) for value in row]))
            is_live.wait()
        # The engine leaves without a farewell when it is done.
        with suppress(ConnectionClosed):
            connection.recv()

    with serve(push, "127.0.0.1", 0, process_request=no_candles) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            is_live.set()
            server.shutdown()
            thread.join()


def kline(at_ms: int, row: Sequence[str]) -> str:
    """Return the push of a closed candle."""
    named = dict(zip(("o", "h", "l", "c", "v"), row, strict=True))
    k = {"t": at_ms, "T": at_ms + MINUTE_MS - 1, "s": SYMBOL, "i": "1m", "x": True, **named}
    data = {"e": "kline", "E": at_ms + MINUTE_MS, "s": SYMBOL, "k": k}
    return json.dumps({"stream": f"{SYMBOL.lower()}@kline_1m", "data": data})


def settings_of(home: Path, address: str) -> Settings:
    """Return settings for three strategies on closed candles, with limits that none of them meets."""
    streams = {"trades": False, "quotes": False, "depth": False, "candles": "1m"}
    feed = {"venue": "binance_spot", "symbols": [SYMBOL], "streams": streams, "ws_url": address, "rest_url": address}
    instances = [
        {"instance_id": name, "strategy": strategy, "capital_share": 0.3, "params": params}
        for name, (strategy, params) in STRATEGIES.items()
    ]
    wide = dict.fromkeys(("max_order_notional_usd", "max_position_notional_usd", "max_gross_notional_usd"), 10**9)
    return Settings.model_validate(
        {
            "home": home,
            "mode": "paper",
            "market": {"feeds": [feed], "warmup_days": 1},
            "instances": instances,
            "risk": {**wide, "price_collar_bps": 10_000.0},
        }
    )


def leave_it_to_the_candles(home: Home) -> None:
    """Switch off what only a run beside people has: advice, whose absence would veto, and marks at times of the wall.

    The recorded minutes come faster than they passed; a mark that is due by the wall's clock would move the engine's
    clock beyond them, and later orders would be decided then.
    """
    config = json.loads(home.engine_config.read_bytes())
    config["advice"]["enabled"] = False
    config["mark_interval_ms"] = TEN_YEARS_MS
    home.engine_config.write_text(json.dumps(config))


def wait_for_bars(settings: Settings, home: Home, engine: EngineProcess, n_bars: int) -> dict[str, Any]:
    """Return the engine's status once so many candles are played; the number of looks only bounds a hang."""
    pause = threading.Event()
    for _ in range(LOOKS):
        engine.require_alive()
        facts = engine_status(settings, home).facts
        if facts.get("bars", 0) >= n_bars:
            return facts
        pause.wait(0.1)
    pytest.fail(f"the engine stands at {facts}: {engine.log.read_text()[-2000:]}")


async def play_live(settings: Settings, home: Home, is_live: threading.Event) -> dict[str, Any]:
    """Let the engine trade on what is pushed, and return where it stands at the end."""
    engine = start_engine(settings, home)
    try:
        wait_for_bars(settings, home, engine, 1)
        is_live.set()
        return wait_for_bars(settings, home, engine, N_LIVE)
    finally:
        await engine.stop()


def live_trades(settings: Settings, home: Home) -> list[dict[str, Any]]:
    """Return every round trip that the engine's journal makes, in order."""
    command = [str(settings.engine.binary), "journal", "replay", "--config", str(home.engine_config), "--messages"]
    lines = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    told = [json.loads(line) for line in lines if line.startswith('{"body"')]
    return [one["body"] for one in told if one["kind"] == "trade_event"]


def as_row(event: dict[str, Any]) -> tuple[object, ...]:
    """Return a live round trip in the terms of a backtest's."""
    entry, exit_ = event["entry"], event["exit"]
    numbers = (event["qty"], entry["fill_price"], exit_["fill_price"], event["gross_pnl"], event["net_pnl"])
    side = 1 if event["side"] == "buy" else -1
    return (entry["filled_at_ns"], exit_["filled_at_ns"], side, *(float(number) for number in numbers))


def rows_of(facts: BacktestFacts) -> list[tuple[object, ...]]:
    """Return a backtest's round trips as comparable rows."""
    names = ("entry_at_ns", "exit_at_ns", "side", "qty", "entry_price", "exit_price", "gross_pnl_usd", "net_pnl_usd")
    return list(zip(*(facts.trades[name].tolist() for name in names), strict=True))


@pytest.mark.skipif(not Settings().engine.binary.is_file(), reason="the engine is not built: make engine")
async def test_paper_and_backtest_fill_alike_over_the_same_candles(tmp_path: Path) -> None:
    candles = recorded(first=4_000)
    begin = from_ns(int(candles.opened_at_ms[N_WARM_UP]) * 1_000_000)
    home = Home(tmp_path / "h").create()
    is_live = threading.Event()
    with pushing(candles.rows(slice(N_WARM_UP, None)), is_live) as address:
        settings = settings_of(home.path, address)
        past = CandleFile(candles.rows(slice(N_WARM_UP)))
        set_up_paper(settings, home, VirtualClock(begin), lambda _: past)
        point_engine_at(home, f"ws://127.0.0.1:{free_port()}/ai_bridge")
        leave_it_to_the_candles(home)
        standing = await play_live(settings, home, is_live)

    end = begin + timedelta(minutes=N_LIVE)
    archive = live_archive(settings, home, VirtualClock(end))
    assert archive is not None
    assert archive.carry_over().n_candles == N_LIVE
    bars = archive.bars.load((SYMBOL,), begin - timedelta(minutes=N_WARM_UP), end)
    assert len(bars) == N_WARM_UP + N_LIVE
    told = live_trades(settings, home)
    costs = native.Costs(
        *(getattr(settings.costs, name) for name in ("maker_fee_bps", "taker_fee_bps", "slippage_bps"))
    )
    equity = {state["instance_id"]: float(state["equity"]) for state in standing["instances"]}
    for name, (strategy, params) in STRATEGIES.items():
        capital = instance_capital(settings, name)
        chosen = {**default_params(strategy), **params}
        facts = native.backtest(strategy, chosen, bars, costs, capital, trade_from_ns=to_ns(begin))
        live = [as_row(event) for event in told if event["instance_id"] == name]
        assert len(live) >= 20, f"{name} traded too little to compare anything"
        assert sorted(live) == sorted(rows_of(facts)), name
        # The equity holds the open position and its fee too.
        assert equity[name] == pytest.approx(float(capital) + facts.net_pnl_usd, abs=1e-6)
