"""Message `performance_feedback`, generated from strategies/schemas/messages/performance_feedback.json."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from core.model.generated._base import Message
from core.model.generated.parts import Shortfall
from msgspec import Meta


class PerformanceFeedback(Message, frozen=True, kw_only=True):
    """
    What one instance made of one prediction.
    """

    at_ns: Annotated[int, Meta(description='When this feedback was made.')]
    """When this feedback was made."""

    decision_price: Annotated[Decimal, Meta(description='Price when it was decided; null when nothing was.')] | None
    """Price when it was decided; null when nothing was."""

    feedback_id: Annotated[str, Meta(description='`{engine_id}:{instance_id}-p{n}`.')]
    """`{engine_id}:{instance_id}-p{n}`."""

    instance_id: Annotated[str, Meta(description='The instance.')]
    """The instance."""

    mean_fill_price: Annotated[Decimal, Meta(description='Mean fill price; null when nothing filled.')] | None
    """Mean fill price; null when nothing filled."""

    outcome: Annotated[
        str,
        Meta(
            description='`taken`, or why not: `stale`, `expired`, `future`, `low_confidence`, `wrong_horizon`, `neutral`, `busy`, `refused`.'
        ),
    ]
    """`taken`, or why not: `stale`, `expired`, `future`, `low_confidence`, `wrong_horizon`, `neutral`, `busy`, `refused`."""

    params_version: Annotated[
        int, Meta(description='Version of the parameters that decided.', ge=0)
    ]
    """Version of the parameters that decided."""

    prediction_id: Annotated[str, Meta(description='The prediction.')]
    """The prediction."""

    qty: Annotated[Decimal, Meta(description='Quantity filled.')]
    """Quantity filled."""

    realised_move_bps: Annotated[float, Meta(description='Move of the price over the horizon, signed, in bps; null when the horizon was not lived to its end.')] | None
    """Move of the price over the horizon, signed, in bps; null when the horizon was not lived to its end."""

    received_at_ns: Annotated[
        int, Meta(description="When it was received, on the market's clock.")
    ]
    """When it was received, on the market's clock."""

    shortfall: Annotated[Shortfall, Meta(description='Cost of getting in, null when nothing was ordered.')] | None
    """Cost of getting in, null when nothing was ordered."""

    side: Annotated[Literal['buy', 'sell'], Meta(description='Side traded; null when nothing was.')] | None
    """Side traded; null when nothing was."""

    simulated: Annotated[bool, Meta(description='Whether fills were simulated.')]
    """Whether fills were simulated."""

    symbol: Annotated[str, Meta(description='Symbol.')]
    """Symbol."""
