"""The live market as the engine hears it: each symbol of each feed, and the alert about one that has fallen silent."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.clock import from_ns
from feedback.alerts import Finding


@dataclass(frozen=True, slots=True)
class FeedReading:
    """One symbol at one venue. The engine calls it stale when nothing changed for `market.stale_after_s`."""

    venue: str
    symbol: str
    is_stale: bool
    seen_at: datetime | None
    """When its last message came; None before the first."""
    lag_ms: float | None
    """Between the exchange's stamp and ours, the clocks' difference included; None before the first message."""
    n_connections: int
    """Of the venue, open now."""
    n_reconnects: int
    """Of the venue, since the engine started."""
    n_messages: int
    n_gaps: int
    n_missed_candles: int
    """Candles that closed while nobody listened and were fetched later."""
    n_lost_candles: int
    """Candles that could not be fetched either."""
    last_lost: tuple[datetime, datetime] | None
    """From the opening of the first to the close of the last of those that were lost last."""

    @property
    def state(self) -> str:
        """`live`, `stale`, or `waiting` for the first message."""
        return "stale" if self.is_stale else "waiting" if self.seen_at is None else "live"


def read_feeds(facts: Mapping[str, Any], names: Sequence[str]) -> tuple[FeedReading, ...]:
    """Return the feeds in an engine's status; `names` are its symbols in the order of their indices."""
    return tuple(
        FeedReading(
            venue=feed["venue"],
            symbol=names[one["symbol"]] if one["symbol"] < len(names) else str(one["symbol"]),
            is_stale=one["is_stale"],
            seen_at=from_ns(one["last_at"]) if one["last_at"] > 0 else None,
            lag_ms=one["lag_ns"] / 1e6 if one["last_at"] > 0 else None,
            n_connections=feed["connections"],
            n_reconnects=feed["reconnects"],
            n_messages=one["messages"],
            n_gaps=one["gaps"],
            n_missed_candles=one["missed_candles"],
            n_lost_candles=one["lost_candles"],
            last_lost=_span(one["last_lost"]),
        )
        for feed in facts.get("feeds") or ()
        for one in feed["symbols"]
    )


def _span(span: Mapping[str, int] | None) -> tuple[datetime, datetime] | None:
    return None if span is None else (from_ns(span["from"]), from_ns(span["to"]))


def judge_feeds(feeds: Sequence[FeedReading], limit_s: float) -> Iterator[Finding]:
    """Yield one finding a symbol: bad while the engine calls it stale and so opens nothing on it."""
    for feed in feeds:
        since = "the start" if feed.seen_at is None else f"{feed.seen_at:%Y-%m-%d %H:%M:%S} UTC"
        facts = {"since": since, "limit": f"{limit_s:g}"}
        yield Finding("stale_market", f"{feed.symbol}@{feed.venue}", feed.is_stale, "warning", facts)
