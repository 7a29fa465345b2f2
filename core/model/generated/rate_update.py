"""Message `rate_update`, generated from strategies/schemas/messages/rate_update.json."""

from __future__ import annotations

from typing import Annotated

from core.model.generated._base import Message
from msgspec import Meta


class RateUpdate(Message, frozen=True, kw_only=True):
    """
    The KRW rate in force, so that the engine can tell a large trade.
    """

    krw_per_quote: Annotated[float, Meta(description='KRW per quote unit.')]
    """KRW per quote unit."""

    observed_at_ns: Annotated[int, Meta(description='When the rate was observed.')]
    """When the rate was observed."""
