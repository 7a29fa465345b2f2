"""Message `signal_event`, generated from strategies/schemas/messages/signal_event.json."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from core.model.generated._base import Message
from core.model.generated.parts import IndicatorSnapshot, MarketConditions
from msgspec import Meta


class SignalEvent(Message, frozen=True, kw_only=True):
    """
    A wish to open, taken or not.
    """

    at_ns: Annotated[int, Meta(description='When.')]
    """When."""

    conditions: Annotated[MarketConditions, Meta(description='Market at that moment.')]
    """Market at that moment."""

    indicators: Annotated[
        IndicatorSnapshot, Meta(description='Indicators at that moment.')
    ]
    """Indicators at that moment."""

    instance_id: Annotated[str, Meta(description='Instance.')]
    """Instance."""

    outcome: Annotated[
        str,
        Meta(
            description="`taken`, or the rule that stopped it: a risk limit, `advisor_veto`, `advisor_timeout`, `halted`, or the strategy's own."
        ),
    ]
    """`taken`, or the rule that stopped it: a risk limit, `advisor_veto`, `advisor_timeout`, `halted`, or the strategy's own."""

    params_version: Annotated[int, Meta(description='Version of the parameters.', ge=0)]
    """Version of the parameters."""

    price: Annotated[Decimal, Meta(description='Price looked at.')]
    """Price looked at."""

    qty: Annotated[Decimal, Meta(description='Quantity wanted.')]
    """Quantity wanted."""

    side: Annotated[Literal['buy', 'sell'], Meta(description='Direction.')]
    """Direction."""

    signal_id: Annotated[str, Meta(description='`{engine_id}:{instance_id}-s{n}`.')]
    """`{engine_id}:{instance_id}-s{n}`."""

    strategy: Annotated[str, Meta(description='Strategy.')]
    """Strategy."""

    strength: Annotated[float, Meta(description='Strength.')]
    """Strength."""

    symbol: Annotated[str, Meta(description='Symbol.')]
    """Symbol."""
