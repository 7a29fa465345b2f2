"""The chain: mining difficulty from a mempool.space-like API, and flows and whale moves from number feeds.

No free public service publishes exchange flows or whale transfers in a stable form. A number feed is any address that
answers `{"value": 123.4, "observed_at": "2025-01-31T00:00:00Z"}`; without one the number is missing.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from pydantic import AwareDatetime, RootModel

from core.errors import XcrackError
from core.model.market import ContextField
from market.sources.reading import DIFFICULTY, EXCHANGE_FLOW, WHALE_MOVES, Quantity, Reading, missing, observed
from market.sources.web import Document, WebReader


class _Adjustments(RootModel[tuple[tuple[int, int, float, float], ...]]):
    """Rows of time in seconds, block height, difficulty from there on, and the change."""


class _Number(Document):
    value: float
    observed_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class OnChain:
    """Reads three numbers; an empty URL leaves its number missing. Each may fail without the others."""

    name: ClassVar[str] = "onchain"
    mempool_url: str
    exchange_flow_url: str
    whale_moves_url: str
    web: WebReader

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Difficulty, flows and whale moves."""
        return (DIFFICULTY, EXCHANGE_FLOW, WHALE_MOVES)

    async def fetch(self, at: datetime) -> Reading:
        """Return the difficulty in force at `at`, and what the number feeds say."""
        fields = await asyncio.gather(
            self._difficulty(at),
            self._number(EXCHANGE_FLOW, self.exchange_flow_url, "exchange_flow_url", at),
            self._number(WHALE_MOVES, self.whale_moves_url, "whale_moves_url", at),
        )
        return Reading(tuple(fields))

    async def _difficulty(self, at: datetime) -> ContextField:
        if not self.mempool_url:
            return missing(DIFFICULTY, "onchain", "sources.onchain_url is not set")
        url = f"{self.mempool_url.rstrip('/')}/v1/mining/difficulty-adjustments/3m"
        try:
            rows = (await self.web.read_document(url, _Adjustments)).root
        except XcrackError as error:
            return missing(DIFFICULTY, "onchain", error.message)
        known = [(since_s, difficulty) for since_s, _, difficulty, _ in rows if 0 <= since_s <= at.timestamp()]
        if not known:
            return missing(DIFFICULTY, "onchain", "no adjustment lies before the time asked for")
        since_s, difficulty = max(known)
        return observed(DIFFICULTY, difficulty, datetime.fromtimestamp(since_s, UTC), "onchain", at)

    async def _number(self, quantity: Quantity, url: str, key: str, at: datetime) -> ContextField:
        if not url:
            return missing(quantity, "onchain", f"sources.{key} is not set")
        try:
            number = await self.web.read_document(url, _Number)
        except XcrackError as error:
            return missing(quantity, "onchain", error.message)
        return observed(quantity, number.value, number.observed_at, "onchain", at)
