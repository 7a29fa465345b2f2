"""A live market as the engine is told of it: symbols with their grid, feeds, and how the simulated venue fills."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.errors import BadInput
from core.settings_sections import FeedSettings, MarketSettings
from market.candles import interval_ms_of
from market.download import ExchangeSymbol

CCXT_NAMES = {
    "binance_spot": ("binance", "spot"),
    "binance_usdm": ("binanceusdm", "swap"),
    "bybit_spot": ("bybit", "spot"),
    "bybit_linear": ("bybit", "swap"),
}
"""Exchange and market type under which ccxt knows a venue."""

DOLLARS = frozenset({"USD", "USDT", "USDC", "FDUSD", "TUSD"})
"""Quotes that count as dollars."""

VENUE_CHOICES = frozenset({"fee_tiers", "max_messages_per_s", "reject_rate", "reject_seed"})
"""Fields of the section `venue` that are written only where the settings set them."""


@dataclass(frozen=True, slots=True)
class LiveName:
    """One symbol of a feed: what the engine calls it, and what the exchange does."""

    name: str
    listed_as: str
    feed: FeedSettings


@dataclass(frozen=True, slots=True)
class LiveInstrument:
    """A symbol with its grid, as the engine's configuration needs it."""

    live: LiveName
    tick: Decimal
    lot: Decimal
    base: str
    quote: str


def live_names(market: MarketSettings) -> tuple[LiveName, ...]:
    """Return every symbol of every feed; a name that an earlier feed has too gets its venue added.

    Raises BadInput for a symbol that one venue lists twice, and for feeds with candles of different lengths.
    """
    if len({feed.streams.candles for feed in market.feeds}) > 1:
        raise BadInput("the feeds ask for candles of different lengths", "Use one length in all market.feeds")
    taken: dict[str, LiveName] = {}
    for feed in market.feeds:
        for symbol in feed.symbols:
            plain = symbol.upper()
            name = plain if plain not in taken else plain + feed.venue.replace("_", "").upper()
            if name in taken:
                raise BadInput(f"{feed.venue} is asked for {symbol} twice", "Correct market.feeds in the settings")
            taken[name] = LiveName(name, plain, feed)
    return tuple(taken.values())


def instrument_of(live: LiveName, listed: ExchangeSymbol) -> LiveInstrument:
    """Return the symbol with the grid that its exchange lists. Raises BadInput where the exchange tells none."""
    if listed.tick is None or listed.lot is None:
        raise BadInput(f"{live.feed.venue} tells no tick or lot of {live.listed_as}", "Choose another symbol")
    base, _, quote = listed.listed_as.partition(":")[0].partition("/")
    return LiveInstrument(live, listed.tick, listed.lot, base, quote)


def require_dollar_quotes(instruments: Sequence[LiveInstrument], traded: Mapping[str, Sequence[str]]) -> None:
    """Raise BadInput where an instance would trade a symbol whose prices are no dollars, as capital and limits are.

    `traded` has the symbols of every instance that takes prices for dollars.
    """
    quotes = {i.live.name: i.quote for i in instruments}
    for instance_id, names in traded.items():
        if other := [f"{name} (in {quotes[name]})" for name in names if quotes[name] not in DOLLARS]:
            raise BadInput(
                f"instance {instance_id} would trade {', '.join(other)}, and its capital and limits are in dollars",
                f"Name in instances.symbols those quoted in {', '.join(sorted(DOLLARS))}",
            )


def candle_ms(market: MarketSettings) -> int:
    """Return the length of the market's candles in milliseconds."""
    return interval_ms_of(market.feeds[0].streams.candles)


def symbol_specs(instruments: Sequence[LiveInstrument]) -> list[dict[str, str]]:
    """Return `EngineConfig.symbols`."""
    return [
        {
            "name": i.live.name,
            "tick": format(i.tick, "f"),
            "lot": format(i.lot, "f"),
            "venue": i.live.feed.venue,
            "base": i.base,
            "quote": i.quote,
        }
        for i in instruments
    ]


def live_sections(market: MarketSettings, names: Sequence[LiveName]) -> dict[str, Any]:
    """Return the sections `markets`, `venue` and `state` of the engine's configuration."""
    return {
        "markets": [_feed(market, feed, names) for feed in market.feeds],
        "venue": venue_section(market),
        "state": state_section(market),
    }


def state_section(market: MarketSettings) -> dict[str, Any]:
    """Return the section `state`, which may differ between two starts."""
    return {"segment_minutes": market.segment_minutes, "retain": market.retain}


def venue_section(market: MarketSettings) -> dict[str, Any]:
    """Return the section `venue`; the fields of `VENUE_CHOICES` only where they are set."""
    tiers = [
        {
            "from_notional": format(tier.from_notional.normalize(), "f"),
            "maker_fee_bps": tier.maker_fee_bps,
            "taker_fee_bps": tier.taker_fee_bps,
        }
        for tier in market.fee_tiers
    ]
    chosen = {
        "fee_tiers": tiers,
        "max_messages_per_s": market.max_messages_per_s,
        "reject_rate": market.reject_rate,
        "reject_seed": market.reject_seed,
    }
    return {
        "model": "book" if market.fills_by_book else "bars",
        "order_latency_us": round(market.order_latency_ms * 1000),
        "feed_latency_us": 0,
        "queue": {"type": "risk_averse"}
        if market.queue_power is None
        else {"type": "prob_power", "power": market.queue_power},
    } | {name: value for name, value in chosen.items() if value}


def _feed(market: MarketSettings, feed: FeedSettings, names: Sequence[LiveName]) -> dict[str, Any]:
    streams = feed.streams
    addresses = {"ws_url": feed.ws_url, "rest_url": feed.rest_url}
    return {
        "venue": feed.venue,
        "symbols": {n.name: n.listed_as for n in names if n.feed is feed},
        "streams": {
            "trades": streams.trades,
            "quotes": streams.quotes,
            "depth": streams.depth,
            "candles": streams.candles,
            "funding": feed.venue in {"binance_usdm", "bybit_linear"},
        },
        "stale_after_ms": round(market.stale_after_s * 1000),
    } | {name: url for name, url in addresses.items() if url}
