"""Bitcoin's share of the market value of all coins, in the form of CoinGecko's `global`."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import Field

from market.sources.reading import DOMINANCE, Quantity, Reading, observed
from market.sources.web import Document, WebReader


class _Shares(Document):
    btc: float


class _Totals(Document):
    market_cap_percentage: _Shares
    updated_at: Annotated[int, Field(ge=0, le=253_402_300_799)]


class _Global(Document):
    data: _Totals


@dataclass(frozen=True, slots=True)
class Dominance:
    """Reads the current share in percent."""

    name: ClassVar[str] = "dominance"
    url: str
    web: WebReader

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The share."""
        return (DOMINANCE,)

    async def fetch(self, at: datetime) -> Reading:
        """Return the current share."""
        totals = (await self.web.read_document(self.url, _Global)).data
        observed_at = datetime.fromtimestamp(totals.updated_at, UTC)
        return Reading((observed(DOMINANCE, totals.market_cap_percentage.btc, observed_at, "dominance", at),))
