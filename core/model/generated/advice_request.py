"""Message `advice_request`, generated from strategies/schemas/messages/advice_request.json."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from core.model.generated._base import Message
from core.model.generated.parts import IndicatorSnapshot, MarketConditions
from msgspec import Meta


class AdviceRequest(Message, frozen=True, kw_only=True):
    """
    May this opening trade go ahead?
    """

    advice_id: Annotated[str, Meta(description='`{engine_id}:{instance_id}-a{n}`.')]
    """`{engine_id}:{instance_id}-a{n}`."""

    at_ns: Annotated[int, Meta(description='When it was decided.')]
    """When it was decided."""

    conditions: Annotated[MarketConditions, Meta(description='Market now.')]
    """Market now."""

    deadline_ns: Annotated[
        int, Meta(description='The engine waits until this on the injected clock.')
    ]
    """The engine waits until this on the injected clock."""

    equity: Annotated[Decimal, Meta(description='Equity of the instance.')]
    """Equity of the instance."""

    indicators: Annotated[IndicatorSnapshot, Meta(description='Indicators now.')]
    """Indicators now."""

    instance_id: Annotated[str, Meta(description='Instance.')]
    """Instance."""

    krw_per_quote: Annotated[float, Meta(description='KRW per quote unit in force, null when unknown or too old.')] | None
    """KRW per quote unit in force, null when unknown or too old."""

    notional: Annotated[Decimal, Meta(description='Notional in quote currency.')]
    """Notional in quote currency."""

    position: Annotated[Decimal, Meta(description='Signed position in the symbol.')]
    """Signed position in the symbol."""

    price: Annotated[Decimal, Meta(description='Price looked at.')]
    """Price looked at."""

    qty: Annotated[Decimal, Meta(description='Quantity.')]
    """Quantity."""

    side: Annotated[Literal['buy', 'sell'], Meta(description='Direction.')]
    """Direction."""

    strategy: Annotated[str, Meta(description='Strategy.')]
    """Strategy."""

    strength: Annotated[float, Meta(description='Strength of the signal.')]
    """Strength of the signal."""

    symbol: Annotated[str, Meta(description='Symbol.')]
    """Symbol."""
