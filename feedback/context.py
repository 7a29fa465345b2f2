"""Station 3: the world as it was known at a time, and the won rate that trades are shown in.

What a source cannot say about the time asked for (its newest number is later, or it is down) comes from the numbers
observed before; `observe` between the days keeps those coming.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from core.clock import Clock
from core.model.canonical import canonical_json, short_id
from core.model.market import ContextField, MarketContext
from core.settings_advisor import AdvisorSettings
from core.store import Session, Store, contexts, observations
from market.collector import Collector
from market.sources.reading import EXTERNAL, USD_KRW, external_quantities, observed
from market.sources.text import find_events


@dataclass(frozen=True, slots=True)
class MarketContextCollector:
    """Collects the context. It reads the store for earlier observations and writes nothing by itself."""

    collector: Collector
    store: Store
    clock: Clock
    advisor: AdvisorSettings

    def collect_context(self, at: datetime, symbols: Sequence[str]) -> MarketContext:
        """Return the world as known at `at`; every field has source, age, and a reason where stale or missing."""
        reading = self.collector.collect(at, symbols)
        with self.store.session() as session:
            fields = tuple(self._or_earlier(session, field, at) for field in reading.fields)
        headlines = tuple(headline for headline in reading.headlines if headline.at <= at)
        return MarketContext(
            context_id=short_id("ctx", at.isoformat(), *symbols, canonical_json([fields, headlines])),
            at=at,
            symbols=tuple(symbols),
            fields=fields,
            headlines=headlines,
            key_events=find_events(headlines),
        )

    def observe(self) -> tuple[ContextField, ...]:
        """Return the external numbers as of now, for `save_observations`; call it between the days, every hour."""
        return self.collector.collect(self.clock.now(), ()).fields

    def save(self, session: Session, context: MarketContext) -> None:
        """Keep the context and the external numbers in it; a second time has no effect."""
        contexts.add(session, context)
        self.save_observations(session, context.fields)

    def save_observations(self, session: Session, fields: Sequence[ContextField]) -> None:
        """Keep every external number that was observed; prices stay in the bar archive."""
        external = {quantity.name for quantity in EXTERNAL}
        fetched_at = self.clock.now()
        for field in fields:
            if field.name in external and field.value is not None and field.observed_at is not None:
                observations.add(session, field.name, field.observed_at, field.value, field.source, fetched_at)

    def _or_earlier(self, session: Session, field: ContextField, at: datetime) -> ContextField:
        known_kinds = {kind.name: kind for kind in external_quantities(self.advisor.rate_max_age_hours)}
        quantity = known_kinds.get(field.name)
        if field.value is not None or quantity is None:
            return field
        known = observations.as_of(session, field.name, at)
        if known is None:
            return field
        value, observed_at, source = known
        return observed(quantity, value, observed_at, source, at)


def usd_krw_at(session: Session, at: datetime, settings: AdvisorSettings) -> tuple[Decimal, bool]:
    """Return won per dollar as observed at or before `at`, and whether it is stale.

    Without any observation it is the rate of the settings, and stale.
    """
    known = observations.as_of(session, USD_KRW.name, at)
    if known is None:
        return Decimal(str(settings.fallback_krw_per_usd)), True
    value, observed_at, _ = known
    return Decimal(str(value)), at - observed_at > timedelta(hours=settings.rate_max_age_hours)
