"""Candles of an exchange into the archive, through ccxt. It may be killed or cut off at any time and run again.

Every run asks only for what the archive does not have, so a run that continues ends with the same archive as one that
was never cut. The candle that is still open is never kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import numpy as np

from core.clock import Clock
from core.errors import BadInput, Unavailable, UnknownName
from market.bars import BarArchive
from market.candles import Candles, Integers, from_ms, interval_name, is_sound, ms_of, no_candles, require_symbol

PAGE = 1_000
KEEP_EVERY = 20_000
MAX_ATTEMPTS = 6
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
_EMPTY_AGAIN = 2


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is: candles received so far, and the time up to which all were asked for."""

    symbol: str
    n_received: int
    reached_at: datetime
    end_at: datetime


@dataclass(frozen=True, slots=True)
class DownloadResult:
    """What a download added. `n_rejected` candles were impossible and left out."""

    symbol: str
    n_new: int
    n_rejected: int
    revised_opened_at: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class ExchangeSymbol:
    """A symbol as the exchange lists it. Tick and lot are None where it does not tell them."""

    listed_as: str
    tick: Decimal | None
    lot: Decimal | None


class CandleServer(Protocol):
    """An exchange that serves candles."""

    name: str

    def find_symbol(self, symbol: str) -> ExchangeSymbol:
        """Return the listed symbol. Raises UnknownName, or Unavailable when the exchange does not answer."""
        ...

    def fetch_page(self, listed_as: str, interval: str, since_ms: int, limit: int) -> list[list[float]]:
        """Return up to `limit` rows of ms, open, high, low, close, volume from `since_ms` on. Raises Unavailable."""
        ...


class CcxtExchange:
    """Any exchange of ccxt, public data only. `base_url` replaces scheme and host of its REST addresses."""

    def __init__(
        self, exchange_id: str, sleep: Callable[[float], None], market_type: str = "spot", base_url: str = ""
    ) -> None:
        import ccxt  # takes seconds to import, and only downloads need it

        if exchange_id not in ccxt.exchanges:
            raise BadInput(f"ccxt knows no exchange '{exchange_id}'", "Use for example binance, bybit, okx or upbit")
        kinds = {"spot": ["spot"], "swap": ["linear"]}.get(market_type)
        if kinds is None:
            raise BadInput(f"'{market_type}' is no market type", "Use spot or swap")
        options = {"defaultType": market_type, "fetchMarkets": {"types": kinds}, "fetchCurrencies": False}
        self.name = exchange_id
        self._market_type = market_type
        self._sleep = sleep
        self._ccxt = ccxt
        self._client: Any = getattr(ccxt, exchange_id)({"enableRateLimit": True, "timeout": 20_000, "options": options})
        if base_url:
            _redirect(self._client.urls["api"], base_url)

    def find_symbol(self, symbol: str) -> ExchangeSymbol:
        """Return the listed symbol. Raises UnknownName, or Unavailable when the exchange does not answer."""
        self._ask(self._client.load_markets)
        listed = [
            market
            for market in self._client.markets.values()
            if market["type"] == self._market_type and symbol in (market["id"].upper(), _plain(market))
        ]
        if not listed:
            known = sorted(_plain(market) for market in self._client.markets.values() if market["active"])
            near = [name for name in known if name.startswith(symbol[:3])][:8] or known[:8]
            raise UnknownName(
                f"{self.name} lists no {self._market_type} symbol {symbol}", f"It lists {', '.join(near)}"
            )
        precision = listed[0]["precision"]
        return ExchangeSymbol(listed[0]["symbol"], self._step(precision["price"]), self._step(precision["amount"]))

    def fetch_page(self, listed_as: str, interval: str, since_ms: int, limit: int) -> list[list[float]]:
        """Return up to `limit` rows of ms, open, high, low, close, volume from `since_ms` on. Raises Unavailable."""
        rows = self._ask(lambda: self._client.fetch_ohlcv(listed_as, interval, since_ms, limit))
        return [list(row) for row in rows]

    def _step(self, precision: float | None) -> Decimal | None:
        if not precision:
            return None
        if self._client.precisionMode == self._ccxt.TICK_SIZE:
            return Decimal(str(precision)).normalize()
        return Decimal(1).scaleb(-int(precision)) if self._client.precisionMode == self._ccxt.DECIMAL_PLACES else None

    def _ask(self, call: Callable[[], Any]) -> Any:
        """Return the answer; a fault of the network is waited out, twice as long every time."""
        wait_s = _FIRST_WAIT_S
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                return call()
            except self._ccxt.NetworkError as error:
                if attempt == MAX_ATTEMPTS:
                    raise Unavailable(
                        f"{self.name} did not answer {MAX_ATTEMPTS} times: {_brief(error)}",
                        "Check the network, or that the exchange serves your country; then run it again to continue",
                    ) from error
                self._sleep(max(wait_s, self._asked_wait_s()))
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            except self._ccxt.BaseError as error:
                raise Unavailable(f"{self.name} refused the request: {_brief(error)}") from error
        raise AssertionError("the loop returns or raises")

    def _asked_wait_s(self) -> float:
        asked = str((self._client.last_response_headers or {}).get("Retry-After", ""))
        return min(float(asked), 300.0) if asked.isdigit() else 0.0


def download_candles(
    exchange: CandleServer,
    archive: BarArchive,
    clock: Clock,
    symbol: str,
    interval_ms: int,
    start_at: datetime,
    end_at: datetime | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> DownloadResult:
    """Add the candles closed in [start_at, end_at] that the archive lacks; `end_at` is at most (and by default) now.

    Raises UnknownName, BadInput or Unavailable; what was received before stays, and the next run goes on from there.
    """
    name = interval_name(interval_ms)
    listed = exchange.find_symbol(require_symbol(symbol))
    end = min(end_at or clock.now(), clock.now())
    if start_at >= end:
        raise BadInput(f"the time from {start_at.isoformat()} to {end.isoformat()} holds no closed candle")
    keeper = _Keeper(archive, symbol, interval_ms, listed, f"{exchange.name}:{listed.listed_as}")
    # The first candle opens at or after the start; the last one closes at or before the end.
    first_ms, stop_ms = -(-ms_of(start_at) // interval_ms) * interval_ms, ms_of(end) - interval_ms + 1
    try:
        cursor: int | None = keeper.first_missing(first_ms, stop_ms)
        while cursor is not None:
            rows = _fetch_rows(exchange, listed.listed_as, name, cursor)
            candles = _parse_rows(rows)
            reached_ms = int(candles.opened_at_ms.max()) + interval_ms if rows else cursor + PAGE * interval_ms
            keeper.take(candles, cursor, stop_ms)
            cursor = keeper.first_missing(max(reached_ms, cursor + interval_ms), stop_ms)
            reached_at = from_ms(min(reached_ms, stop_ms))
            progress(Progress(symbol, keeper.n_received, reached_at, end))
    finally:
        keeper.keep()
    return DownloadResult(symbol, keeper.n_new, keeper.n_rejected, tuple(keeper.revised))


class _Keeper:
    """Gathers pages and merges them into the archive now and then, so that a kill loses little."""

    def __init__(self, archive: BarArchive, symbol: str, interval_ms: int, listed: ExchangeSymbol, source: str) -> None:
        self._archive = BarArchive(archive.root, archive.clock, interval_ms)
        self._symbol, self._interval_ms, self._listed, self._source = symbol, interval_ms, listed, source
        stored = self._archive.candles(symbol) if symbol in self._archive.symbols() else no_candles()
        self._stored_ms: Integers = stored.opened_at_ms
        self._waiting = no_candles()
        self.n_received = self.n_new = self.n_rejected = 0
        self.revised: list[datetime] = []

    def first_missing(self, from_open_ms: int, stop_ms: int) -> int | None:
        """Return the first opening time in [from, stop) that was not stored when the download began, or None."""
        grid = np.arange(from_open_ms, stop_ms, self._interval_ms, dtype=np.int64)
        missing = np.flatnonzero(~np.isin(grid, self._stored_ms))
        return int(grid[missing[0]]) if len(missing) else None

    def take(self, candles: Candles, from_open_ms: int, stop_ms: int) -> None:
        """Take the candles of one page that open in [from, stop)."""
        asked = candles.rows((candles.opened_at_ms >= from_open_ms) & (candles.opened_at_ms < stop_ms))
        good = is_sound(asked) & (asked.opened_at_ms % self._interval_ms == 0)
        self.n_rejected += int((~good).sum())
        _, first = np.unique(asked.opened_at_ms[good], return_index=True)
        page = asked.rows(good).rows(first)
        self.n_received += len(page)
        self._waiting = self._waiting.joined(page)
        if len(self._waiting) >= KEEP_EVERY:
            self.keep()

    def keep(self) -> None:
        """Merge what waits."""
        _, first = np.unique(self._waiting.opened_at_ms, return_index=True)
        page, self._waiting = self._waiting.rows(first), no_candles()
        if len(page) == 0:
            return
        merged = self._archive.merge(
            self._symbol, self._interval_ms, page, self._source, self._listed.tick, self._listed.lot
        )
        self.n_new += merged.n_new
        self.revised.extend(merged.revised_opened_at)


def _fetch_rows(exchange: CandleServer, listed_as: str, interval: str, since_ms: int) -> list[list[float]]:
    """Return a page; an empty one is asked for again, because some exchanges answer nothing when overloaded."""
    for _ in range(_EMPTY_AGAIN + 1):
        rows = exchange.fetch_page(listed_as, interval, since_ms, PAGE)
        if rows:
            return rows
    return []


def _parse_rows(rows: list[list[float]]) -> Candles:
    if not rows:
        return no_candles()
    table = np.array([[np.nan if cell is None else cell for cell in row[:6]] for row in rows], dtype=np.float64)
    return Candles(table[:, 0].astype(np.int64), *(table[:, column].copy() for column in range(1, 6)))


def _redirect(urls: dict[str, Any], base_url: str) -> None:
    base = urlsplit(base_url)
    if base.scheme not in {"http", "https"} or not base.netloc:
        raise BadInput(f"'{base_url}' is no http(s) address")
    for key, url in urls.items():
        if isinstance(url, dict):
            _redirect(url, base_url)
        elif isinstance(url, str):
            urls[key] = urlunsplit((base.scheme, base.netloc, urlsplit(url).path, "", ""))


def _plain(market: dict[str, Any]) -> str:
    return f"{market['base']}{market['quote']}".upper()


def _brief(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
