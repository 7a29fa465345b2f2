"""Setting up for a live market: names, grids, engine configuration, and what one home may hold."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest

from app.engine_process import engine_symbols, is_live_market, renew_engine_config
from app.home import Home
from app.live_market import (
    LiveInstrument,
    LiveName,
    instrument_of,
    live_names,
    live_sections,
    require_dollar_quotes,
)
from app.paper import live_archive, set_up_paper
from app.supervisor import prepare
from core.clock import VirtualClock
from core.errors import BadInput, Refused, Unavailable
from core.settings import Settings
from core.settings_sections import FeedSettings, MarketSettings, StreamSettings
from market.bars import BarArchive
from market.candles import MINUTE_MS, Candles
from market.download import ExchangeSymbol
from tests.candle_factory import walk

NOW = datetime(2026, 1, 5, tzinfo=UTC)
TWO_VENUES = MarketSettings(
    feeds=(
        FeedSettings(venue="binance_spot", symbols=("BTCUSDT",)),
        FeedSettings(venue="bybit_linear", symbols=("BTCUSDT", "ETHUSDT"), ws_url="ws://127.0.0.1:1"),
    ),
    warmup_days=1,
)

REFUSING = {
    "fee_tiers": [
        {"from_notional": 1_000_000, "maker_fee_bps": 1.6, "taker_fee_bps": 4},
        {"from_notional": "5000000.50", "maker_fee_bps": -0.5, "taker_fee_bps": 3},
    ],
    "max_messages_per_s": 50,
    "reject_rate": 0.05,
    "reject_seed": 2**64 - 1,
}


class CandleFile:
    """An exchange that lists everything and serves one walk of minutes."""

    name = "file"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.candles: Candles = walk(4_000, start_at=NOW - timedelta(days=2), interval_ms=MINUTE_MS)

    def find_symbol(self, symbol: str) -> ExchangeSymbol:
        return ExchangeSymbol(f"{symbol[:3]}/{symbol[3:]}:{symbol[3:]}", Decimal("0.01"), Decimal("0.0001"))

    def fetch_page(self, listed_as: str, interval: str, since_ms: int, limit: int) -> list[list[float]]:
        assert interval == "1m"
        self.asked.append(listed_as)
        chosen = self.candles.rows(np.flatnonzero(self.candles.opened_at_ms >= since_ms)[:limit])
        return [[int(at), *map(float, row)] for at, row in zip(chosen.opened_at_ms, chosen.values(), strict=True)]


def _settings(home: Path, market: MarketSettings = TWO_VENUES) -> Settings:
    return Settings(home=home, market=market, mode="paper")


def test_the_same_name_on_a_second_venue_gets_the_venue_added() -> None:
    assert [(n.name, n.listed_as) for n in live_names(TWO_VENUES)] == [
        ("BTCUSDT", "BTCUSDT"), ("BTCUSDTBYBITLINEAR", "BTCUSDT"), ("ETHUSDT", "ETHUSDT")
    ]  # fmt: skip
    twice = MarketSettings(feeds=(FeedSettings(venue="bybit_spot", symbols=("A1", "B1", "A1", "A1")),))
    with pytest.raises(BadInput, match="twice"):
        live_names(twice)


def test_feeds_share_one_candle_length() -> None:
    hourly = FeedSettings(venue="bybit_spot", symbols=("ETHUSDT",), streams=StreamSettings(candles="1h"))
    with pytest.raises(BadInput, match="different lengths"):
        live_names(MarketSettings(feeds=(*MarketSettings().feeds, hourly)))


def test_a_symbol_without_a_grid_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="binance_spot tells no tick or lot of BTCUSDT"):
        instrument_of(live_names(TWO_VENUES)[0], ExchangeSymbol("BTC/USDT", None, Decimal(1)))


@pytest.mark.parametrize(
    ("streams", "model", "expected"),
    [
        (StreamSettings(), "auto", "book"),
        (StreamSettings(trades=False), "auto", "bars"),
        (StreamSettings(quotes=False), "auto", "bars"),
        (StreamSettings(quotes=False, depth=True), "auto", "book"),
        (StreamSettings(), "bars", "bars"),
    ],
)
def test_orders_fill_by_book_where_prints_and_prices_are_streamed(
    streams: StreamSettings, model: str, expected: str
) -> None:
    feed = FeedSettings(venue="binance_spot", symbols=("BTCUSDT",), streams=streams)
    market = MarketSettings.model_validate({"feeds": (feed,), "venue_model": model})
    assert live_sections(market, live_names(market))["venue"]["model"] == expected


def test_a_venue_that_refuses_orders_and_has_tiers_reaches_the_engine_and_unset_fields_do_not() -> None:
    plain = live_sections(TWO_VENUES, live_names(TWO_VENUES))["venue"]
    assert set(plain) == {"model", "order_latency_us", "feed_latency_us", "queue"}
    market = MarketSettings.model_validate(REFUSING)
    assert live_sections(market, live_names(market))["venue"] == plain | {
        "fee_tiers": [
            {"from_notional": "1000000", "maker_fee_bps": 1.6, "taker_fee_bps": 4.0},
            {"from_notional": "5000000.5", "maker_fee_bps": -0.5, "taker_fee_bps": 3.0},
        ],
        "max_messages_per_s": 50,
        "reject_rate": 0.05,
        "reject_seed": 2**64 - 1,
    }


def test_a_later_start_on_another_simulated_exchange_is_refused_by_name(tmp_path: Path) -> None:
    home, clock = Home(tmp_path).create(), VirtualClock(NOW)
    began = MarketSettings.model_validate(REFUSING | {"warmup_days": 1})
    set_up_paper(_settings(tmp_path, began), home, clock, lambda _: CandleFile())
    before = home.engine_config.read_bytes()
    renew_engine_config(_settings(tmp_path, began), home)
    assert home.engine_config.read_bytes() == before
    with pytest.raises(BadInput, match=r"venue.reject_rate was 0.05 and is 0.1"):
        renew_engine_config(_settings(tmp_path, began.model_copy(update={"reject_rate": 0.1})), home)
    with pytest.raises(BadInput, match=r"venue.fee_tiers was \[.*\] and is not set; venue.max_messages_per_s was 50"):
        renew_engine_config(_settings(tmp_path, MarketSettings(warmup_days=1)), home)


def test_how_the_log_is_kept_may_change_at_every_start(tmp_path: Path) -> None:
    home, clock = Home(tmp_path).create(), VirtualClock(NOW)
    set_up_paper(_settings(tmp_path), home, clock, lambda _: CandleFile())
    before = home.engine_config.read_bytes()
    market = _settings(tmp_path).market.model_copy(update={"retain": "until_archived", "segment_minutes": 5})
    renew_engine_config(_settings(tmp_path, market), home)
    assert msgspec.json.decode(home.engine_config.read_bytes())["state"] == {
        "segment_minutes": 5,
        "retain": "until_archived",
    }
    renew_engine_config(_settings(tmp_path), home)
    assert home.engine_config.read_bytes() == before


def test_the_first_start_fetches_history_and_writes_a_configuration_that_listens(tmp_path: Path) -> None:
    exchange, clock = CandleFile(), VirtualClock(NOW)
    settings, home = _settings(tmp_path), Home(tmp_path).create()
    set_up_paper(settings, home, clock, lambda _: exchange)
    config = msgspec.json.decode(home.engine_config.read_bytes())
    assert [m["venue"] for m in config["markets"]] == ["binance_spot", "bybit_linear"]
    assert config["markets"][1]["symbols"] == {"BTCUSDTBYBITLINEAR": "BTCUSDT", "ETHUSDT": "ETHUSDT"}
    assert config["markets"][1]["ws_url"] == "ws://127.0.0.1:1" and "ws_url" not in config["markets"][0]
    assert engine_symbols(home)[1] == {
        "name": "BTCUSDTBYBITLINEAR", "tick": "0.01", "lot": "0.0001", "venue": "bybit_linear", "base": "BTC",
        "quote": "USDT",
    }  # fmt: skip
    assert (config["pace"], config["venue"]["model"], is_live_market(home)) == ("realtime", "book", True)
    assert config["state"]["retain"] == "keep", "another build of the engine replays the log from its beginning"
    assert len(BarArchive(home.bars, clock).candles("ETHUSDT")) == 1_440
    archive = live_archive(settings, home, clock)
    assert archive is not None and [s.name for s in archive.symbols][0] == "BTCUSDT"


def test_a_later_start_fetches_only_what_was_missed_and_keeps_the_configuration(tmp_path: Path) -> None:
    exchange, clock = CandleFile(), VirtualClock(NOW)
    settings, home = _settings(tmp_path), Home(tmp_path).create()
    set_up_paper(settings, home, clock, lambda _: exchange)
    before, exchange.asked = home.engine_config.read_bytes(), []
    clock.advance_to(NOW + timedelta(minutes=30))
    set_up_paper(settings, home, clock, lambda _: exchange)
    assert home.engine_config.read_bytes() == before
    assert len(exchange.asked) == 3, "one page a symbol"
    assert len(BarArchive(home.bars, clock).candles("BTCUSDT")) == 1_470


def test_a_start_after_days_off_fetches_from_the_last_candle_on_and_not_only_the_warm_up(tmp_path: Path) -> None:
    exchange, clock = CandleFile(), VirtualClock(NOW)
    exchange.candles = walk(8_000, start_at=NOW - timedelta(days=1), interval_ms=MINUTE_MS)
    settings, home = _settings(tmp_path), Home(tmp_path).create()
    set_up_paper(settings, home, clock, lambda _: exchange)
    clock.advance_to(NOW + timedelta(days=3))
    set_up_paper(settings, home, clock, lambda _: exchange)
    assert settings.market.warmup_days == 1
    assert len(BarArchive(home.bars, clock).candles("BTCUSDT")) == 4 * 1_440, "a hole would be there for ever"


def test_an_exchange_that_does_not_answer_stops_a_first_start_and_no_later_one(tmp_path: Path) -> None:
    class Silent(CandleFile):
        def fetch_page(self, listed_as: str, interval: str, since_ms: int, limit: int) -> list[list[float]]:
            raise Unavailable("the exchange does not answer")

    clock = VirtualClock(NOW)
    settings, home = _settings(tmp_path), Home(tmp_path).create()
    with pytest.raises(Unavailable):
        set_up_paper(settings, home, clock, lambda _: Silent())
    assert not home.engine_config.exists()
    set_up_paper(settings, home, clock, lambda _: CandleFile())
    clock.advance_to(NOW + timedelta(minutes=30))
    set_up_paper(settings, home, clock, lambda _: Silent())
    assert len(BarArchive(home.bars, clock).candles("BTCUSDT")) == 1_440


def test_a_symbol_whose_prices_are_no_dollars_is_traded_by_those_alone_who_reckon_in_its_quote(tmp_path: Path) -> None:
    btc, eth = (
        LiveInstrument(LiveName(name, name, TWO_VENUES.feeds[0]), Decimal("0.01"), Decimal("0.001"), name[:3], quote)
        for name, quote in (("BTCUSDT", "USDT"), ("ETHBTC", "BTC"))
    )
    require_dollar_quotes((btc, eth), {"sma-1": ("BTCUSDT",)})
    with pytest.raises(BadInput, match=r"sma-1 would trade ETHBTC \(in BTC\)"):
        require_dollar_quotes((btc, eth), {"sma-1": ("BTCUSDT", "ETHBTC")})

    market = MarketSettings(feeds=(FeedSettings(venue="binance_spot", symbols=("BTCUSDT", "ETHBTC")),), warmup_days=1)
    with pytest.raises(BadInput, match="in dollars"):
        set_up_paper(_settings(tmp_path, market), Home(tmp_path).create(), VirtualClock(NOW), lambda _: CandleFile())


def test_a_home_on_the_made_market_is_not_traded_live(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    home.engine_config.write_text("{}")
    with pytest.raises(BadInput, match="made market"):
        set_up_paper(_settings(tmp_path), home, VirtualClock(NOW), lambda _: CandleFile())
    assert live_archive(_settings(tmp_path), home, VirtualClock(NOW)) is None


def test_a_paper_home_is_not_started_as_a_demo_and_live_says_what_it_needs(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    home.engine_config.write_text('{"markets": [{}]}')
    with pytest.raises(BadInput, match="--mode paper"):
        prepare(Settings(home=tmp_path), home)
    with pytest.raises(Refused, match="starts no engine that trades an account"):
        prepare(Settings(home=tmp_path, mode="live"), home)
    with pytest.raises(BadInput, match="xcrack replay"):
        prepare(Settings(home=tmp_path, mode="replay"), home)
