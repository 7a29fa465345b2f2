"""The fear and greed index, 0 (fear) to 100 (greed), in the form that alternative.me publishes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import Field

from market.sources.reading import FEAR_GREED, Quantity, Reading, observed
from market.sources.web import Document, WebReader


class _Point(Document):
    value: float
    timestamp: Annotated[int, Field(ge=0, le=253_402_300_799)]


class _Index(Document):
    data: Annotated[tuple[_Point, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class FearGreed:
    """Reads the newest index value."""

    name: ClassVar[str] = "fear_greed"
    url: str
    web: WebReader

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The index."""
        return (FEAR_GREED,)

    async def fetch(self, at: datetime) -> Reading:
        """Return the newest value published."""
        index = await self.web.read_document(self.url, _Index)
        newest = max(index.data, key=lambda point: point.timestamp)
        observed_at = datetime.fromtimestamp(newest.timestamp, UTC)
        return Reading((observed(FEAR_GREED, newest.value, observed_at, "fear_greed", at),))
