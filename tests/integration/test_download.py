"""Downloads through ccxt from a loopback server that speaks the candle part of Binance's REST interface."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from core.clock import VirtualClock
from core.errors import BadInput, Unavailable, UnknownName
from market.bars import BarArchive
from market.candles import MINUTE_MS, Candles, ms_of
from market.download import MAX_ATTEMPTS, CcxtExchange, Progress, download_candles
from tests.candle_factory import walk

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
N = 2_600
OUTAGE = slice(700, 712)
NOW = BEGIN + timedelta(minutes=N - 1, seconds=30)
"""The last candle is still open."""


class Binance:
    """What the server knows and does: its candles, and what goes wrong next."""

    def __init__(self) -> None:
        whole = walk(N, start_at=BEGIN, interval_ms=MINUTE_MS)
        self.candles: Candles = whole.rows(~np.isin(np.arange(N), np.arange(N)[OUTAGE]))
        self.requests: list[int] = []
        self.cut_after: int | None = None
        self.fail_next: list[int] = []
        self.url = ""

    def rows(self, since_ms: int, limit: int) -> list[list[Any]]:
        self.requests.append(since_ms)
        chosen = self.candles.rows(np.flatnonzero(self.candles.opened_at_ms >= since_ms)[:limit])
        return [
            [int(at), *(f"{value:.3f}" for value in values), int(at) + 59_999, "0", 1, "0", "0", "0"]
            for at, values in zip(chosen.opened_at_ms, chosen.values(), strict=True)
        ]


def _market(base: str, quote: str) -> dict[str, Any]:
    return {
        "symbol": base + quote,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": quote,
        "isSpotTradingAllowed": True,
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "orderTypes": [],
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01000000"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001000"},
        ],
    }


@pytest.fixture
def binance() -> Iterator[Binance]:
    state = Binance()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            if address.path == "/api/v3/exchangeInfo":
                self._send(200, {"timezone": "UTC", "symbols": [_market("BTC", "USDT"), _market("ETH", "USDT")]})
                return
            if state.cut_after is not None and len(state.requests) >= state.cut_after:
                self.connection.close()
                return
            if state.fail_next:
                self._send(state.fail_next.pop(0), {"code": -1003, "msg": "Too many requests"})
                return
            query = parse_qs(address.query)
            self._send(200, state.rows(int(query["startTime"][0]), int(query["limit"][0])))

        def _send(self, status: int, body: Any) -> None:
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            """Keep the test output quiet."""

        def handle(self) -> None:
            try:
                super().handle()
            except (OSError, ValueError):
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join(5)


def _archive(root: Path) -> BarArchive:
    return BarArchive(root, VirtualClock(NOW))


def _download(binance: Binance, archive: BarArchive, slept: list[float] | None = None, **over: Any) -> Any:
    exchange = CcxtExchange("binance", (slept if slept is not None else []).append, base_url=binance.url)
    asked = {"symbol": "BTCUSDT", "interval_ms": MINUTE_MS, "start_at": BEGIN, **over}
    return download_candles(exchange, archive, archive.clock, **asked)


def test_all_closed_candles_are_kept_with_the_grid_of_the_exchange(binance: Binance, tmp_path: Path) -> None:
    archive, seen = _archive(tmp_path), list[Progress]()
    result = _download(binance, archive, progress=seen.append)
    kept = archive.candles("BTCUSDT")
    closed = binance.candles.rows(slice(0, -1))
    assert result.n_new == len(closed)
    assert np.array_equal(kept.opened_at_ms, closed.opened_at_ms)
    assert np.allclose(kept.values(), closed.values(), atol=1e-3)
    facts = archive.facts("BTCUSDT")
    assert (str(facts.tick), str(facts.lot), facts.source) == ("0.01", "0.00001", "binance:BTC/USDT")
    assert [progress.n_received for progress in seen] == [1_000, 2_000, len(closed)]
    assert seen[-1].reached_at >= NOW - timedelta(minutes=1)


def test_a_run_that_was_cut_continues_and_ends_with_the_same_archive(binance: Binance, tmp_path: Path) -> None:
    whole, cut = _archive(tmp_path / "whole"), _archive(tmp_path / "cut")
    _download(binance, whole)
    binance.cut_after = len(binance.requests) + 1
    slept: list[float] = []
    with pytest.raises(Unavailable, match=r"binance did not answer 6 times.*run it again to continue"):
        _download(binance, cut, slept)
    assert len(cut.candles("BTCUSDT")) == 1_000
    assert slept == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert len(slept) == MAX_ATTEMPTS - 1
    binance.cut_after = None
    binance.requests.clear()
    _download(binance, cut)
    assert min(binance.requests[1:]) >= ms_of(BEGIN + timedelta(minutes=1_000))
    first, second = (archive.root / "BTCUSDT" / "1m.parquet" for archive in (whole, cut))
    assert first.read_bytes() == second.read_bytes()


def test_a_second_run_asks_only_for_what_is_missing(binance: Binance, tmp_path: Path) -> None:
    archive = _archive(tmp_path)
    _download(binance, archive, start_at=BEGIN + timedelta(minutes=500))
    binance.requests.clear()
    result = _download(binance, archive)
    assert result.n_new == 500
    assert len(archive.candles("BTCUSDT")) == len(binance.candles) - 1
    assert len(binance.requests) <= 2
    assert _download(binance, archive).n_new == 0


def test_a_busy_exchange_is_waited_for(binance: Binance, tmp_path: Path) -> None:
    binance.fail_next = [429, 503]
    slept: list[float] = []
    result = _download(binance, _archive(tmp_path), slept)
    assert result.n_new == len(binance.candles) - 1
    assert slept == [1.0, 2.0]


def test_a_symbol_that_is_not_listed_is_refused_with_those_that_are(binance: Binance, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"binance lists no spot symbol BTCKRW.*BTCUSDT"):
        _download(binance, _archive(tmp_path), symbol="BTCKRW")


def test_what_cannot_be_asked_is_refused_before_asking(binance: Binance, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="knows no exchange 'mtgox'"):
        CcxtExchange("mtgox", print)
    with pytest.raises(BadInput, match="no market type"):
        CcxtExchange("binance", print, market_type="option")
    with pytest.raises(BadInput, match="holds no closed candle"):
        _download(binance, _archive(tmp_path), start_at=NOW + timedelta(days=1))
    assert binance.requests == []


def test_impossible_candles_are_left_out_and_counted(binance: Binance, tmp_path: Path) -> None:
    binance.candles.low[5] = binance.candles.high[5] * 2
    archive = _archive(tmp_path)
    result = _download(binance, archive)
    assert result.n_rejected == 1
    assert binance.candles.opened_at_ms[5] not in archive.candles("BTCUSDT").opened_at_ms
