"""What a source answers: numbers that are fresh, stale or missing, and headlines. Checked here, once for all."""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, Protocol

from core.clock import require_utc
from core.model.market import ContextField, Headline


@dataclass(frozen=True, slots=True)
class Quantity:
    """A kind of number: its name in the context, unit, how old it may be, and the range outside which it is wrong."""

    name: str
    unit: str
    max_age: timedelta
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class Reading:
    """All that one source knew at one time."""

    fields: tuple[ContextField, ...]
    headlines: tuple[Headline, ...] = ()


class Source(Protocol):
    """A place that market context comes from."""

    name: ClassVar[str]

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """What it answers about, also when it fails."""
        ...

    async def fetch(self, at: datetime) -> Reading:
        """Return what was known at `at`. May raise Unavailable or BadInput with the reason."""
        ...


def observed(quantity: Quantity, value: float, observed_at: datetime, source: str, at: datetime) -> ContextField:
    """Return the number as a field: missing when out of range or observed after `at`, stale when too old."""
    age = at - require_utc(observed_at)
    if not math.isfinite(value) or not quantity.lowest <= value <= quantity.highest:
        return missing(quantity, source, f"{value:g} is outside {quantity.lowest:g} to {quantity.highest:g}")
    if age < timedelta(0):
        return missing(quantity, source, "observed after the time asked for")
    is_stale = age > quantity.max_age
    hours = quantity.max_age.total_seconds() / 3600
    return ContextField(
        name=quantity.name,
        value=float(value),
        unit=quantity.unit,
        source=source,
        observed_at=require_utc(observed_at),
        age_s=age.total_seconds(),
        freshness="stale" if is_stale else "fresh",
        reason=f"older than {hours:g} hours" if is_stale else "",
    )


def missing(quantity: Quantity, source: str, reason: str) -> ContextField:
    """Return the field without a value, and why."""
    return ContextField(quantity.name, None, quantity.unit, source, None, None, "missing", reason)


FEAR_GREED = Quantity("fear_greed", "index 0-100", timedelta(hours=48), 0, 100)
DOMINANCE = Quantity("btc_dominance_pct", "%", timedelta(days=8), 0.1, 100)
NASDAQ = Quantity("nasdaq", "points", timedelta(hours=96), 100, 1_000_000)
DOLLAR_INDEX = Quantity("dollar_index", "points", timedelta(hours=96), 40, 250)
USD_KRW = Quantity("usd_krw", "KRW per USD", timedelta(hours=96), 500, 5_000)
NEWS_SENTIMENT = Quantity("news_sentiment", "-1 to 1", timedelta(hours=24), -1, 1)
EXCHANGE_FLOW = Quantity(
    "exchange_flow_btc", "BTC a day into exchanges, net", timedelta(hours=48), -5_000_000, 5_000_000
)
WHALE_MOVES = Quantity("whale_moves", "transfers a day", timedelta(hours=48), 0, 10_000_000)
DIFFICULTY = Quantity("mining_difficulty", "hashes per 2^32", timedelta(days=16), 1, 1e20)

EXTERNAL: tuple[Quantity, ...] = (
    DOMINANCE,
    FEAR_GREED,
    NASDAQ,
    DOLLAR_INDEX,
    USD_KRW,
    NEWS_SENTIMENT,
    EXCHANGE_FLOW,
    WHALE_MOVES,
    DIFFICULTY,
)
"""Everything the context has beside prices, in the order in which it is shown."""


def external_quantities(rate_max_age_hours: float) -> tuple[Quantity, ...]:
    """Return EXTERNAL with the age that the settings allow the won rate."""
    aged = replace(USD_KRW, max_age=timedelta(hours=rate_max_age_hours))
    return tuple(aged if quantity.name == USD_KRW.name else quantity for quantity in EXTERNAL)
