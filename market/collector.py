"""Asks all sources at once, under one deadline. Whatever fails is a missing field with a reason, never an error."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import httpx

from core.errors import XcrackError
from core.log import get_logger
from core.model.market import ContextField
from core.settings import Settings
from market.bars import BarArchive
from market.sources.absent import Absent
from market.sources.dominance import Dominance
from market.sources.fear_greed import FearGreed
from market.sources.indices import Indices
from market.sources.news import News
from market.sources.onchain import OnChain
from market.sources.prices import Prices
from market.sources.reading import (
    DOLLAR_INDEX,
    DOMINANCE,
    EXTERNAL,
    FEAR_GREED,
    NASDAQ,
    NEWS_SENTIMENT,
    USD_KRW,
    Quantity,
    Reading,
    Source,
    external_quantities,
    missing,
)
from market.sources.recorded import Recorded
from market.sources.usd_krw import UsdKrw
from market.sources.web import WebReader


@dataclass(frozen=True, slots=True)
class Collector:
    """The sources of one installation. `deadline_s` bounds a whole collection."""

    sources: tuple[Source, ...]
    archive: BarArchive
    deadline_s: float

    def collect(self, at: datetime, symbols: Sequence[str]) -> Reading:
        """Return everything known at `at`: external numbers in the order of EXTERNAL, then prices by symbol.

        Waits up to the deadline. Call it from a thread that runs no event loop.
        """
        return asyncio.run(self._collect(at, tuple(symbols)))

    async def _collect(self, at: datetime, symbols: tuple[str, ...]) -> Reading:
        asked: tuple[Source, ...] = (*self.sources, Prices(self.archive, symbols))
        readings = await asyncio.gather(*(self._ask(source, at) for source in asked))
        fields = {field.name: field for reading in readings for field in reading.fields}
        names = [quantity.name for quantity in EXTERNAL]
        external = [fields.pop(name) for name in names if name in fields]
        headlines = tuple(headline for reading in readings for headline in reading.headlines)
        return Reading((*external, *fields.values()), headlines)

    async def _ask(self, source: Source, at: datetime) -> Reading:
        try:
            async with asyncio.timeout(self.deadline_s):
                reading = await source.fetch(at)
        except TimeoutError:
            return _nothing(source, f"no answer within {self.deadline_s:g} s")
        except XcrackError as error:
            return _nothing(source, error.message)
        except Exception as error:
            # A source that fails in a way nobody foresaw must not stop the day; it is shown as missing and logged.
            get_logger("market").error("source_failed", source=source.name, error=f"{type(error).__name__}: {error}")
            return _nothing(source, f"failed: {type(error).__name__}")
        return replace(reading, fields=tuple(_not_later(field, at) for field in reading.fields))


def build_sources(settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> tuple[Source, ...]:
    """Return the sources that the settings name: recorded files, or the network in paper mode.

    A simulated day must not be told today's news, so demo and replay never use the network.
    """
    chosen = settings.sources
    if chosen.file is not None:
        return (Recorded(chosen.file, external_quantities(settings.advisor.rate_max_age_hours)),)
    if settings.mode != "paper":
        return (Absent(EXTERNAL, "no recorded context is configured (sources.file)"),)
    web = WebReader(chosen.timeout_s, transport)
    offered: tuple[tuple[str, str, tuple[Quantity, ...], Source], ...] = (
        ("dominance_url", chosen.dominance_url, (DOMINANCE,), Dominance(chosen.dominance_url, web)),
        ("fear_greed_url", chosen.fear_greed_url, (FEAR_GREED,), FearGreed(chosen.fear_greed_url, web)),
        ("indices_url", chosen.indices_url, (NASDAQ, DOLLAR_INDEX), Indices(chosen.indices_url, web)),
        (
            "usd_krw_url",
            chosen.usd_krw_url,
            (USD_KRW,),
            UsdKrw(chosen.usd_krw_url, web, settings.advisor.rate_max_age_hours),
        ),
        ("news_url", chosen.news_url, (NEWS_SENTIMENT,), News(chosen.news_url, web)),
    )
    switched = tuple(
        source if url else Absent(quantities, f"sources.{key} is not set") for key, url, quantities, source in offered
    )
    onchain = OnChain(chosen.onchain_url, chosen.exchange_flow_url, chosen.whale_moves_url, web)
    return (*switched, onchain)


def _nothing(source: Source, reason: str) -> Reading:
    return Reading(tuple(missing(quantity, source.name, reason) for quantity in source.quantities))


def _not_later(field: ContextField, at: datetime) -> ContextField:
    """Return the field, or a missing one when a source let through what was observed only after `at`."""
    if field.observed_at is None or field.observed_at <= at:
        return field
    return replace(
        field, value=None, observed_at=None, age_s=None, freshness="missing", reason="observed after the time asked for"
    )
