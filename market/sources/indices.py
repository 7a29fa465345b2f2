"""The Nasdaq Composite and the dollar index, in the form of Yahoo's chart document."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, ClassVar
from urllib.parse import quote

from pydantic import Field

from core.errors import Unavailable
from market.sources.reading import DOLLAR_INDEX, NASDAQ, Quantity, Reading, missing, observed
from market.sources.web import Document, WebReader

TICKERS = ((NASDAQ, "^IXIC"), (DOLLAR_INDEX, "DX-Y.NYB"))


class _Meta(Document):
    regularMarketPrice: float
    regularMarketTime: Annotated[int, Field(ge=0, le=253_402_300_799)]


class _Result(Document):
    meta: _Meta


class _Chart(Document):
    result: Annotated[tuple[_Result, ...], Field(min_length=1)]


class _Answer(Document):
    chart: _Chart


@dataclass(frozen=True, slots=True)
class Indices:
    """Reads both indices; `url` holds `{symbol}`. One may fail without the other."""

    name: ClassVar[str] = "indices"
    url: str
    web: WebReader

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Both indices."""
        return tuple(quantity for quantity, _ in TICKERS)

    async def fetch(self, at: datetime) -> Reading:
        """Return the last prices of both."""
        fields = []
        for quantity, ticker in TICKERS:
            try:
                answer = await self.web.read_document(self.url.replace("{symbol}", quote(ticker)), _Answer)
            except Unavailable as error:
                fields.append(missing(quantity, "indices", error.message))
                continue
            meta = answer.chart.result[0].meta
            observed_at = datetime.fromtimestamp(meta.regularMarketTime, UTC)
            fields.append(observed(quantity, meta.regularMarketPrice, observed_at, "indices", at))
        return Reading(tuple(fields))
