"""Message `equity_mark`, generated from strategies/schemas/messages/equity_mark.json."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from core.model.generated._base import Message
from msgspec import Meta


class EquityMark(Message, frozen=True, kw_only=True):
    """
    Equity of one instance at a round time.
    """

    at_ns: Annotated[int, Meta(description='When.')]
    """When."""

    capital: Annotated[
        Decimal,
        Meta(
            description="Capital the sizes refer to: the instance's own times its share now. It moves with the share, which is no profit."
        ),
    ]
    """Capital the sizes refer to: the instance's own times its share now. It moves with the share, which is no profit."""

    costs: Annotated[Decimal, Meta(description='Fees and slippage so far.')]
    """Fees and slippage so far."""

    equity: Annotated[
        Decimal,
        Meta(description='Capital plus realised and unrealised profit, after costs.'),
    ]
    """Capital plus realised and unrealised profit, after costs."""

    gross_notional: Annotated[
        Decimal, Meta(description='Sum of absolute positions at the last price.')
    ]
    """Sum of absolute positions at the last price."""

    instance_id: Annotated[str, Meta(description='Instance.')]
    """Instance."""

    mode: Annotated[
        Literal['live', 'canary', 'shadow', 'twin'], Meta(description='Mode.')
    ]
    """Mode."""

    params_version: Annotated[int, Meta(description='Version of the parameters.', ge=0)]
    """Version of the parameters."""

    positions: Annotated[
        dict[str, Decimal], Meta(description='Signed position by symbol.')
    ]
    """Signed position by symbol."""

    prices: Annotated[dict[str, Decimal], Meta(description='Last price by symbol.')]
    """Last price by symbol."""

    strategy: Annotated[str, Meta(description='Strategy.')]
    """Strategy."""
