"""The first start of an installation on a live market with simulated fills, and the archive of what comes in."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from app.engine_process import (
    engine_symbols,
    instance_capital,
    instance_symbols,
    is_live_market,
    write_engine_config,
)
from app.home import Home
from app.live_market import (
    CCXT_NAMES,
    LiveInstrument,
    LiveName,
    candle_ms,
    instrument_of,
    live_names,
    require_dollar_quotes,
)
from app.replay import PLAN, WARMUP_BARS, Plan
from core import native
from core.clock import Clock
from core.errors import BadInput, Unavailable, UnknownName
from core.log import get_logger
from core.native import Bars
from core.settings import Settings
from core.store import open_store, param_versions, schema, setting_facts
from market.bars import BarArchive
from market.candles import from_ms
from market.download import CandleServer, CcxtExchange, ExchangeSymbol, Progress, download_candles
from market.live_archive import LiveArchive, LiveSymbol
from strategies.bridge import load_secret
from strategies.gate import Gate
from strategies.programs import load_programs
from strategies.rollout import Rollout

Connect = Callable[[LiveName], CandleServer]
ANY_QUOTE = frozenset({"micro_arbitrage"})
"""Strategies that reckon in the quotes of their symbols."""


def connect(live: LiveName) -> CandleServer:
    """Return the exchange of a symbol's feed, public data only."""
    exchange, market_type = CCXT_NAMES[live.feed.venue]
    return CcxtExchange(exchange, _wait, market_type, live.feed.rest_url)


def _wait(seconds: float) -> None:
    get_logger("paper").warning("the exchange does not answer; asking again", wait_s=seconds)
    time.sleep(seconds)


def set_up_paper(settings: Settings, home: Home, clock: Clock, connect_to: Connect = connect) -> None:
    """Set the installation up once; a second call changes nothing but the candles that came in between.

    Raises BadInput for a home that runs on the made market, Unavailable when an exchange does not answer.
    """
    if home.engine_config.is_file() and not is_live_market(home):
        raise BadInput(f"{home.path} runs on the made market", "Name another home with XCRACK_HOME for paper trading")
    programs = load_programs(settings.instances)
    store = open_store(settings.store_url, settings.store.busy_timeout_ms)
    try:
        schema.migrate(store)
        load_secret(home.bridge_secret)
        rollout = Rollout(clock, settings, _nothing_to_send, programs)
        if home.engine_config.is_file():
            with store.session() as session:
                rollout.require_same_programs(session)
            _catch_up(settings, home, clock, connect_to)
            return
        instruments = _fetch_history(settings, home, clock, connect_to)
        now = clock.now()
        archive = BarArchive(home.bars, clock, candle_ms(settings.market))
        names = tuple(i.live.name for i in instruments)
        warmup = timedelta(milliseconds=archive.interval_ms * WARMUP_BARS)
        bars = _only(archive.load(names, now - warmup, now), instruments)
        native.write_feed(home.feed, bars)
        symbols = {i.instance_id: instance_symbols(settings, i.instance_id, names) for i in settings.instances}
        in_dollars = {i.instance_id: symbols[i.instance_id] for i in settings.instances if i.strategy not in ANY_QUOTE}
        require_dollar_quotes(instruments, in_dollars)
        capital = {i.instance_id: instance_capital(settings, i.instance_id) for i in settings.instances}
        gate = Gate(store, clock, settings.gate, settings.costs, capital, symbols, archive, programs)
        with store.session() as session:
            rollout.ensure_initial(session, settings.instances)
            gate.split_history(session, now)
            versions = param_versions.all_active(session)
            setting_facts.put(session, PLAN, Plan(0, now, now, settings.market.warmup_days, names), now)
        write_engine_config(
            settings,
            home,
            bars=bars,
            versions=versions,
            pace="realtime",
            trade_from=now,
            krw_per_usd=Decimal(str(settings.advisor.fallback_krw_per_usd)),
            instruments=instruments,
        )
    finally:
        store.dispose()


def _catch_up(settings: Settings, home: Home, clock: Clock, connect_to: Connect) -> None:
    """Fetch the candles that were missed. What is on disk trades without them, so a silent exchange stops nothing."""
    try:
        _fetch_history(settings, home, clock, connect_to)
    except Unavailable as error:
        get_logger("paper").warning("candles that were missed are missing still", reason=str(error))


def _fetch_history(settings: Settings, home: Home, clock: Clock, connect_to: Connect) -> tuple[LiveInstrument, ...]:
    """Return every symbol with its grid, its candles up to now in the archive: the warm-up, or what was missed."""
    log = get_logger("paper")
    interval_ms = candle_ms(settings.market)
    archive = BarArchive(home.bars, clock, interval_ms)
    instruments = []
    for live in live_names(settings.market):
        exchange = connect_to(live)
        instrument = instrument_of(live, exchange.find_symbol(live.listed_as))
        start_at = _newest_stored(archive, live.name, clock.now() - timedelta(days=settings.market.warmup_days))

        def told(progress: Progress, name: str = live.name) -> None:
            log.info("fetching candles", symbol=name, n=progress.n_received, reached=progress.reached_at.isoformat())

        named = _Listed(exchange, live)
        done = download_candles(named, archive, clock, live.name, interval_ms, start_at, progress=told)
        log.info("candles are there", symbol=live.name, n_new=done.n_new)
        instruments.append(instrument)
    return tuple(instruments)


def _newest_stored(archive: BarArchive, symbol: str, latest: datetime) -> datetime:
    """Return when the newest stored candle closed, at most `latest`; `latest` where nothing is stored."""
    if symbol not in archive.symbols():
        return latest
    stored = archive.candles(symbol)
    return min(latest, from_ms(int(stored.opened_at_ms[-1]) + archive.interval_ms)) if len(stored) else latest


class _Listed:
    """An exchange that is asked for a symbol by our name and answers by its own."""

    def __init__(self, exchange: CandleServer, live: LiveName) -> None:
        self.name: str = live.feed.venue
        self._exchange, self._live = exchange, live
        self.fetch_page = exchange.fetch_page

    def find_symbol(self, symbol: str) -> ExchangeSymbol:
        """Return what the exchange lists for our name."""
        if symbol != self._live.name:
            raise UnknownName(f"{self.name} is asked for {symbol}, and this is {self._live.name}")
        return self._exchange.find_symbol(self._live.listed_as)


def _only(bars: Bars, instruments: tuple[LiveInstrument, ...]) -> Bars:
    """Return the bars with the exchange's own grid, which the prices need not prove."""
    assert np.all(bars.symbol < len(instruments)), "the archive was asked for these symbols in this order"
    return Bars(
        symbols=bars.symbols,
        ticks=tuple(i.tick for i in instruments),
        lots=tuple(i.lot for i in instruments),
        symbol=bars.symbol,
        opened_at_ns=bars.opened_at_ns,
        closed_at_ns=bars.closed_at_ns,
        open=bars.open,
        high=bars.high,
        low=bars.low,
        close=bars.close,
        volume=bars.volume,
    )


def live_archive(settings: Settings, home: Home, clock: Clock) -> LiveArchive | None:
    """Return the archive of the live market of this home; None where it runs on the made one."""
    if not is_live_market(home):
        return None
    return LiveArchive(
        log=home.engine / "market",
        ticks=home.path / "ticks",
        bars=BarArchive(home.bars, clock, candle_ms(settings.market)),
        clock=clock,
        symbols=[
            LiveSymbol(s["name"], Decimal(s["tick"]), Decimal(s["lot"]), s["venue"]) for s in engine_symbols(home)
        ],
        tick_days=settings.market.tick_days,
    )


def _nothing_to_send(*_: object) -> int:
    raise AssertionError("initial versions are in the engine's configuration; nothing is sent")
