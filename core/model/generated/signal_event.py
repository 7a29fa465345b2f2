"""Message `signal_event`, generated from strategies/schemas/messages/signal_event.json."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

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

    signal_id: Annotated[str, Meta(description='`{instance_id}-s{n}`.')]
    """`{instance_id}-s{n}`."""

    strategy: Annotated[str, Meta(description='Strategy.')]
    """Strategy."""

    strength: Annotated[float, Meta(description='Strength.')]
    """Strength."""

    symbol: Annotated[str, Meta(description='Symbol.')]
    """Symbol."""
