"""Message `advice_request`, generated from strategies/schemas/messages/advice_request.json."""

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


class AdviceRequest(Message, frozen=True, kw_only=True):
    """
    May this opening trade go ahead?
    """

    advice_id: Annotated[str, Meta(description='`{instance_id}-a{n}`.')]
    """`{instance_id}-a{n}`."""

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
