"""Message `trade_event`, generated from strategies/schemas/messages/trade_event.json."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

from core.model.generated._base import Message
from msgspec import Meta

Ask: TypeAlias = tuple[Decimal, Decimal]


Bid: TypeAlias = tuple[Decimal, Decimal]


class BookSnapshot(Message, frozen=True, kw_only=True):
    """
    The book at the decision. Bars prove none, so it is null there.
    """

    asks: Annotated[list[Ask], Meta(description='Asks, best first.')]
    """Asks, best first."""

    bids: Annotated[
        list[Bid], Meta(description='Bids, best first: price and quantity.')
    ]
    """Bids, best first: price and quantity."""


class Execution(Message, frozen=True, kw_only=True):
    """
    One end of a trade: what was wanted and what was got.
    """

    arrival_price: Annotated[
        Decimal, Meta(description='Price when the order reached the venue.')
    ]
    """Price when the order reached the venue."""

    decided_at_ns: Annotated[int, Meta(description='When it was decided.')]
    """When it was decided."""

    decision_price: Annotated[
        Decimal, Meta(description='Price the strategy looked at.')
    ]
    """Price the strategy looked at."""

    fee: Annotated[
        Decimal, Meta(description='Fee of this end, for the closed quantity.')
    ]
    """Fee of this end, for the closed quantity."""

    fill_price: Annotated[Decimal, Meta(description='Price it traded at.')]
    """Price it traded at."""

    filled_at_ns: Annotated[int, Meta(description='When it filled.')]
    """When it filled."""

    liquidity: Annotated[Literal['maker', 'taker'], Meta(description='Maker or taker.')]
    """Maker or taker."""

    slippage: Annotated[
        Decimal,
        Meta(description='Modelled slippage of this end, for the closed quantity.'),
    ]
    """Modelled slippage of this end, for the closed quantity."""


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


class TradeEvent(Message, frozen=True, kw_only=True):
    """
    A closed round trip: one closing fill against the oldest open quantity.
    """

    advice_id: Annotated[str, Meta(description='The advice that let it pass, null when none was asked.')] | None
    """The advice that let it pass, null when none was asked."""

    book: Annotated[BookSnapshot, Meta(description='Book at the entry decision, null when the market data hold none.')] | None
    """Book at the entry decision, null when the market data hold none."""

    conditions: Annotated[
        MarketConditions, Meta(description='Market at the entry decision.')
    ]
    """Market at the entry decision."""

    entry: Annotated[Execution, Meta(description='How it was opened.')]
    """How it was opened."""

    exit: Annotated[Execution, Meta(description='How it was closed.')]
    """How it was closed."""

    exit_reason: Annotated[
        Literal['entry', 'quote', 'exit', 'stop_loss', 'take_profit', 'flatten', 'arbitrage', 'unwind', 'liquidation'],
        Meta(description='Why it was closed.'),
    ]
    """Why it was closed."""

    gross_pnl: Annotated[Decimal, Meta(description='Profit before fees and slippage.')]
    """Profit before fees and slippage."""

    indicators: Annotated[
        IndicatorSnapshot, Meta(description='Indicators at the entry decision.')
    ]
    """Indicators at the entry decision."""

    instance_id: Annotated[str, Meta(description='Instance that traded.')]
    """Instance that traded."""

    mode: Annotated[
        Literal['live', 'canary', 'shadow', 'twin'], Meta(description='Its mode.')
    ]
    """Its mode."""

    net_pnl: Annotated[Decimal, Meta(description='Profit after both.')]
    """Profit after both."""

    params_sha256: Annotated[str, Meta(description='Their hash.')]
    """Their hash."""

    params_version: Annotated[
        int, Meta(description='Version of the parameters that decided the entry.', ge=0)
    ]
    """Version of the parameters that decided the entry."""

    qty: Annotated[Decimal, Meta(description='Closed quantity.')]
    """Closed quantity."""

    shortfall: Annotated[
        Shortfall,
        Meta(description='What getting in and out cost beside the decision prices.'),
    ]
    """What getting in and out cost beside the decision prices."""

    side: Annotated[Literal['buy', 'sell'], Meta(description='Side of the entry.')]
    """Side of the entry."""

    signal_strength: Annotated[float, Meta(description='Strength of the entry signal.')]
    """Strength of the entry signal."""

    strategy: Annotated[str, Meta(description='Its strategy.')]
    """Its strategy."""

    symbol: Annotated[str, Meta(description='Symbol.')]
    """Symbol."""

    trade_id: Annotated[
        str,
        Meta(description="`{instance_id}-{n}`, n counting the instance's round trips."),
    ]
    """`{instance_id}-{n}`, n counting the instance's round trips."""
