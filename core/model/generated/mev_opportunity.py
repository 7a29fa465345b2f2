"""Message `mev_opportunity`, generated from strategies/schemas/messages/mev_opportunity.json."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from core.model.generated._base import Message
from msgspec import Meta


class LoanReserve(Message, frozen=True, kw_only=True):
    """
    One side of a loan in one asset, priced by the protocol's own oracle.
    """

    amount: Annotated[Decimal, Meta(description='Amount.')]
    """Amount."""

    asset: Annotated[str, Meta(description='Asset, for example `WETH`.')]
    """Asset, for example `WETH`."""

    liquidation_threshold: Annotated[
        float,
        Meta(
            description='Share of the value that counts as security, 0 to 1; ignored for debt.'
        ),
    ]
    """Share of the value that counts as security, 0 to 1; ignored for debt."""

    price: Annotated[Decimal, Meta(description='Oracle price in quote currency.')]
    """Oracle price in quote currency."""


class LoanPosition(Message, frozen=True, kw_only=True):
    """
    A loan that anybody may liquidate when its health factor is below one.
    """

    bonus_bps: Annotated[
        float,
        Meta(
            description='Extra collateral that a liquidator gets, in bps of what was repaid.'
        ),
    ]
    """Extra collateral that a liquidator gets, in bps of what was repaid."""

    borrower: Annotated[str, Meta(description='Who borrowed.')]
    """Who borrowed."""

    collateral: Annotated[list[LoanReserve], Meta(description='What secures the loan.')]
    """What secures the loan."""

    debt: Annotated[list[LoanReserve], Meta(description='What is owed.')]
    """What is owed."""

    flash_fee_bps: Annotated[
        float, Meta(description='Fee of the flash loan, in bps of what was repaid.')
    ]
    """Fee of the flash loan, in bps of what was repaid."""

    gas: Annotated[Decimal, Meta(description='Gas, in quote currency.')]
    """Gas, in quote currency."""

    protocol: Annotated[
        Literal['aave_v2', 'aave_v3', 'aave_v33', 'compound_v2'],
        Meta(description='Rules of which protocol.'),
    ]
    """Rules of which protocol."""

    protocol_fee_bps: Annotated[
        float,
        Meta(
            description='Share of the bonus that the protocol keeps, in bps of the bonus.'
        ),
    ]
    """Share of the bonus that the protocol keeps, in bps of the bonus."""

    repay: Annotated[
        int,
        Meta(description='Which of `debt` a liquidator would repay.', ge=0, le=65535),
    ]
    """Which of `debt` a liquidator would repay."""

    seize: Annotated[
        int,
        Meta(
            description='Which of `collateral` a liquidator would take.', ge=0, le=65535
        ),
    ]
    """Which of `collateral` a liquidator would take."""

    swap_cost_bps: Annotated[
        float, Meta(description='Cost of selling what was seized, in bps of its value.')
    ]
    """Cost of selling what was seized, in bps of its value."""


class MevOpportunity(Message, frozen=True, kw_only=True):
    """
    A chance on a chain. The engine only ever simulates it.
    """

    at_ns: Annotated[int, Meta(description='When it was seen.')]
    """When it was seen."""

    block: Annotated[int, Meta(description='Block it was seen at.', ge=0)]
    """Block it was seen at."""

    chain_id: Annotated[int, Meta(description='Chain id after EIP-155.', ge=0)]
    """Chain id after EIP-155."""

    expires_at_ns: Annotated[int, Meta(description='After this it is gone.')]
    """After this it is gone."""

    kind: Annotated[
        Literal['liquidation', 'arbitrage', 'sandwich', 'jit'],
        Meta(description='What kind.'),
    ]
    """What kind."""

    liquidation: Annotated[LoanPosition, Meta(description='The loan, where it is a liquidation.')] | None
    """The loan, where it is a liquidation."""

    opportunity_id: Annotated[str, Meta(description='Unique.')]
    """Unique."""

    pools: Annotated[
        list[str], Meta(description='Addresses of the pools it runs through.')
    ]
    """Addresses of the pools it runs through."""

    symbol: Annotated[str, Meta(description='The symbol in which it pays.')]
    """The symbol in which it pays."""

    target_tx: Annotated[str, Meta(description='The pending transaction that opens it; null when the state alone does.')] | None
    """The pending transaction that opens it; null when the state alone does."""
