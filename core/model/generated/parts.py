"""What several messages hold, generated from strategies/schemas/messages/."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from core.model.generated._base import Message
from msgspec import Meta


class IndicatorSnapshot(Message, frozen=True, kw_only=True):
    """
    Indicators of the symbol at the decision, from closed bars only; null until warmed up.
    """

    atr: Annotated[float, Meta(description='ATR(14) in price units.')] | None
    """ATR(14) in price units."""

    bollinger_lower: Annotated[float, Meta(description='Lower Bollinger band (20, 2).')] | None
    """Lower Bollinger band (20, 2)."""

    bollinger_upper: Annotated[float, Meta(description='Upper Bollinger band (20, 2).')] | None
    """Upper Bollinger band (20, 2)."""

    ema_fast: Annotated[float, Meta(description='EMA(12).')] | None
    """EMA(12)."""

    ema_slow: Annotated[float, Meta(description='EMA(26).')] | None
    """EMA(26)."""

    macd: Annotated[float, Meta(description='MACD(12, 26) line in price units.')] | None
    """MACD(12, 26) line in price units."""

    macd_signal: Annotated[float, Meta(description='Its EMA(9).')] | None
    """Its EMA(9)."""

    rsi: Annotated[float, Meta(description='RSI(14), 0 to 100.')] | None
    """RSI(14), 0 to 100."""


class MarketConditions(Message, frozen=True, kw_only=True):
    """
    State of the symbol's market at the decision; null until warmed up.
    """

    trend_bps: Annotated[float, Meta(description='EMA(12) over EMA(26) minus one, in bps.')] | None
    """EMA(12) over EMA(26) minus one, in bps."""

    volatility_bps: Annotated[float, Meta(description='Standard deviation of the last 48 log returns, in bps per bar.')] | None
    """Standard deviation of the last 48 log returns, in bps per bar."""

    volume_ratio: Annotated[float, Meta(description='Volume over its mean of the last 48 bars.')] | None
    """Volume over its mean of the last 48 bars."""


class Shortfall(Message, frozen=True, kw_only=True):
    """
    Implementation shortfall after Perold (1988): paper return minus real one, split. Above zero is a cost.
    """

    delay: Annotated[
        Decimal,
        Meta(
            description='From the decision to the arrival at the venue: quantity filled times the move against us.'
        ),
    ]
    """From the decision to the arrival at the venue: quantity filled times the move against us."""

    impact: Annotated[
        Decimal, Meta(description='The rest of the distance between arrival and fill.')
    ]
    """The rest of the distance between arrival and fill."""

    opportunity: Annotated[
        Decimal,
        Meta(
            description='Quantity not filled times the move against us until the order ended.'
        ),
    ]
    """Quantity not filled times the move against us until the order ended."""

    spread: Annotated[
        Decimal,
        Meta(
            description='Half spread paid at arrival, on the quantity filled; zero where no book was known.'
        ),
    ]
    """Half spread paid at arrival, on the quantity filled; zero where no book was known."""
