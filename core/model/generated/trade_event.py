"""Message `trade_event`, generated from strategies/schemas/messages/trade_event.json."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

from core.model.generated._base import Message
from core.model.generated.parts import IndicatorSnapshot, MarketConditions, Shortfall
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
        Meta(
            description="`{engine_id}:{instance_id}-{n}`, n counting the instance's round trips."
        ),
    ]
    """`{engine_id}:{instance_id}-{n}`, n counting the instance's round trips."""
