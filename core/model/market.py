"""What was known about the world."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Freshness = Literal["fresh", "stale", "missing"]


@dataclass(frozen=True, slots=True)
class ContextField:
    """One observed number. `value` is None exactly when `freshness` is missing."""

    name: str
    value: float | None
    unit: str
    source: str
    observed_at: datetime | None
    age_s: float | None
    freshness: Freshness
    reason: str = ""
    """Why it is missing or stale, in a few words."""


@dataclass(frozen=True, slots=True)
class Headline:
    """A headline as untrusted text: normalised, stripped, cut to 280 characters."""

    at: datetime
    source: str
    title: str
    sentiment: float | None
    """-1 to 1, by the source's own lexicon score; None when it gives none."""


@dataclass(frozen=True, slots=True)
class MarketContext:
    """The world as known at `at`. Nothing observed later is in it.

    Names: btc_dominance_pct, fear_greed, nasdaq, dollar_index, usd_krw, news_sentiment, exchange_flow_btc, whale_moves,
    mining_difficulty, and per symbol close_usd:<S>, return_24h_bps:<S>, volatility_24h_bps:<S>, volume_24h_usd:<S>.
    """

    context_id: str
    at: datetime
    symbols: tuple[str, ...]
    fields: tuple[ContextField, ...]
    headlines: tuple[Headline, ...]
    key_events: tuple[str, ...]

    def value(self, name: str) -> float | None:
        """Return the number named `name`, or None when it is missing or stale."""
        for field in self.fields:
            if field.name == name and field.freshness == "fresh":
                return field.value
        return None
