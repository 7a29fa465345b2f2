"""Won for one dollar, in the form of open.er-api.com: a daily rate."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar

from pydantic import Field

from market.sources.reading import USD_KRW, Quantity, Reading, observed
from market.sources.web import Document, WebReader


class _Rates(Document):
    KRW: float


class _Table(Document):
    time_last_update_unix: Annotated[int, Field(ge=0, le=253_402_300_799)]
    rates: _Rates


@dataclass(frozen=True, slots=True)
class UsdKrw:
    """Reads the rate; stale when older than `max_age_hours`."""

    name: ClassVar[str] = "usd_krw"
    url: str
    web: WebReader
    max_age_hours: float

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The rate."""
        return (replace(USD_KRW, max_age=timedelta(hours=self.max_age_hours)),)

    async def fetch(self, at: datetime) -> Reading:
        """Return the rate last published."""
        table = await self.web.read_document(self.url, _Table)
        observed_at = datetime.fromtimestamp(table.time_last_update_unix, UTC)
        return Reading((observed(self.quantities[0], table.rates.KRW, observed_at, "usd_krw", at),))
